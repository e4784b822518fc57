"""A pipeline file and the values of its parameters as an `Export`: the directories of this host become volumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hermetic_rpm import units
from hermetic_rpm.errors import ExportRefused
from hermetic_rpm.export.model import (
    Expectation,
    Export,
    GivenFile,
    MadeFile,
    Mount,
    Parameter,
    Reference,
    Stage,
    Text,
    Volume,
    dns_label,
    used,
    volume_name,
)
from hermetic_rpm.runner import pipeline as declared
from hermetic_rpm.runner.interpolate import LOG_FORMAT, NAME_SUFFIX, has_values, interpolate, references, split
from hermetic_rpm.runner.pipeline import FETCHER, NO_NETWORK, Pipeline

ONLY_WITHOUT_NETWORK = "--require-no-network"
"""What a builder can be told only where its container has no network: a pod always has one."""


def make_export(
    pipeline: Pipeline, values: Mapping[str, str], *, sha256: Callable[[Path], str], exists: Callable[[Path], bool]
) -> Export:
    """Decide everything but what a run sets; raises `ExportRefused`."""
    room = _Room(pipeline=pipeline, values=values, exists=exists)
    volumes = room.volumes()
    roots = {volume.name: volume.path for volume in volumes}
    stages: tuple[Stage, ...] = ()
    for stage in pipeline.stages:
        stages = (*stages, _stage(room, roots, stage, stages))
    wanted = used(stages)
    parameters = tuple(
        Parameter(
            name=parameter.name,
            description=parameter.description,
            value=Path(values[parameter.name]).name if parameter.type == "file" else values[parameter.name],
            sha256=sha256(Path(values[parameter.name])) if parameter.type == "file" else None,
        )
        for parameter in pipeline.parameters
        if parameter.name in wanted
    )
    mounted = {mount.volume for stage in stages for mount in stage.mounts}
    return Export(parameters=parameters, volumes=tuple(v for v in volumes if v.name in mounted), stages=stages)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Room:
    """What paths of this host become."""

    pipeline: Pipeline
    values: Mapping[str, str]
    exists: Callable[[Path], bool]

    def parameter(self, name: str) -> declared.Parameter | None:
        return next((p for p in self.pipeline.parameters if p.name == name), None)

    def path(self, text: str) -> str:
        return os.path.normpath(self.pipeline.directory / interpolate(text, self.values))

    def directories(self) -> dict[str, declared.Parameter]:
        """The directories that parameters name, none of which lies below another."""
        every = {self.values[p.name]: p for p in reversed(self.pipeline.parameters) if _is_directory(p, self.values)}
        return {path: p for path, p in every.items() if not any(_below(path, other) for other in every)}

    def volumes(self) -> tuple[Volume, ...]:
        """Every volume that a mount can be of, by name; raises `ExportRefused` if two have one name."""
        found = [self._of_parameter(path, p) for path, p in self.directories().items()]
        files = (p for p in self.pipeline.parameters if p.type == "file" and self.values[p.name])
        found += [self._of_parameter(str(Path(self.values[p.name]).parent), p) for p in files]
        sources = {self.path(m.source): m for s in self.pipeline.stages for m in s.mounts if self._is_literal(m)}
        for path, mount in sources.items():
            name = dns_label(_slug(mount.source), "The volume")
            found.append(
                Volume(name=name, description=f"what the pipeline file calls {mount.source}", path=path,
                       optional=mount.optional, present=self.exists(Path(path)))
            )  # fmt: skip
        if len({volume.name for volume in found}) != len(found):
            raise ExportRefused("Two directories of the pipeline file would get the same name as volumes.")
        return tuple(sorted(found, key=lambda volume: volume.name))

    def _of_parameter(self, path: str, parameter: declared.Parameter) -> Volume:
        of_file = "the directory of " if parameter.type == "file" else ""
        mounts = [m for s in self.pipeline.stages for m in s.mounts if references(m.source) == (parameter.name,)]
        return Volume(
            name=dns_label(volume_name(parameter.name), "The volume"),
            description=of_file + parameter.description,
            path=path,
            optional=bool(mounts) and all(mount.optional for mount in mounts),
            present=self.exists(Path(path)) or any(mount.create for mount in mounts),
        )

    def _is_literal(self, mount: declared.Mount) -> bool:
        path = self.path(mount.source) if not references(mount.source) else ""
        return bool(path) and not any(path == root or _below(path, root) for root in self.directories())

    def mount(self, stage: declared.Stage, mount: declared.Mount) -> Mount:
        """A mount of the pipeline file as one of a volume; raises `ExportRefused`."""
        read_only = mount.mode == "ro"
        for name in references(mount.source):
            parameter = self.parameter(name)
            if parameter is not None and parameter.type == "file":
                return _of_file(stage, mount, name, read_only=read_only)
        path, target = self.path(mount.source), interpolate(mount.target, self.values)
        if self._is_literal(mount):
            return Mount(volume=_slug(mount.source), subpath="", target=_target(stage, target), read_only=read_only)
        for root, parameter in self.directories().items():
            if path == root or _below(path, root):
                return Mount(
                    volume=volume_name(parameter.name),
                    subpath="" if path == root else str(PurePosixPath(path).relative_to(root)),
                    target=_target(stage, target),
                    read_only=read_only,
                )
        raise ExportRefused(f"The stage {stage.name} mounts {mount.source}, which is no directory of a parameter.")

    def text(self, stage: declared.Stage, text: str) -> Text:
        """An argument or value with references to what a run sets; raises `ExportRefused` for paths of this host."""
        parts: list[str | Reference] = []
        for before, reference in split(text):
            parts.append(before)
            if reference:
                parts.append(self._part(stage, text, reference))
        return tuple(part for part in parts if part != "")

    def _part(self, stage: declared.Stage, text: str, reference: str) -> str | Reference:
        name = reference.removesuffix(NAME_SUFFIX)
        parameter = self.parameter(name)
        if name == LOG_FORMAT or parameter is None:
            return self.values[name]
        if parameter.type == "string":
            return Reference(parameter=name)
        if reference == name:
            raise ExportRefused(f"The stage {stage.name} is told a path of this host by {text!r}.")
        return Reference(parameter=name) if parameter.type == "file" else Path(self.values[name]).name


def _is_directory(parameter: declared.Parameter, values: Mapping[str, str]) -> bool:
    return parameter.type == "directory" and bool(values[parameter.name])


def _below(path: str, other: str) -> bool:
    return path != other and PurePosixPath(path).is_relative_to(other)


def _slug(source: str) -> str:
    return "-".join(part for part in PurePosixPath(source).parts if part not in ("/", ".", ".."))


def _of_file(stage: declared.Stage, mount: declared.Mount, name: str, *, read_only: bool) -> Mount:
    """The directory of a parameter's file: pods mount directories."""
    parent, _, last = mount.target.rpartition("/")
    if mount.source != f"${{{name}}}" or last != f"${{{name}{NAME_SUFFIX}}}" or not read_only or references(parent):
        raise ExportRefused(
            f"The stage {stage.name} mounts the file {mount.source} at {mount.target}.",
            solution=f"Elsewhere whole directories are mounted: mount ${{{name}}} read-only at "
            f"/SOME/DIRECTORY/${{{name}{NAME_SUFFIX}}}.",
        )
    return Mount(volume=volume_name(name), subpath="", target=_target(stage, parent), read_only=True)


