"""``--from``, ``--until`` and ``--locked``: a plan without the stages that a run should leave out."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import click

from hermetic_rpm.errors import NotLocked, SrpmMissing
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock import join
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import BuildOptions, Sidecar
from hermetic_rpm.runner.pipeline import RESOLVER
from hermetic_rpm.runner.plan import Plan, StagePlan

TARGET = "--target"


def between(plan: Plan, first: str | None, last: str | None) -> Plan:
    """The stages from one name to another; a usage error unless that leaves something."""
    names = [stage.name for stage in plan.stages]
    start = 0 if first is None else _index(names, first, "--from")
    end = len(names) if last is None else _index(names, last, "--until") + 1
    if start >= end:
        raise click.UsageError(f"--until {last} is before --from {first}: nothing would run.")
    return replace(plan, stages=plan.stages[start:end], left_out=(*plan.left_out, *plan.stages[:start]))


def locked(plan: Plan, options: BuildOptions) -> Plan:
    """The plan without resolver; raises `NotLocked` unless the lock there is for what the caller gave."""
    resolvers = tuple(stage for stage in plan.stages if stage.kind == RESOLVER)
    for stage in resolvers:
        _require_lock(stage, options)
    others = tuple(stage for stage in plan.stages if stage.kind != RESOLVER)
    if not others:
        raise click.UsageError("--locked leaves out the resolver: nothing would run.")
    return replace(plan, stages=others, left_out=(*plan.left_out, *resolvers))


def _index(names: list[str], name: str, option: str) -> int:
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
    raise click.UsageError(f"{option} {name}: the pipeline has no stage of that name ({hint})")


def _require_lock(stage: StagePlan, options: BuildOptions) -> None:
    lockfile = stage.output / LOCKFILE_NAME
    if not lockfile.is_file():
        raise NotLocked(f"There is no lockfile {lockfile}.")
    sidecar = join.load(lockfile).sidecar
    if sidecar is None:
        raise NotLocked(f"{lockfile} has no sidecar: nothing says of which source RPM it is.")
    _require_srpm(stage, sidecar, lockfile)
    given = dict(zip(stage.arguments, stage.arguments[1:], strict=False))
    target = Path(given.get(TARGET, sidecar.target.name))
    if sidecar.target.name not in (target.name, target.stem):
        raise NotLocked(f"{lockfile} is for the target {sidecar.target.name}, not for {target}.")
    if sidecar.build_options != options:
        raise NotLocked(f"{lockfile} was made with other options (--with, --without, --define, --build-requires).")


def _require_srpm(stage: StagePlan, sidecar: Sidecar, lockfile: Path) -> None:
    srpm = next((expected.path for expected in stage.expects if expected.role == "srpm"), None)
    if srpm is None:
        raise NotLocked(
            f"Nobody can tell whether {lockfile} is of what you gave: --locked needs a source RPM.",
            solution=f"Give the one that the resolver made: -p srpm={stage.output / sidecar.srpm.name}",
        )
    try:
        found = sha256_of(srpm)
    except OSError as error:
        raise SrpmMissing(f"{srpm} cannot be read: {error.strerror}.") from error
    if found != sidecar.srpm.sha256:
        raise NotLocked(
            f"{lockfile} is of {sidecar.srpm.name} with the sha256 {sidecar.srpm.sha256}, but {srpm.name} has {found}."
        )
