"""From a lock, and from what was built with it, to what the documents tell: pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import PurePath
from urllib.parse import quote

from hermetic_rpm import __version__, licences
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.sbom.model import Build, Buildroot, BuiltRpm, ImageComponent, RpmComponent, SrpmComponent

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://hermetic-rpm.invalid/sbom")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def describe(lock: Lock) -> Buildroot:
    """The buildroot of a lock."""
    sidecar = lock.sidecar
    identity = f"{__version__} {lock.lockfile_sha256} {lock.sidecar_sha256 or ''}"
    distro = lock.lockfile.config.dist.lstrip(".")
    srpm = None if sidecar is None else _srpm(sidecar.srpm.name, sidecar.srpm.sha256, distro)
    known = () if sidecar is None else sidecar.sources or ()
    sources = {entry.name: _srpm(entry.name, entry.sha256, distro) for entry in known}
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


def components(lock: Lock) -> tuple[RpmComponent, ...]:
    """Every locked package: those of the buildroot, then all that complete the bootstrap image."""
    distro = lock.lockfile.config.dist.lstrip(".")
    return tuple(_rpm(package, distro, {}) for package in lock.every_package)


def describe_build(lock: Lock, srpm: str, srpm_sha256: str, made: Sequence[tuple[Header, str]]) -> Build:
    """What was built from a source RPM with a lock: headers, each with its file's sha256.

    ``srpm`` is its file name; that of the sidecar is told if it is the resolved one, whatever it is called now.
    """
    distro = lock.lockfile.config.dist.lstrip(".")
    if lock.sidecar is not None and lock.sidecar.srpm.sha256 == srpm_sha256:
        srpm = lock.sidecar.srpm.name
    files = sorted(((PurePath(header.path).name, header, sha256) for header, sha256 in made), key=itemgetter(0))
    outputs = " ".join(f"{name} {sha256}" for name, _, sha256 in files)
    identity = f"{__version__} {lock.lockfile_sha256} {lock.sidecar_sha256 or ''} {srpm_sha256} {outputs}"
    given = _srpm(srpm, srpm_sha256, distro)
    return Build(
        name="-".join(filter(None, (given.name, given.evr))),
        uuid=str(uuid.uuid5(NAMESPACE, identity)),
        lockfile_sha256=lock.lockfile_sha256,
        sidecar_sha256=lock.sidecar_sha256,
        buildroot=describe(lock).uuid,
        packages=tuple(_built(name, header, sha256, distro) for name, header, sha256 in files if not header.source),
        written=tuple(_srpm(name, sha256, distro) for name, header, sha256 in files if header.source),
        srpm=given,
    )


def _built(file_name: str, header: Header, sha256: str, distro: str) -> BuiltRpm:
    release = f"{header.version}-{header.release}"
    qualifiers = {"arch": header.arch, "epoch": header.epoch, "distro": distro}
    return BuiltRpm(
        name=header.name,
        evr=release if header.epoch is None else f"{header.epoch}:{release}",
        purl=purl("rpm", header.name, release, qualifiers),
        file_name=file_name,
        licence=header.license,
        expression=_expression(header.license),
        sha256=sha256,
        source=header.source_rpm,
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


def _srpm(file_name: str, sha256: str, distro: str) -> SrpmComponent:
    stem = file_name.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    name, version, release = ("", "", "", *stem.rsplit("-", 2))[-3:]
    if not name:
        name, version, release = stem, "", ""
    evr = f"{version}-{release}" if version else ""
    qualifiers = {"arch": "nosrc" if file_name.endswith(".nosrc.rpm") else "src", "distro": distro}
    return SrpmComponent(
        name=name, evr=evr, purl=purl("rpm", name, evr, qualifiers), file_name=file_name, sha256=sha256
    )


def _image(lock: Lock) -> ImageComponent:
    reference = lock.lockfile.config.bootstrap_image.partition("@")[0]
    digest = lock.lockfile.bootstrap.pull_digest
    return ImageComponent(
        name=reference,
        purl=image_purl(reference, digest, lock.lockfile.bootstrap.architecture),
        digest=digest,
        sha256=digest.removeprefix("sha256:"),
        config_digest=f"sha256:{lock.lockfile.bootstrap.id}",
        source=None if lock.sidecar is None else lock.sidecar.image,
    )


def image_purl(reference: str, digest: str, architecture: str | None = None) -> str:
    """The image as `purl-spec` has it: named by its digest, the repository and the tag as qualifiers."""
    head, slash, tail = reference.partition("@")[0].rpartition("/")
    name, _, tag = tail.partition(":")
    qualifiers = {"arch": architecture, "repository_url": f"{head}{slash}{name}" if head else None, "tag": tag}
    return purl("oci", name.lower(), digest, qualifiers)


def purl(kind: str, name: str, version: str, qualifiers: Mapping[str, str | None]) -> str:
    """A package URL (purl-spec): no namespace, since no lock knows the vendor; empty qualifiers left out."""
    shown = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value)
    at = f"@{quote(version, safe=':')}" if version else ""
    return f"pkg:{kind}/{quote(name, safe='')}{at}{f'?{shown}' if shown else ''}"
