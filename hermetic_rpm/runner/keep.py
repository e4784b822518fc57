"""``--keep-failed``: a plan whose builder leaves the buildroot of a failed build in a directory of the host."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hermetic_rpm.buildroot import kept
from hermetic_rpm.errors import HermeticError, PipelineInvalid
from hermetic_rpm.runner import place
from hermetic_rpm.runner.pipeline import BUILDER
from hermetic_rpm.runner.plan import SCRATCH, Bind, Plan, StagePlan

KEEP = "--keep-buildroot"
REPOSITORY = "/repo"
"""Where a builder looks for the offline repository unless its arguments say otherwise."""


@contextlib.contextmanager
def keeping(plan: Plan, directory: Path | None, pipeline: Path) -> Iterator[Plan]:
    """The plan to run while the inside lasts; an error of it tells how to enter what was kept in ``directory``.

    Raises `OutputRefused` unless the directory is new or empty; one in which nothing was kept is removed.
    """
    if directory is None:
        yield plan
        return
    home = directory.absolute()
    place.refuse_taken(home)
    keeping_plan = with_kept(plan, home)
    try:
        yield keeping_plan
    except HermeticError as error:
        if kept.is_kept(home):
            error.add_note(f"Its buildroot is kept; enter it: {_shell(keeping_plan, directory, pipeline)}")
        raise
    finally:
        with contextlib.suppress(OSError):
            home.rmdir()


def with_kept(plan: Plan, directory: Path) -> Plan:
    """The plan with ``directory`` as the scratch of its builder; raises `PipelineInvalid` if it has none."""
    if not any(stage.kind == BUILDER for stage in plan.stages):
        raise PipelineInvalid("The pipeline has no builder whose buildroot could be kept.")
    return replace(
        plan, stages=tuple(_kept(stage, directory) if stage.kind == BUILDER else stage for stage in plan.stages)
    )


def _kept(stage: StagePlan, directory: Path) -> StagePlan:
    return replace(
        stage,
        arguments=(*stage.arguments, KEEP),
        binds=(*stage.binds, Bind(source=directory, target=SCRATCH, read_only=False)),
        directories=(*stage.directories, directory),
        scratch_in_memory=False,
    )


def repository(stage: StagePlan) -> Path | None:
    """Where on the host the offline repository of a builder is."""
    given = dict(zip(stage.arguments, stage.arguments[1:], strict=False))
    target = given.get("--repository", REPOSITORY)
    return next((bind.source for bind in stage.binds if bind.target == target), None)


def _shell(plan: Plan, directory: Path, pipeline: Path) -> str:
    builder = next(stage for stage in plan.stages if stage.kind == BUILDER)
    found = repository(builder)
    return shlex.join(
        (
            "hermetic-rpm", "shell", str(directory), "--pipeline", str(pipeline),
            *(() if found is None else ("--repository", str(found))),
        )
    )  # fmt: skip
