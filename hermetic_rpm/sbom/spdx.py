"""The buildroot, and what was built in it, as SPDX 2.3: pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from hermetic_rpm import __version__, licences
from hermetic_rpm.sbom.model import Build, Buildroot, BuiltRpm, ImageComponent, RpmComponent, SrpmComponent

DOCUMENT, ROOT, SRPM = "SPDXRef-DOCUMENT", "SPDXRef-Buildroot", "SPDXRef-SourceRpm"
BUILD, EXTERNAL = "SPDXRef-Build", "DocumentRef-buildroot"
UNKNOWN = "NOASSERTION"
CREATED = "1970-01-01T00:00:00Z"
"""The format demands a date; any other would come from a clock."""

TOOL = f"Tool: hermetic-rpm-{__version__}"


def document(buildroot: Buildroot) -> dict[str, Any]:
    """The whole document of a buildroot."""
    return {
        **_document(buildroot.name, buildroot.uuid),
        "packages": [
            _root(buildroot),
            *(_rpm(package) for package in _rpms(buildroot)),
            _image(buildroot.image),
            *(() if buildroot.srpm is None else (_srpm(buildroot.srpm, SRPM),)),
            *(_srpm(source, _source(source)) for source in dict.fromkeys(_sources(buildroot))),
        ],
        "hasExtractedLicensingInfos": _extracted(_rpms(buildroot)),
        "relationships": _relationships(buildroot),
    }


def build_document(build: Build, buildroot_sha256: str) -> dict[str, Any]:
    """The whole document of a build, which refers to that of its buildroot by namespace and sha256."""
    external = {
        "externalDocumentId": EXTERNAL, "spdxDocument": _namespace(build.buildroot),
        "checksum": _checksums(buildroot_sha256)["checksums"][0],
    }  # fmt: skip
    return {
        **_document(f"build of {build.name}", build.uuid),
        "externalDocumentRefs": [external],
        "packages": [
            _build(build),
            *(_built(package) for package in build.packages),
            *(_srpm(srpm, _source(srpm)) for srpm in build.written),
            _srpm(build.srpm, SRPM),
        ],
        "hasExtractedLicensingInfos": _extracted(build.packages),
        "relationships": _build_relationships(build),
    }


def _document(name: str, uuid: str) -> dict[str, Any]:
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": name,
        "documentNamespace": _namespace(uuid),
        "creationInfo": {"created": CREATED, "creators": [TOOL]},
    }


def _namespace(uuid: str) -> str:
    return f"urn:uuid:{uuid}"


def _package(identifier: str, name: str, purpose: str, **more: Any) -> dict[str, Any]:
    """A package with what the format demands; nobody told us suppliers or copyrights."""
    return {
        "SPDXID": identifier, "name": name, "primaryPackagePurpose": purpose, "filesAnalyzed": False,
        "downloadLocation": UNKNOWN, "supplier": UNKNOWN, "originator": UNKNOWN, "copyrightText": UNKNOWN,
        "licenseConcluded": UNKNOWN, "licenseDeclared": UNKNOWN, **more,
    }  # fmt: skip


def _root(buildroot: Buildroot) -> dict[str, Any]:
    target = "" if buildroot.target is None else f" for the target {buildroot.target}"
    summary = f"The packages of the lockfile with sha256 {buildroot.lockfile_sha256}{target}"
    return _package(ROOT, buildroot.name, "OTHER", summary=summary)


def _rpm(package: RpmComponent) -> dict[str, Any]:
    return _package(
        _identifier(package), package.name, "LIBRARY",
        versionInfo=package.evr,
        packageFileName=package.file_name,
        licenseDeclared=_declared(package),
        externalRefs=[_purl(package.purl)],
        annotations=[_annotation(package)],
        **({} if package.location is None else {"sourceInfo": f"{package.location} in {package.repository}"}),
        **_download(package.url),
        **_checksums(package.sha256),
    )  # fmt: skip


def _build(build: Build) -> dict[str, Any]:
    sidecar = "" if build.sidecar_sha256 is None else f", sidecar with sha256 {build.sidecar_sha256}"
    summary = f"Built with the lockfile with sha256 {build.lockfile_sha256}{sidecar}"
    return _package(BUILD, f"build of {build.name}", "OTHER", summary=summary)


def _built(package: BuiltRpm) -> dict[str, Any]:
    return _package(
        _built_identifier(package), package.name, "INSTALL",
        versionInfo=package.evr,
        packageFileName=package.file_name,
        licenseDeclared=_declared(package),
        externalRefs=[_purl(package.purl)],
        **_checksums(package.sha256),
    )  # fmt: skip


def _image(image: ImageComponent) -> dict[str, Any]:
    layers = () if image.source is None else image.source.layers
    summary = "; ".join((f"config {image.config_digest}", *(f"layer {layer.digest}" for layer in layers)))
    return _package(
        "SPDXRef-BootstrapImage", image.name, "CONTAINER", versionInfo=image.digest, summary=summary,
        externalRefs=[_purl(image.purl)], **_checksums(image.sha256),
    )  # fmt: skip


def _srpm(srpm: SrpmComponent, identifier: str) -> dict[str, Any]:
    return _package(
        identifier, srpm.name, "SOURCE", packageFileName=srpm.file_name, externalRefs=[_purl(srpm.purl)],
        **({"versionInfo": srpm.evr} if srpm.evr else {}), **_checksums(srpm.sha256),
    )  # fmt: skip


def _identifier(package: RpmComponent) -> str:
    """An identifier by NEVRA alone."""
    return f"SPDXRef-Package-{_word(package.nevra)}"


def _built_identifier(package: BuiltRpm) -> str:
    return f"SPDXRef-Package-{_word(package.file_name)}"


def _source(source: SrpmComponent) -> str:
    return f"SPDXRef-Source-{_word(source.file_name)}"


def _word(text: str) -> str:
    """Text as part of an identifier; the digest keeps apart what looks alike without its special characters."""
    return f"{re.sub(r'[^A-Za-z0-9.-]', '-', text)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _rpms(buildroot: Buildroot) -> tuple[RpmComponent, ...]:
    return (*buildroot.packages, *buildroot.tools)


def _sources(buildroot: Buildroot) -> Iterator[SrpmComponent]:
    """The known source RPM of each package."""
    return (package.source for package in _rpms(buildroot) if package.source is not None)


def _declared(package: RpmComponent | BuiltRpm) -> str:
    return _reference(package.licence) if package.expression is None else str(package.expression)


def _reference(text: str) -> str:
    """The name of a licence that is no SPDX expression."""
    if not text:
        return UNKNOWN
    words = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")[:60]
    return f"LicenseRef-rpm-{words}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _extracted(packages: Iterable[RpmComponent | BuiltRpm]) -> list[dict[str, str]]:
    """What the format wants to know of each licence outside the SPDX list: its text, which no header has."""
    found: dict[str, str] = {}
    for package in packages:
        if package.expression is None:
            found |= {_reference(package.licence): package.licence} if package.licence else {}
        else:
            names = [term.licence for term in licences.terms(package.expression) if licences.is_reference(term)]
            found |= dict(zip(names, names, strict=True))
    return [
        {
            "licenseId": name, "name": words if words == name else "the License tag of RPM headers",
            "extractedText": words, "comment": "The License tag of the package's header; no other text is known.",
        }
        for name, words in sorted(found.items())
    ]  # fmt: skip


def _purl(locator: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _annotation(package: RpmComponent) -> dict[str, str]:
    key = package.key or package.key_digits
    signed = "unsigned" if key is None else f"signed by {key}"
    return {
        "annotationType": "OTHER", "annotator": TOOL, "annotationDate": CREATED,
        "comment": f"{signed}; sigmd5 {package.sigmd5}",
    }  # fmt: skip


def _download(url: str) -> dict[str, str]:
    """Where the file is from; the format has no word for an address on one's own machine."""
    if not url.startswith(("http://", "https://", "ftp://")):
        return {}
    return {"downloadLocation": url}


