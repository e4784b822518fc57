"""``pipeline.yaml`` as a checked type: parameters, stages, and how one feeds the next."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm import near
from hermetic_rpm.document import Document, parse_yaml, problems, read_bytes
from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.runner.interpolate import LOG_FORMAT, references

NO_NETWORK = "none"
RESOLVER, FETCHER, BUILDER = "resolver", "fetcher", "builder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """Something the caller gives; ``type`` is ``file``, ``directory`` or ``string``.

    One that is not ``required`` and has no ``default`` may have no value; ``unless`` names what takes its place.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: str | None = None
    unless: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A path of the host inside a stage."""

    source: str
    target: str
    mode: str
    optional: bool = False
    create: bool = False
    origin: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Limits of a stage; ``None`` leaves podman's own."""

    memory: str | None = None
    pids: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One container of the pipeline, as declared."""

    name: str
    kind: str
    image: str
    arguments: tuple[str, ...]
    network: str
    output: str
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    resources: Resources = Resources()
    scratch: str = "disk"
    timeout: int | None = None
    expects: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """A valid pipeline file; ``directory`` (absolute) is what its relative paths are relative to."""

    path: Path
    sha256: str
    directory: Path
    parameters: tuple[Parameter, ...]
    stages: tuple[Stage, ...]


def load(path: Path) -> Pipeline:
    """Read and check a pipeline file; raises `PipelineInvalid` with every problem and its place."""
    document = parse_yaml(read_bytes(path, PipelineInvalid), str(path), PipelineInvalid)
    return parse(document, directory=path.absolute().parent)


def parse(document: Document, *, directory: Path) -> Pipeline:
    """The pipeline in a document, or `PipelineInvalid` with every problem and its place."""
    refused = tuple(_network_problems(document))
    found = [problem for problem in problems(document, "pipeline") if not _said(problem, refused)]
    found += refused
    if not found:
        found += _reference_problems(document)
        found += _name_problems(document)
    if found:
        raise PipelineInvalid("\n".join((f"{document.name} is not valid:", *(f"  {line}" for line in found))))
    return Pipeline(
        path=Path(document.name),
        sha256=hashlib.sha256(document.content).hexdigest(),
        directory=directory,
        parameters=tuple(Parameter(name=name, **fields) for name, fields in document.data["parameters"].items()),
        stages=tuple(_stage(fields) for fields in document.data["stages"]),
    )


def _stage(fields: dict[str, Any]) -> Stage:
    return Stage(
        name=fields["name"],
        kind=fields["kind"],
        image=fields["image"],
        arguments=tuple(fields["arguments"]),
        network=fields["network"],
        output=fields["output"],
        mounts=tuple(Mount(**mount) for mount in fields.get("mounts", ())),
        capabilities=tuple(fields.get("capabilities", ())),
        environment=tuple(fields.get("environment", {}).items()),
        resources=Resources(**fields.get("resources", {})),
        scratch=fields.get("scratch", "disk"),
        timeout=fields.get("timeout"),
        expects=tuple(fields.get("expects", {}).items()),
    )


def _network_problems(document: Document) -> Iterator[str]:
    """The schema has this rule too; here it is said in words, and before anything else is valid."""
    stages = document.data.get("stages") if isinstance(document.data, dict) else None
    for index, stage in enumerate(stages if isinstance(stages, list) else ()):
        if isinstance(stage, dict) and stage.get("kind") == BUILDER and stage.get("network", NO_NETWORK) != NO_NETWORK:
            place = document.place(("stages", index, "network"))
            yield f"{place}: stages[{index}].network: a builder never has a network; write `network: none`"


def _said(problem: str, others: tuple[str, ...]) -> bool:
    return any(problem.split(": ")[:2] == other.split(": ")[:2] for other in others)


def _name_problems(document: Document) -> Iterator[str]:
    seen: set[str] = set()
    for index, stage in enumerate(document.data["stages"]):
        if stage["name"] in seen:
            place = document.place(("stages", index, "name"))
            yield f"{place}: stages[{index}].name: another stage has the name {stage['name']!r} already"
        seen.add(stage["name"])


def _reference_problems(document: Document) -> Iterator[str]:
    """Every ``${…}`` that names nothing declared, with the nearest name that is."""
    known = {LOG_FORMAT}
    for name, fields in document.data["parameters"].items():
        yield from _unknown(document, ("parameters", name, "default"), fields.get("default", ""), known)
        known.add(name)
    for name, fields in document.data["parameters"].items():
        if (other := fields.get("unless", name)) not in known:
            place = document.place(("parameters", name, "unless"))
            yield f"{place}: parameters.{name}.unless: there is no parameter {other!r}"
    for index, stage in enumerate(document.data["stages"]):
        for path, text in _texts(("stages", index), stage):
            yield from _unknown(document, path, text, known)


def _texts(path: tuple[str | int, ...], node: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _texts((*path, key), value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts((*path, index), value)


def _unknown(document: Document, path: tuple[str | int, ...], text: str, known: set[str]) -> Iterator[str]:
    for name in references(text):
        if name in known:
            continue
        yield f"{document.place(path)}: ${{{name}}} names no parameter{near.aside((name,), known)}"
