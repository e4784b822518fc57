"""A pipeline freed from this host's paths: volumes instead of directories, parameters where a run has values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hermetic_rpm.errors import ExportRefused

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A parameter in a text: of a string its value, of a file the name of the file."""

    parameter: str


Text = tuple[str | Reference, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """What a run may set; of a file ``value`` is its name and ``sha256`` what it must have, else None."""

    name: str
    description: str
    value: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Storage that whoever runs the pipeline brings; ``path``: where this host has it, ``present``: whether it does."""

    name: str
    description: str
    path: str
    optional: bool
    present: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A directory of a volume (``subpath``, empty for the whole) at an absolute path of the container."""

    volume: str
    subpath: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenFile:
    """The sha256 that a stage is told is that of a parameter's file."""

    role: str
    parameter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeFile:
    """The sha256 that a stage is told is that of a file that ``stage`` made, at ``path`` in its container."""

    role: str
    stage: str
    path: str


Expectation = GivenFile | MadeFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One container; ``memory`` in bytes, ``timeout`` in seconds, ``output`` a path of the container."""

    name: str
    image: str
    arguments: tuple[Text, ...]
    environment: tuple[tuple[str, Text], ...]
    mounts: tuple[Mount, ...]
    capabilities: tuple[str, ...]
    has_network: bool
    sandbox: bool
    output: str
    expects: tuple[Expectation, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    scratch_in_memory: bool = False
    timeout: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """The whole pipeline: what a run sets, what storage it brings, and its stages in order."""

    parameters: tuple[Parameter, ...]
    volumes: tuple[Volume, ...]
    stages: tuple[Stage, ...]


def volume_name(parameter: str) -> str:
    """The name of the volume that holds what a parameter names."""
    return parameter.replace("_", "-")


def dns_label(text: str, what: str) -> str:
    """``text`` if Kubernetes takes it as a name (RFC 1123, beginning with a letter); else `ExportRefused`."""
    if _LABEL.fullmatch(text) is None:
        raise ExportRefused(
            f"{what} {text!r} is no name to Kubernetes.",
            solution="Use small letters, digits and single hyphens inside, 63 at most, beginning with a letter.",
        )
    return text


def concrete(text: Text, parameters: tuple[Parameter, ...]) -> str:
    """A text with the parameters' values in it."""
    values = {parameter.name: parameter.value for parameter in parameters}
    return "".join(part if isinstance(part, str) else values[part.parameter] for part in text)


def fixed(export: Export, name: str) -> Export:
    """The same with the value of a parameter in the place of the parameter; raises `ExportRefused`."""
    parameter = next((p for p in export.parameters if p.name == name and p.sha256 is None), None)
    if parameter is None:
        raise ExportRefused(f"No stage of the pipeline file uses a parameter {name} of the type string.")

    def settled(text: Text) -> Text:
        return tuple(parameter.value if part == Reference(parameter=name) else part for part in text)

    stages = (
        replace(
            stage,
            arguments=tuple(map(settled, stage.arguments)),
            environment=tuple((key, settled(value)) for key, value in stage.environment),
        )
        for stage in export.stages
    )
    return replace(export, parameters=tuple(p for p in export.parameters if p.name != name), stages=tuple(stages))


def used(stages: tuple[Stage, ...]) -> frozenset[str]:
    """The parameters that any stage uses."""
    texts = [text for stage in stages for text in (*stage.arguments, *(value for _, value in stage.environment))]
    named = {part.parameter for text in texts for part in text if isinstance(part, Reference)}
    given = {item.parameter for stage in stages for item in stage.expects if isinstance(item, GivenFile)}
    return frozenset(named | given)
