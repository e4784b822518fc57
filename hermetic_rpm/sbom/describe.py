"""From a lock to what the documents tell of it: pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from urllib.parse import quote

from hermetic_rpm import __version__, licences
from hermetic_rpm.lock.model import Lock, LockedSrpm, Package, SourceRpm
from hermetic_rpm.sbom.model import Buildroot, ImageComponent, RpmComponent, SrpmComponent

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://hermetic-rpm.invalid/sbom")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def describe(lock: Lock) -> Buildroot:
    """The buildroot of a lock."""
    sidecar = lock.sidecar
    identity = f"{__version__} {lock.lockfile_sha256} {lock.sidecar_sha256 or ''}"
    distro = lock.lockfile.config.dist.lstrip(".")
    srpm = None if sidecar is None else _srpm(sidecar.srpm, distro)
    known = () if sidecar is None else sidecar.sources or ()
    sources = {entry.name: _srpm(entry, distro) for entry in known}
    packages = tuple(_rpm(package, distro, sources) for package in lock.packages)
    inside = {package.nevra for package in packages}
    tools = tuple(_rpm(package, distro, sources) for package in lock.bootstrap_packages)
    return Buildroot(
        name="buildroot" if srpm is None else f"buildroot of {srpm.name}-{srpm.evr}",
        uuid=str(uuid.uuid5(NAMESPACE, identity)),
        lockfile_sha256=lock.lockfile_sha256,
        target=None if sidecar is None else sidecar.target.name,
        packages=packages,
        tools=tuple(tool for tool in tools if tool.nevra not in inside),
        image=_image(lock),
        srpm=srpm,
    )


def _rpm(package: Package, distro: str, sources: Mapping[str, SrpmComponent]) -> RpmComponent:
    rpm, source = package.rpm, package.source
    qualifiers = {
        "arch": rpm.arch, "epoch": rpm.epoch, "distro": distro,
        "repository_id": None if source is None else source.repository,
    }  # fmt: skip
    epoch = "" if rpm.epoch is None else f"{rpm.epoch}:"
    return RpmComponent(
        name=rpm.name,
        evr=f"{epoch}{rpm.version}-{rpm.release}",
        nevra=rpm.nevra,
        purl=purl("rpm", rpm.name, f"{rpm.version}-{rpm.release}", qualifiers),
        url=_address(rpm.url),
        file_name=package.file_name,
        sigmd5=rpm.sigmd5,
        licence=rpm.license,
        expression=_expression(rpm.license),
        sha256=None if source is None else source.sha256,
        key=None if source is None else source.key,
        key_digits=rpm.signature,
        repository=None if source is None else source.repository,
        location=None if source is None else source.location,
        source=None if source is None or source.source is None else sources.get(source.source),
    )


def _expression(text: str) -> licences.Expression | None:
    """The expression; none with a ``+`` that has no identifier of its own, which the formats' tools refuse."""
    found = licences.parse(text)
    if found is None or any(term.licence.endswith("+") for term in licences.terms(found)):
        return None
    return found


def _address(url: str) -> str:
    """A URL as the formats want it (RFC 3986): what is not allowed in one is quoted, what is quoted stays so."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    path = quote(LONE_PERCENT.sub("%25", path), safe="/%:+~@=,;!$&'()*?")
    return f"{scheme}://{host}{slash}{path}"


def _srpm(srpm: LockedSrpm | SourceRpm, distro: str) -> SrpmComponent:
    stem = srpm.name.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    name, version, release = ("", "", "", *stem.rsplit("-", 2))[-3:]
    if not name:
        name, version, release = stem, "", ""
    evr = f"{version}-{release}" if version else ""
    qualifiers = {"arch": "nosrc" if srpm.name.endswith(".nosrc.rpm") else "src", "distro": distro}
    return SrpmComponent(
        name=name, evr=evr, purl=purl("rpm", name, evr, qualifiers), file_name=srpm.name, sha256=srpm.sha256
    )


def _image(lock: Lock) -> ImageComponent:
    """The image as `purl-spec` has it: named by its digest, the repository and the tag as qualifiers."""
    reference = lock.lockfile.config.bootstrap_image.partition("@")[0]
    head, slash, tail = reference.rpartition("/")
    name, _, tag = tail.partition(":")
    digest = lock.lockfile.bootstrap.pull_digest
    qualifiers = {
        "arch": lock.lockfile.bootstrap.architecture, "repository_url": f"{head}{slash}{name}" if head else None,
        "tag": tag,
    }  # fmt: skip
    return ImageComponent(
        name=reference,
        purl=purl("oci", name.lower(), digest, qualifiers),
        digest=digest,
        sha256=digest.removeprefix("sha256:"),
        config_digest=f"sha256:{lock.lockfile.bootstrap.id}",
        source=None if lock.sidecar is None else lock.sidecar.image,
    )


def purl(kind: str, name: str, version: str, qualifiers: Mapping[str, str | None]) -> str:
    """A package URL (purl-spec): no namespace, since no lock knows the vendor; empty qualifiers left out."""
    shown = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value)
    at = f"@{quote(version, safe=':')}" if version else ""
    return f"pkg:{kind}/{quote(name, safe='')}{at}{f'?{shown}' if shown else ''}"
