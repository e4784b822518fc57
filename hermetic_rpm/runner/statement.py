"""The provenance of a build as an in-toto Statement v1 with a SLSA v1 predicate: pure.

What a reader may believe depends on who saw it, so everything says that: a `Resource` by its
``known_from``, and the isolation by standing either below ``observedByRunner`` or below ``claimedByBuild``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hermetic_rpm.document import Document, checked, parse_json, refuse
from hermetic_rpm.errors import AttestationMissing
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.sidecar import SIDECAR_NAME
from hermetic_rpm.result import RESULT_NAME
from hermetic_rpm.runner import record
from hermetic_rpm.runner.record import Run, StageRecord
from hermetic_rpm.sbom.describe import components, describe, image_purl

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://hermetic-rpm.invalid/build/v1"
RUNNER = "https://hermetic-rpm.invalid/builder/runner"
UNOBSERVED = "https://hermetic-rpm.invalid/builder/unobserved"
"""Who built: the runner, which watched, or only a builder that tells of itself."""

LOCK, SEEN_BY_RUNNER, MEASURED, CLAIMED = "lock", "runner", "attest", "build"
"""How a checksum is known: from lockfile and sidecar, from the runner, measured by `attest`, from the build alone."""

SOURCE_RPM, LOCKFILE, SIDECAR = "source-rpm", "lockfile", "sidecar"
PIPELINE, STAGE_IMAGE = "pipeline", "stage-image"
FURTHER_INPUT = "input"
CLAIMS = (
    "network_interfaces_outside", "outside", "inside", "repository_equals_lock", "buildroot_equals_lock",
    "srpm_was_resolved",
)  # fmt: skip
"""The facts of a builder's ``result.json`` that are repeated as its claims."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file that the build made, by its path in the results and its sha256 (hex)."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """Something that went into the build; ``uri`` is a package URL, ``location`` where it was had from."""

    kind: str
    name: str
    sha256: str
    known_from: str
    uri: str | None = None
    location: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is attested: ``subjects`` are the packages, ``byproducts`` all else that the build left."""

    subjects: tuple[File, ...]
    byproducts: tuple[File, ...]
    resources: tuple[Resource, ...]
    source_rpm: str
    target: str | None
    options: tuple[str, ...]
    claims: Mapping[str, Any]
    run: Run | None
    builder_id: str
    tool_version: str

    @property
    def source(self) -> Resource:
        """The source RPM that was built."""
        return next(one for one in self.resources if one.kind == SOURCE_RPM)

    @property
    def builder(self) -> StageRecord | None:
        """The stage that left the attested ``result.json``, if a runner recorded it."""
        result = next((file.sha256 for file in self.byproducts if file.name == RESULT_NAME), "")
        return None if self.run is None else self.run.stage_of(result)


def of_lock(lock: Lock, measured: Mapping[str, str] = MappingProxyType({})) -> tuple[Resource, ...]:
    """Everything that a lock names, and its own files.

    ``measured`` has the sha256 of packages by file name for a lock without sidecar.
    """
    return tuple(sorted(_of_lock(lock, measured), key=_order))


def _of_lock(lock: Lock, measured: Mapping[str, str]) -> Iterator[Resource]:
    yield _locked(LOCKFILE, LOCKFILE_NAME, lock.lockfile_sha256)
    for package in components(lock):
        yield Resource(
            kind="bootstrap-rpm" if "/" in package.file_name else "rpm",
            name=package.file_name,
            sha256=package.sha256 or measured[package.file_name],
            known_from=LOCK if package.sha256 else MEASURED,
            uri=package.purl,
            location=package.url,
        )
    buildroot = describe(lock)
    image = buildroot.image
    yield _locked("bootstrap-image", image.name, image.sha256, uri=image.purl)
    if lock.sidecar is None or lock.sidecar_sha256 is None or buildroot.srpm is None:
        return
    yield _locked(SIDECAR, SIDECAR_NAME, lock.sidecar_sha256)
    yield _locked(SOURCE_RPM, buildroot.srpm.file_name, buildroot.srpm.sha256, uri=buildroot.srpm.purl)
    yield _locked("target", lock.sidecar.target.name, lock.sidecar.target.sha256)
    for key in lock.sidecar.keys:
        yield _locked("key", key.path, key.sha256)
    for file in lock.sidecar.metadata:
        yield _locked("repository-metadata", f"{file.repository}/{file.location}", file.sha256)


def of_run(run: Run) -> tuple[Resource, ...]:
    """What the runner saw: the pipeline file, and the image of each stage."""
    seen = [
        Resource(
            kind=STAGE_IMAGE, name=stage.name, sha256=stage.image.digest.removeprefix("sha256:"),
            known_from=SEEN_BY_RUNNER, uri=image_purl(stage.image.reference, stage.image.digest),
        )
        for stage in run.stages
    ]  # fmt: skip
    if run.pipeline is not None:
        used = run.pipeline
        seen.append(Resource(kind=PIPELINE, name=used.name, sha256=used.sha256, known_from=SEEN_BY_RUNNER))
    return tuple(sorted(seen, key=_order))


def _locked(kind: str, name: str, sha256: str, *, uri: str | None = None) -> Resource:
    return Resource(kind=kind, name=name, sha256=sha256, known_from=LOCK, uri=uri)


def _order(resource: Resource) -> tuple[str, str]:
    return resource.kind, resource.name


def render(statement: Statement) -> bytes:
    """The bytes of a statement, which are the same for the same statement.

    Raises `AttestationMissing` for claims that no builder would make.
    """
    try:
        return canonical_json(_document(statement)).encode()
    except RecursionError as error:
        raise AttestationMissing("What the build claims of itself is nested too deeply.") from error


def parse(payload: bytes, name: str) -> Statement:
    """A statement that may come from anybody; raises `AttestationMissing` unless it is exactly of our form.

    What it says twice it must say alike: written again it has to be the same document.
    """
    document = parse_json(payload, name, AttestationMissing)
    data = checked(document, "provenance", AttestationMissing)
    refuse(document, _problems(data), AttestationMissing)
    definition, details = data["predicate"]["buildDefinition"], data["predicate"]["runDetails"]
    outside, inside = definition["externalParameters"], definition["internalParameters"]
    observed = inside["observedByRunner"]
    where = f"{name}: observedByRunner"
    found = Statement(
        subjects=tuple(_file(one) for one in data["subject"]),
        byproducts=tuple(_file(one) for one in details["byproducts"]),
        resources=tuple(_resource(one) for one in definition["resolvedDependencies"]),
        source_rpm=outside["sourceRpm"],
        target=outside["target"],
        options=tuple(outside["options"]),
        claims=inside["claimedByBuild"],
        run=None
        if observed is None
        else record.parse(Document(name=where, data=observed, content=b""), AttestationMissing),
        builder_id=details["builder"]["id"],
        tool_version=details["builder"]["version"]["hermetic-rpm"],
    )
    if json.loads(render(found)) != document.data:
        refuse(document, [f"{name}: it contradicts itself: something is told twice, not alike"], AttestationMissing)
    return found


def _problems(data: Any) -> Iterator[str]:
    """What no schema tells: names that are there twice, and not one source RPM and one lockfile."""
    definition = data["predicate"]["buildDefinition"]
    resources = [(one["annotations"]["kind"], one["name"]) for one in definition["resolvedDependencies"]]
    for what, names in (
        ("subject", [one["name"] for one in data["subject"]]),
        ("resolvedDependencies", resources),
        ("byproducts", [one["name"] for one in data["predicate"]["runDetails"]["byproducts"]]),
    ):
        if len(set(names)) != len(names):
            yield f"{what}: a name is there twice"
    wanted = [(LOCKFILE, LOCKFILE_NAME), (SOURCE_RPM, definition["externalParameters"]["sourceRpm"])]
    if sorted(one for one in resources if one[0] in (LOCKFILE, SOURCE_RPM)) != wanted:
        yield "resolvedDependencies: it must name the lockfile and the source RPM that was built, each once"


def _document(statement: Statement) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [_described(file) for file in statement.subjects],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "sourceRpm": statement.source_rpm,
                    "target": statement.target,
                    "options": list(statement.options),
                    "pipeline": _parameters(statement.run),
                },
                "internalParameters": {
                    "observedByRunner": None if statement.run is None else record.document(statement.run),
                    "claimedByBuild": dict(statement.claims),
                },
                "resolvedDependencies": [_dependency(resource) for resource in statement.resources],
            },
            "runDetails": {
                "builder": {"id": statement.builder_id, "version": {"hermetic-rpm": statement.tool_version}},
                **_metadata(statement),
                "byproducts": [_described(file) for file in statement.byproducts],
            },
        },
    }


def _parameters(run: Run | None) -> dict[str, Any] | None:
    return None if run is None or run.pipeline is None else dict(run.pipeline.parameters)


def _metadata(statement: Statement) -> dict[str, Any]:
    """Only what a runner saw: the clock of a build is the build's own."""
    container = None if statement.builder is None else statement.builder.container
    if statement.run is None or container is None:
        return {}
    containers = [stage.container for stage in statement.run.stages if stage.container is not None]
    return {
        "metadata": {
            "invocationId": container.id,
            "startedOn": min(one.started for one in containers),
            "finishedOn": max(one.finished for one in containers),
        }
    }


def _described(file: File) -> dict[str, Any]:
    return {"name": file.name, "digest": {"sha256": file.sha256}}


def _dependency(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.name,
        "digest": {"sha256": resource.sha256},
        **({} if resource.uri is None else {"uri": resource.uri}),
        **({} if resource.location is None else {"downloadLocation": resource.location}),
        "annotations": {"kind": resource.kind, "knownFrom": resource.known_from},
    }


def _file(data: Mapping[str, Any]) -> File:
    return File(name=data["name"], sha256=data["digest"]["sha256"])


def _resource(data: Mapping[str, Any]) -> Resource:
    return Resource(
        kind=data["annotations"]["kind"], name=data["name"], sha256=data["digest"]["sha256"],
        known_from=data["annotations"]["knownFrom"], uri=data.get("uri"), location=data.get("downloadLocation"),
    )  # fmt: skip
