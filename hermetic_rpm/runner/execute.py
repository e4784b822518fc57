"""Runs a plan: directories, podman, then one container after another until the last or the first failure."""

from __future__ import annotations

import collections
import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm.errors import HermeticError, OutputRefused, SrpmMissing, StageFailed
from hermetic_rpm.files import sha256_of, writing_errors
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import RESULT_NAME, Output
from hermetic_rpm.runner import lines, outcome, record
from hermetic_rpm.runner.history import FORCED, NEW, History, Unchanged, offers
from hermetic_rpm.runner.interrupt import Events, listening
from hermetic_rpm.runner.plan import Plan, StagePlan
from hermetic_rpm.runner.podman import Broken, Container, Exited, Podman, Printed, connect
from hermetic_rpm.runner.record import Run, StageImage, StageRecord
from hermetic_rpm.runner.service import api_address

SHOWN_LINES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A run that succeeded: its stages in order with their seconds (None: skipped), and what the last one left.

    ``kind`` is that of the last one; what it left is verified.
    """

    seconds: tuple[tuple[str, float | None], ...]
    total: float
    kind: str
    directory: Path
    outputs: tuple[tuple[Path, Output], ...]


def run(
    plan: Plan, *, podman_environment: Mapping[str, str], voice: Progress, history: History | None = None
) -> Report:
    """Run every stage of ``plan`` that ``history`` does not call unchanged.

    Raises the first stage's error, with a note that names the stage.
    """
    with listening() as events, api_address(podman_environment, events) as address:
        return run_at(address, plan, events=events, voice=voice, history=history or History())


def run_at(address: str, plan: Plan, *, events: Events, voice: Progress, history: History) -> Report:
    """What `run` does, with podman's API at an address, until ``events`` tell it to end; from any thread."""
    started = time.monotonic()
    with history.held(plan, voice):
        seen = {path: digest_of_given(path) for path in plan.files if _is_expected(path, plan.stages)}
        homes = _make_directories(plan)
        _forget(record.place(plan.stages[-1].output))
        records = history.of_left_out(plan.left_out)
        with connect(address) as podman:
            history.clear(plan, podman)
            images = {name: podman.require_image(name) for name in dict.fromkeys(s.image for s in plan.stages)}
            for index, stage in enumerate(plan.stages):
                with _named(stage):
                    _keep_in_place(homes)
                    image = images[stage.image]
                    told = expectations(stage, seen)
                    key = history.key(stage, image.id, told)
                    before = history.judged(stage, key, functools.partial(offers, stage, image.id, podman, events))
                    if isinstance(before, Unchanged):
                        voice.skipped(stage.name, f"unchanged, skipped ({before.why})")
                        done = before.outcome
                        records.append(before.record)
                    else:
                        if before not in (FORCED, NEW):
                            voice.say(f"{stage.name} runs: {before}")
                        history.begins(stage)
                        done, seen_of_it = _run_stage(stage, image, podman, events, voice, told)
                        _keep_in_place(homes)
                        records.append(seen_of_it)
                        history.ended(stage, key, seen_of_it, done)
                    seen |= outcome.verified(stage, done, _handed_on(stage, plan.stages[index + 1 :]))
        with _named(stage):
            outputs = tuple(outcome.made(stage, done))
            record.write(stage.output, Run(stages=tuple(records), pipeline=plan.pipeline))
    return Report(
        seconds=tuple((each.name, voice.timings.get(each.name)) for each in plan.stages),
        total=time.monotonic() - started,
        kind=stage.kind,
        directory=plan.stages[-1].output,
        outputs=outputs,
    )


