"""Many source RPMs: who they are, and the workspace of each below the one that was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import DamagedRpm, PipelineInvalid, SrpmsCollide
from hermetic_rpm.files import sha256_of
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.runner.pipeline import Pipeline
from hermetic_rpm.runner.plan import Bind, Plan, StagePlan

SRPM, WORKSPACE, OUTPUT, CACHE = "srpm", "workspace", "output", "cache"
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^%{}@-]{0,120}")
"""What name, version and release may be, so that they make the name of a directory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A source RPM: its name, its name-version-release, and the names of what its header requires."""

    name: str
    nvr: str
    srpm: Path
    sha256: str
    requires: tuple[str, ...] = ()


def read(srpms: Iterable[Path]) -> tuple[Package, ...]:
    """The source RPMs in the given order; raises what `rpmfile.check_source_rpm` does, and `SrpmsCollide`."""
    found = tuple(_package(path.absolute()) for path in srpms)
    seen: dict[str, Path] = {}
    for package in found:
        if package.nvr in seen:
            raise SrpmsCollide(f"{seen[package.nvr]} and {package.srpm} both are {package.nvr}.")
        seen[package.nvr] = package.srpm
    return found


def _package(path: Path) -> Package:
    header = rpmfile.check_source_rpm(path)
    return Package(
        name=header.name, nvr=_nvr(path, header), srpm=path, sha256=sha256_of(path), requires=header.requires
    )


def _nvr(path: Path, header: Header) -> str:
    parts = (header.name, header.version, header.release)
    if not all(PART.fullmatch(part) for part in parts):
        raise DamagedRpm(f"{path} has no name, version and release for a directory: {'-'.join(parts)!r}.")
    return "-".join(parts)


def require_parameters(pipeline: Pipeline, given: Mapping[str, str], wanted: Iterable[str]) -> None:
    """Raise `PipelineInvalid` unless the pipeline has the parameters by which one source RPM is told from another."""
    declared = {parameter.name for parameter in pipeline.parameters}
    if absent := [name for name in wanted if name not in declared]:
        raise PipelineInvalid(f"{pipeline.path} declares no parameter {', '.join(absent)}: it is for one source RPM.")
    if named := [name for name in (SRPM, "spec") if given.get(name)]:
        raise PipelineInvalid(f"-p {named[0]}=… and source RPMs as arguments exclude each other.")


def assignments(package: Package, given: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """The parameters for a package: directories of its own below those that were given."""
    own = {SRPM: str(package.srpm), WORKSPACE: str(workspace / package.nvr)}
    if OUTPUT in given:
        own[OUTPUT] = str(Path(given[OUTPUT]) / package.nvr)
    return {**given, **own}


def with_cache(plan: Plan, workspace: Path) -> Plan:
    """The plan of a package with the cache of all packages, in the given workspace, in the place of its own."""
    return replace(plan, stages=tuple(_with_cache(stage, workspace / CACHE) for stage in plan.stages))


def _with_cache(stage: StagePlan, cache: Path) -> StagePlan:
    options = dict(zip(stage.arguments, stage.arguments[1:], strict=False))
    target = options.get("--cache") or next(
        (argument.partition("=")[2] for argument in stage.arguments if argument.startswith("--cache=")), None
    )
    if target is None:
        return stage
    return replace(
        stage,
        binds=(
            *(bind for bind in stage.binds if bind.target != target),
            Bind(source=cache, target=target, read_only=False),
        ),
        directories=(*stage.directories, cache),
    )
