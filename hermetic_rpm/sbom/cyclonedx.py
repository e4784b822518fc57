"""The buildroot, and what was built in it, as CycloneDX 1.6 (ECMA-424): pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermetic_rpm import __version__
from hermetic_rpm.sbom.model import Build, Buildroot, BuiltRpm, ImageComponent, RpmComponent, SrpmComponent

ROOT, BUILD, SRPM = "buildroot", "build", "source-rpm"


def document(buildroot: Buildroot) -> dict[str, Any]:
    """The whole document of a buildroot."""
    facts = {"lockfile-sha256": buildroot.lockfile_sha256, "target": buildroot.target}
    subject = {"type": "platform", "bom-ref": ROOT, "name": buildroot.name, "properties": _properties(facts)}
    return {
        **_document(buildroot.uuid, "pre-build", subject),
        "components": [
            *(_rpm(package) for package in (*buildroot.packages, *buildroot.tools)),
            _image(buildroot.image),
            *(() if buildroot.srpm is None else ({"bom-ref": buildroot.srpm.purl, **_srpm(buildroot.srpm)},)),
        ],
        "dependencies": _dependencies(buildroot),
    }  # fmt: skip


def build_document(build: Build, buildroot_sha256: str) -> dict[str, Any]:
    """The whole document of a build, which refers to that of its buildroot by BOM-Link and sha256."""
    facts = {"lockfile-sha256": build.lockfile_sha256, "sidecar-sha256": build.sidecar_sha256}
    subject = {"type": "application", "bom-ref": BUILD, "name": build.name, "properties": _properties(facts)}
    buildroot = {"type": "bom", "url": f"urn:cdx:{build.buildroot}/1#{ROOT}", **_hashes(buildroot_sha256)}
    given = _srpm(build.srpm)
    outputs = [*(package.file_name for package in build.packages), *(srpm.file_name for srpm in build.written)]
    return {
        **_document(build.uuid, "build", subject),
        "components": [
            *(_built(package, _srpm_of(package, build)) for package in build.packages),
            *({"bom-ref": srpm.file_name, **_srpm(srpm), "pedigree": {"ancestors": [given]}} for srpm in build.written),
            {"bom-ref": SRPM, **given},
            {"type": "platform", "bom-ref": ROOT, "name": ROOT, "externalReferences": [buildroot]},
        ],
        "dependencies": [
            {"ref": BUILD, "dependsOn": outputs},
            {"ref": SRPM, "dependsOn": [ROOT]},
        ],
    }


def _document(uuid: str, phase: str, subject: dict[str, Any]) -> dict[str, Any]:
    """What every document begins with; no timestamp, since nothing of a clock may be in it."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": phase}],
            "tools": {"components": [{"type": "application", "name": "hermetic-rpm", "version": __version__}]},
            "component": subject,
        },
    }


def _rpm(package: RpmComponent) -> dict[str, Any]:
    facts = {
        "file-name": package.file_name, "location": package.location, "repository": package.repository,
        "sigmd5": package.sigmd5, "signing-key": package.key or package.key_digits,
    }  # fmt: skip
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.evr,
        "purl": package.purl,
        **_hashes(package.sha256),
        "licenses": [_licence(package)],
        "externalReferences": [{"type": "distribution", "url": package.url}],
        "properties": _properties(facts),
        **({} if package.source is None else {"pedigree": {"ancestors": [_srpm(package.source)]}}),
    }


def _built(package: BuiltRpm, source: SrpmComponent) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": package.file_name,
        "name": package.name,
        "version": package.evr,
        "purl": package.purl,
        **_hashes(package.sha256),
        "licenses": [_licence(package)],
        "properties": _properties({"file-name": package.file_name}),
        "pedigree": {"ancestors": [_srpm(source)]},
    }


def _srpm_of(package: BuiltRpm, build: Build) -> SrpmComponent:
    """The source RPM that rpmbuild wrote if the package names it, or else the one that was given."""
    return next((srpm for srpm in build.written if srpm.file_name == package.source), build.srpm)


def _licence(package: RpmComponent | BuiltRpm) -> dict[str, Any]:
    if package.expression is None:
        return {"license": {"name": package.licence or "NOASSERTION", "acknowledgement": "declared"}}
    return {"expression": str(package.expression), "acknowledgement": "declared"}


def _image(image: ImageComponent) -> dict[str, Any]:
    layers = () if image.source is None else image.source.layers
    facts = {"config-digest": image.config_digest, "manifest-digest": image.digest}
    return {
        "type": "container",
        "bom-ref": image.purl,
        "name": image.name,
        "version": image.digest,
        "purl": image.purl,
        **_hashes(image.sha256),
        "properties": [
            *_properties(facts),
            *(entry for layer in layers for entry in _properties({"layer-digest": layer.digest})),
        ],
    }


def _srpm(srpm: SrpmComponent) -> dict[str, Any]:
    return {
        "type": "application",
        "name": srpm.name,
        **({"version": srpm.evr} if srpm.evr else {}),
        "purl": srpm.purl,
        **_hashes(srpm.sha256),
        "properties": _properties({"file-name": srpm.file_name}),
    }


def _hashes(sha256: str | None) -> dict[str, Any]:
    return {} if sha256 is None else {"hashes": [{"alg": "SHA-256", "content": sha256}]}


def _properties(facts: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": f"hermetic-rpm:{name}", "value": value} for name, value in sorted(facts.items()) if value]


def _dependencies(buildroot: Buildroot) -> list[dict[str, Any]]:
    """What the source RPM needs to be built is the buildroot; what that needs is everything in it.

    What completes the bootstrap image only the image needs.
    """
    inside = sorted(package.purl for package in buildroot.packages)
    tools = sorted(package.purl for package in buildroot.tools)
    return [
        {"ref": ROOT, "dependsOn": sorted((*inside, buildroot.image.purl))},
        {"ref": buildroot.image.purl, **({"dependsOn": tools} if tools else {})},
        *(() if buildroot.srpm is None else ({"ref": buildroot.srpm.purl, "dependsOn": [ROOT]},)),
        *({"ref": ref} for ref in (*inside, *tools)),
    ]