def _run_stage(
    stage: StagePlan, image: StageImage, podman: Podman, events: Events, voice: Progress, told: tuple[str, ...]
) -> tuple[outcome.Outcome, StageRecord]:
    """One container from its creation to its removal: what it left, and what it was.

    It is made of the image with that id: the name may come to mean another one during the run.
    """
    events.check()
    _forget(stage.output / RESULT_NAME)
    shown: collections.deque[str] = collections.deque(maxlen=SHOWN_LINES)
    voice.say(f"{stage.name} starts ({stage.image}, {'with' if stage.has_network else 'without'} network)")
    with voice.phase(stage.name), podman.container(replace(stage, image=image.id), told) as container:
        events.check()
        container.start(events)
        try:
            exited = _follow(stage, container, events, voice, shown)
        except HermeticError:
            voice.say(f"stopping the {stage.name} …")
            container.stop()
            raise
        finally:
            voice.clear()
    done = outcome.judge(stage, exited.code, out_of_memory=exited.out_of_memory, shown=tuple(shown))
    return done, StageRecord(
        name=stage.name, kind=stage.kind, image=image, result=done.result, container=exited.container
    )


def _follow(
    stage: StagePlan, container: Container, events: Events, voice: Progress, shown: collections.deque[str]
) -> Exited:
    """Show what the container prints until it has ended."""
    deadline = None if stage.timeout is None else time.monotonic() + stage.timeout
    while True:
        try:
            event = events.take(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise StageFailed(
                f"The {stage.name} took longer than {stage.timeout} seconds and was stopped.",
                solution="Give it more time (`timeout` in the pipeline file), or find out why it hangs.",
            ) from None
        if isinstance(event, Exited):
            return event
        if isinstance(event, Broken):
            raise event.error
        if isinstance(event, Printed):
            container.handled()
            shown.extend(lines.show(event.lines, voice))


def expectations(stage: StagePlan, seen: Mapping[Path, str]) -> tuple[str, ...]:
    """The arguments that tell a stage what its inputs were when the runner saw them first."""
    arguments: list[str] = []
    for expected in stage.expects:
        digest = seen.get(expected.path)
        if digest is None:
            try:
                digest = sha256_of(expected.path)
            except OSError as error:
                raise StageFailed(
                    f"{expected.path} cannot be read: {error.strerror}.",
                    solution=f"An earlier stage must make it: the {stage.name} expects it as {expected.role}.",
                ) from error
        arguments += ("--expect", f"{expected.role}={digest}")
    return tuple(arguments)


def _forget(path: Path) -> None:
    """What an earlier run said must not be taken for what this one says."""
    try:
        with writing_errors(path):
            path.unlink(missing_ok=True)
    except IsADirectoryError as error:
        raise OutputRefused(f"{path} is a directory.", solution="Remove it.") from error


def digest_of_given(path: Path) -> str:
    """The sha256 of a file that the caller gave; raises `SrpmMissing`."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise SrpmMissing(f"{path} cannot be read: {error.strerror}.") from error


def _is_expected(path: Path, stages: tuple[StagePlan, ...]) -> bool:
    return any(expected.path == path for stage in stages for expected in stage.expects)


def _handed_on(stage: StagePlan, later: tuple[StagePlan, ...]) -> tuple[Path, ...]:
    """The outputs of a stage that later stages expect."""
    paths = {expected.path for other in later for expected in other.expects}
    return tuple(sorted(path for path in paths if path.is_relative_to(stage.output)))


def _make_directories(plan: Plan) -> dict[Path, Path]:
    """Make every directory of the plan, and note where each really is."""
    directories = sorted({path for stage in plan.stages for path in stage.directories})
    for directory in directories:
        try:
            with writing_errors(directory):
                directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OutputRefused(f"{directory} cannot be made: a file is in its place.") from error
    return {directory: directory.resolve() for directory in directories}


def _keep_in_place(homes: Mapping[Path, Path]) -> None:
    """A stage with a writable workspace could put a link to anywhere where a later one mounts or reads."""
    for directory, home in homes.items():
        if directory.resolve() != home or not directory.is_dir():
            raise StageFailed(
                f"{directory} was replaced during the run.",
                solution="Do not trust the workspace; remove it and run again.",
            )


@contextlib.contextmanager
def _named(stage: StagePlan) -> Iterator[None]:
    """Note on an error in which stage it came up, and where to look."""
    try:
        yield
    except HermeticError as error:
        error.stage = stage.name
        error.add_note(f"That was the stage {stage.name}; its logs are in {stage.output}.")
        raise