def _target(stage: declared.Stage, target: str) -> str:
    if not target.startswith("/") or ":" in target or not target.isprintable() or ".." in PurePosixPath(target).parts:
        raise ExportRefused(f"The stage {stage.name} mounts something at {target!r}, which no pod can.")
    return target


def _stage(
    room: _Room, roots: Mapping[str, str], stage: declared.Stage, earlier: tuple[Stage, ...]
) -> Stage:  # fmt: skip
    """A stage of the pipeline file; ``roots`` has the path of each volume."""
    told = [m for m in stage.mounts if has_values(m.source, room.values) and has_values(m.target, room.values)]
    mounts = tuple(room.mount(stage, mount) for mount in told)
    targets = [mount.target for mount in mounts]
    if len(set(targets)) != len(targets):
        raise ExportRefused(f"The stage {stage.name} would mount two directories at one place.")
    memory = stage.resources.memory
    return Stage(
        name=dns_label(stage.name, "The stage"),
        image=stage.image,
        arguments=tuple(
            room.text(stage, text)
            for text in stage.arguments
            if has_values(text, room.values) and text != ONLY_WITHOUT_NETWORK
        ),
        environment=tuple((name, room.text(stage, value)) for name, value in sorted(stage.environment)),
        mounts=tuple(sorted(mounts, key=lambda mount: mount.target)),
        capabilities=tuple(sorted(stage.capabilities)),
        has_network=stage.network != NO_NETWORK,
        sandbox=stage.kind != FETCHER,
        output=_output(room, roots, mounts, stage),
        expects=tuple(
            _expectation(room, roots, stage, role, text, earlier)
            for role, text in sorted(stage.expects)
            if has_values(text, room.values)
        ),
        memory=None if memory is None else units.memory(memory),
        cpus=stage.resources.cpus,
        scratch_in_memory=interpolate(stage.scratch, room.values) == "memory",
        timeout=stage.timeout,
    )


def _expectation(
    room: _Room, roots: Mapping[str, str], stage: declared.Stage, role: str, text: str, earlier: tuple[Stage, ...]
) -> Expectation:  # fmt: skip
    for name in references(text):
        parameter = room.parameter(name)
        if parameter is not None and parameter.type == "file" and text == f"${{{name}}}":
            return GivenFile(role=role, parameter=name)
    for maker in earlier:
        path = _inside(roots, maker.mounts, room.path(text))
        if path is not None and PurePosixPath(path).is_relative_to(maker.output):
            return MadeFile(role=role, stage=maker.name, path=path)
    raise ExportRefused(f"The stage {stage.name} expects {text} as {role}, which no earlier stage makes.")


def _output(room: _Room, roots: Mapping[str, str], mounts: tuple[Mount, ...], stage: declared.Stage) -> str:
    found = _inside(roots, mounts, room.path(stage.output))
    if found is None:
        raise ExportRefused(f"The stage {stage.name} has no writable mount that holds its output.")
    return found


def _inside(roots: Mapping[str, str], mounts: tuple[Mount, ...], path: str) -> str | None:
    """A path of this host as a stage sees it, where it may write."""
    for mount in mounts:
        root = PurePosixPath(roots[mount.volume]) / mount.subpath
        if not mount.read_only and PurePosixPath(path).is_relative_to(root):
            return str(PurePosixPath(mount.target) / PurePosixPath(path).relative_to(root))
    return None