def _checksums(sha256: str | None) -> dict[str, Any]:
    return {} if sha256 is None else {"checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]}


def _relationships(buildroot: Buildroot) -> list[dict[str, str]]:
    triples = [(DOCUMENT, "DESCRIBES", ROOT), ("SPDXRef-BootstrapImage", "BUILD_TOOL_OF", ROOT)]
    if buildroot.srpm is not None:
        triples.append((ROOT, "BUILD_DEPENDENCY_OF", SRPM))
    triples += [(ROOT, "DEPENDS_ON", _identifier(package)) for package in buildroot.packages]
    triples += [(_identifier(package), "BUILD_TOOL_OF", ROOT) for package in buildroot.tools]
    triples += [
        (_identifier(package), "GENERATED_FROM", _source(package.source))
        for package in _rpms(buildroot)
        if package.source is not None
    ]
    return _told(triples)


def _build_relationships(build: Build) -> list[dict[str, str]]:
    """A package is made of the source RPM that rpmbuild wrote, that one of the one that was given."""
    written = {srpm.file_name: _source(srpm) for srpm in build.written}
    made = [(_built_identifier(package), written.get(package.source or "", SRPM)) for package in build.packages]
    triples = [(DOCUMENT, "DESCRIBES", BUILD), (f"{EXTERNAL}:{ROOT}", "BUILD_TOOL_OF", BUILD)]
    triples += [(BUILD, "CONTAINS", identifier) for identifier in (*(name for name, _ in made), *written.values())]
    triples += [(identifier, "GENERATED_FROM", source) for identifier, source in made]
    triples += [(identifier, "GENERATED_FROM", SRPM) for identifier in written.values()]
    return _told(triples)


def _told(triples: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [
        {"spdxElementId": subject, "relationshipType": verb, "relatedSpdxElement": thing}
        for subject, verb, thing in triples
    ]
