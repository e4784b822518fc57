"""``lock outdated``: the fetcher is asked what a lock's repositories would give today, and what they no longer give."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import ChecksumsMissing, PipelineInvalid, StageFailed
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import printable
from hermetic_rpm.runner import parameters, table
from hermetic_rpm.runner.ask import ask
from hermetic_rpm.runner.interrupt import listening
from hermetic_rpm.runner.lock_diff import code
from hermetic_rpm.runner.pipeline import FETCHER, Pipeline
from hermetic_rpm.runner.plan import Bind, StagePlan, make_plan
from hermetic_rpm.runner.podman import connect
from hermetic_rpm.runner.service import api_address, podman_environment
from hermetic_rpm.runner.table import Column

LOCK = "/outdated/lock"
OUTDATED = "outdated"
CURRENT = "Nothing is outdated."


@dataclass(frozen=True, kw_only=True, slots=True)
class Newer:
    """A package of which a repository has a newer version."""

    name: str
    arch: str
    locked: str
    evr: str
    repository: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outdated:
    """What has become of a lock: newer versions, packages that nobody gives, repositories that cannot be asked.

    ``gone`` and ``silent`` have what was answered.
    """

    count: int
    newer: tuple[Newer, ...]
    gone: tuple[tuple[str, tuple[str, ...]], ...]
    silent: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.newer or self.gone or self.silent)


def require(lock: Lock) -> None:
    """Raise `ChecksumsMissing` for a lock that does not say what repositories there are."""
    if lock.sidecar is None:
        raise ChecksumsMissing("The lock has no sidecar, so that it does not say what repositories there are.")


def plan(pipeline: Pipeline, lockfile: Path, assignments: tuple[str, ...]) -> StagePlan:
    """The container of the pipeline's fetcher with its options and what they name, but with nothing to write to."""
    stage = next((stage for stage in pipeline.stages if stage.kind == FETCHER), None)
    if stage is None:
        raise PipelineInvalid(f"{pipeline.path} has no fetcher, which asks the repositories.")
    alone = replace(
        pipeline, stages=(stage,), parameters=tuple(replace(one, required=False) for one in pipeline.parameters)
    )
    given = parameters.parse_assignments(assignments)
    found = make_plan(alone, parameters.resolve(alone, given, cwd=Path.cwd(), log_format="human")).stages[0]
    kept = tuple(bind for bind in found.binds if bind.read_only and bind.source not in found.directories)
    return replace(
        found,
        arguments=(*found.arguments, f"--lockfile={LOCK}/{lockfile.name}", f"--{OUTDATED}"),
        binds=(*kept, Bind(source=lockfile.parent.resolve(), target=LOCK, read_only=True)),
        directories=(),
        expects=(),
    )


def asked(pipeline: Pipeline, stage: StagePlan) -> Outdated:
    """What the container answers; raises `StageFailed` if it does not."""
    environment = podman_environment(pipeline.directory, os.environ)
    with listening() as events, api_address(environment, events) as address, connect(address) as podman:
        podman.require_image(stage.image)
        lines, exit_code = ask(stage, podman, events)
    found = next((answer for line in lines if (answer := _answer(line)) is not None), None)
    if exit_code != 0 or found is None:
        raise StageFailed(
            f"The container that asks the repositories ended with status {exit_code}.", log_tail=lines[-40:],
            solution="If its image is older than this command: `make images`.",
        )  # fmt: skip
    return found


def _answer(line: str) -> Outdated | None:
    try:
        answer = json.loads(line)[OUTDATED]
    except (ValueError, KeyError, TypeError):
        return None
    rows = answer["packages"]
    newer = (
        Newer(
            name=row["name"], arch=row["arch"], locked=_evr(row), evr=row["newer"]["evr"],
            repository=row["newer"]["repository"],
        )
        for row in rows
        if row["newer"] is not None
    )  # fmt: skip
    return Outdated(
        count=len(rows),
        newer=tuple(newer),
        gone=tuple((row["package"], tuple(row["gone"])) for row in rows if row["gone"]),
        silent=tuple(sorted(answer["repositories"].items())),
    )


def _evr(row: dict[str, Any]) -> str:
    """Epoch, version and release of a NEVRA."""
    text: str = row["package"]
    return text.removeprefix(f"{row['name']}-").removesuffix(f".{row['arch']}")


def text(found: Outdated) -> Iterator[str]:
    """The lines for people; pure, as all that follows."""
    if found.newer:
        described = table.columns(
            Column(title="NEWER", cells=tuple(one.name for one in found.newer)),
            Column(title="ARCH", cells=tuple(one.arch for one in found.newer)),
            Column(title="LOCKED", cells=tuple(one.locked for one in found.newer)),
            Column(title="THERE IS", cells=tuple(one.evr for one in found.newer)),
            Column(title="REPOSITORY", cells=tuple(one.repository for one in found.newer)),
        )
        yield from table.lines(described)
        yield ""
    for title, rows in (("can no longer be downloaded", found.gone), ("cannot be asked", _answers(found))):
        if rows:
            yield f"{title} ({len(rows)})"
            for name, answers in rows:
                yield f"  {printable(name)}"
                yield from (f"    {printable(answer)}" for answer in answers)
            yield ""
    yield summary(found)


def _answers(found: Outdated) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((name, (reason,)) for name, reason in found.silent)


def markdown(found: Outdated) -> Iterator[str]:
    """A comment for an issue or a merge request; what servers and packages say stands as code."""
    yield "### What became of the locked build environment"
    yield ""
    yield summary(found)
    if found.newer:
        yield from ("", f"**newer** ({len(found.newer)})", "", "| name | arch | locked | there is | repository |")
        yield "|---|---|---|---|---|"
        for one in found.newer:
            yield f"| {' | '.join(map(code, (one.name, one.arch, one.locked, one.evr, one.repository)))} |"
    for title, rows in (("can no longer be downloaded", found.gone), ("cannot be asked", _answers(found))):
        if rows:
            yield from ("", f"**{title}** ({len(rows)})", "")
            yield from (f"* {code(name)}: {', '.join(map(code, answers))}" for name, answers in rows)


def document(found: Outdated) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "packages": found.count,
        "newer": [
            {
                "name": one.name,
                "arch": one.arch,
                "locked": one.locked,
                "evr": one.evr,
                "repository": one.repository,
            }
            for one in found.newer
        ],
        "gone": [{"package": name, "answers": list(answers)} for name, answers in found.gone],
        "repositories_not_asked": dict(found.silent),
    }


def summary(found: Outdated) -> str:
    """How much of what there is, in a sentence."""
    if not found:
        return f"{CURRENT[:-1]}: {found.count} packages."
    told = (
        (len(found.newer), "of {} packages are to be had newer"),
        (len(found.gone), "can no longer be downloaded"),
        (len(found.silent), "of the repositories cannot be asked"),
    )
    return f"{'; '.join(f'{count} {what}' for count, what in told if count)}.".format(found.count)
