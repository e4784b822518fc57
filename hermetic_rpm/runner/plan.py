"""The plan of a run: every stage with every path, argument and limit decided, before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm import units
from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.runner.interpolate import has_values, interpolate
from hermetic_rpm.runner.pipeline import BUILDER, NO_NETWORK, Mount, Pipeline, Resources, Stage
from hermetic_rpm.runner.record import PipelineUse

WRITABLE = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - inside the container
"""Where a stage finds a tmpfs although its root is read-only, as ``podman run --read-only`` has it."""

SCRATCH = "/work"
"""Where a stage unpacks and builds: a volume of its image unless it is wanted in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """An absolute path of the host at a path of the container; an ``origin`` is no input: packages are had there."""

    source: Path
    target: str
    read_only: bool
    origin: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A file whose sha256 a stage is told under a role."""

    role: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """One container, fully decided; ``memory`` in bytes, ``timeout`` in seconds."""

    name: str
    kind: str
    image: str
    arguments: tuple[str, ...]
    network: str
    capabilities: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    binds: tuple[Bind, ...]
    directories: tuple[Path, ...]
    expects: tuple[Expectation, ...]
    output: Path
    memory: int | None = None
    pids: int | None = None
    cpus: float | None = None
    scratch_in_memory: bool = False
    timeout: int | None = None

    def __post_init__(self) -> None:
        if self.kind == BUILDER and self.network != NO_NETWORK:
            raise PipelineInvalid(f"The stage {self.name} is a builder: it never has a network.")

    @property
    def has_network(self) -> bool:
        """Whether the container gets podman's default network."""
        return self.network != NO_NETWORK


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A run: its stages in order, the files that the caller gave, and the pipeline file that says so.

    The work of the stages ``left_out`` before them is there already.
    """

    stages: tuple[StagePlan, ...]
    files: tuple[Path, ...]
    left_out: tuple[StagePlan, ...] = ()
    pipeline: PipelineUse | None = None


def make_plan(pipeline: Pipeline, values: Mapping[str, str], *, exists: Callable[[Path], bool] = Path.exists) -> Plan:
    """Decide everything; the only question asked of the host is which paths exist.

    Raises `PipelineInvalid` if a source of a mount is not there and nobody will make it.
    """
    files = tuple(Path(values[p.name]) for p in pipeline.parameters if p.type == "file" and values[p.name])
    return Plan(
        stages=tuple(_stage(stage, pipeline, values, exists) for stage in pipeline.stages),
        files=files,
        pipeline=PipelineUse(
            name=pipeline.path.name, sha256=pipeline.sha256, parameters=tuple(sorted(_told(pipeline, values)))
        ),
    )


def _told(pipeline: Pipeline, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The parameters that say what to build; where directories are says nothing of it."""
    for parameter in pipeline.parameters:
        if parameter.type != "directory" and (value := values[parameter.name]):
            yield parameter.name, Path(value).name if parameter.type == "file" else value


def _stage(stage: Stage, pipeline: Pipeline, values: Mapping[str, str], exists: Callable[[Path], bool]) -> StagePlan:
    def path(text: str) -> Path:
        return pipeline.directory / interpolate(text, values)

    told = tuple(m for m in stage.mounts if has_values(m.source, values) and has_values(m.target, values))
    mounts = tuple(mount for mount in told if not mount.optional or exists(path(mount.source)))
    _refuse_absent(stage, tuple((mount, path(mount.source)) for mount in mounts), exists)
    return StagePlan(
        name=stage.name,
        kind=stage.kind,
        image=stage.image,
        arguments=tuple(interpolate(text, values) for text in stage.arguments if has_values(text, values)),
        network=stage.network,
        capabilities=tuple(sorted(stage.capabilities)),
        environment=tuple((name, interpolate(value, values)) for name, value in sorted(stage.environment)),
        binds=tuple(
            Bind(
                source=path(mount.source),
                target=interpolate(mount.target, values),
                read_only=mount.mode == "ro",
                origin=mount.origin,
            )
            for mount in mounts
        ),
        directories=(*(path(mount.source) for mount in mounts if mount.create), path(stage.output)),
        expects=tuple(
            Expectation(role=role, path=path(text)) for role, text in stage.expects if has_values(text, values)
        ),
        output=path(stage.output),
        memory=_bytes(stage.resources),
        pids=stage.resources.pids,
        cpus=stage.resources.cpus,
        scratch_in_memory=_in_memory(stage, values),
        timeout=stage.timeout,
    )


def with_arguments(plan: Plan, kind: str, arguments: tuple[str, ...]) -> Plan:
    """The plan with further arguments for the stages of a kind."""
    stages = (
        replace(stage, arguments=(*stage.arguments, *arguments)) if stage.kind == kind else stage
        for stage in plan.stages
    )  # fmt: skip
    return replace(plan, stages=tuple(stages))


def preflight_plan(stage: Stage, arguments: tuple[str, ...]) -> StagePlan:
    """The container of a stage with other arguments and none of its files, confined and limited as in a run."""
    return StagePlan(
        name=stage.name,
        kind=stage.kind,
        image=stage.image,
        arguments=arguments,
        network=stage.network,
        capabilities=tuple(sorted(stage.capabilities)),
        environment=(),
        binds=(),
        directories=(),
        expects=(),
        output=Path(),
        memory=_bytes(stage.resources),
        pids=stage.resources.pids,
        cpus=stage.resources.cpus,
    )


def _in_memory(stage: Stage, values: Mapping[str, str]) -> bool:
    place = interpolate(stage.scratch, values)
    if place not in ("disk", "memory"):
        raise PipelineInvalid(f"The stage {stage.name} wants its scratch in {place!r}.", solution="Say disk or memory.")
    return place == "memory"


def _refuse_absent(stage: Stage, mounts: tuple[tuple[Mount, Path], ...], exists: Callable[[Path], bool]) -> None:
    for mount, source in mounts:
        if not mount.create and not exists(source):
            raise PipelineInvalid(
                f"The stage {stage.name} mounts {source}, which does not exist.",
                solution="Make it, or say `create: true` or `optional: true` at that mount in the pipeline file.",
            )


def _bytes(resources: Resources) -> int | None:
    return None if resources.memory is None else units.memory(resources.memory)
