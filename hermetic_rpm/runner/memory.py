"""What the runner remembers of stages that did their work, in a directory of the user which no stage sees.

For each output directory: the key of what the stage worked on, and the sha256 of the ``result.json``
that it left.  What is not there, or cannot be understood, only means that the stage runs again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hermetic_rpm.errors import HermeticError, OutputRefused, WorkspaceBusy
from hermetic_rpm.files import canonical_json, write_atomically, writing_errors
from hermetic_rpm.runner import record
from hermetic_rpm.runner.plan import StagePlan
from hermetic_rpm.runner.record import StageRecord

PRIVATE = 0o700


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A stage that did its work: the key (hex) of all that decided about it, and what the runner saw of it."""

    key: str
    record: StageRecord


def directory(environment: Mapping[str, str]) -> Path:
    """Where the user's programs keep such things (XDG base directories)."""
    home = environment.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(home, "hermetic-rpm")


@contextlib.contextmanager
def held(place: Path, stages: tuple[StagePlan, ...]) -> Iterator[None]:
    """Keep other runs out of the output directories of these stages; a run that is killed lets go of them.

    Raises `WorkspaceBusy`, and `OutputRefused` if the directory cannot be made, or if a stage could write there.
    """
    _refuse_reachable(place, stages)
    with contextlib.ExitStack() as stack:
        with writing_errors(place):
            place.mkdir(PRIVATE, parents=True, exist_ok=True)
            for output in sorted({stage.output for stage in stages}):
                lock = stack.enter_context(_path(place, output).with_suffix(".lock").open("w"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise WorkspaceBusy(f"Another run uses {output}.") from error
        yield


def recall(place: Path, stage: StagePlan) -> Finished | None:
    """What is remembered of a stage with this output directory."""
    try:
        document = json.loads(_path(place, stage.output).read_bytes())
        return Finished(key=str(document["key"]), record=record.stage(document["record"]))
    except (OSError, ValueError, KeyError, TypeError, HermeticError):
        return None


def remember(place: Path, stage: StagePlan, finished: Finished) -> None:
    """Note that a stage did its work."""
    document = {"output": os.fspath(stage.output), "key": finished.key, "record": asdict(finished.record)}
    write_atomically(_path(place, stage.output), canonical_json(document))


def forget(place: Path, stage: StagePlan) -> None:
    """Forget a stage, before it runs again."""
    with writing_errors(place):
        _path(place, stage.output).unlink(missing_ok=True)


def _refuse_reachable(place: Path, stages: tuple[StagePlan, ...]) -> None:
    writable = {bind.source.resolve() for stage in stages for bind in stage.binds if not bind.read_only}
    if any(place.resolve().is_relative_to(source) for source in writable):
        raise OutputRefused(f"{place} can be written by a stage.", solution="Name another directory.")


def _path(place: Path, output: Path) -> Path:
    return place / f"{hashlib.sha256(os.fsencode(output.resolve())).hexdigest()[:32]}.json"
