"""Which stages of a run need not run: what is remembered of them, held against what there is now."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import OutputRefused
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import OFFERS
from hermetic_rpm.runner import memory, outcome, unchanged
from hermetic_rpm.runner.ask import ask
from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.memory import Finished
from hermetic_rpm.runner.outcome import Outcome
from hermetic_rpm.runner.pipeline import RESOLVER
from hermetic_rpm.runner.plan import Plan, StagePlan
from hermetic_rpm.runner.podman import Podman
from hermetic_rpm.runner.record import StageRecord
from hermetic_rpm.runner.unchanged import Content

NEW = "nothing is known of an earlier run"
FORCED = "it is not to be skipped"
UNSEEN = "it depends on what the runner cannot see"
OTHER_INPUTS = "what it reads, its image or how it is run is not what it was"
OTHER_OUTPUTS = "what it left is not as it left it"
OTHER_OFFERS = "image, repositories or keys are not what they were"
"""Why a stage runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unchanged:
    """A stage that would only do again what it did: what it left, what was seen of it then, how we know."""

    outcome: Outcome
    record: StageRecord
    why: str


class History:
    """What is remembered at ``place``; None: nothing, and every stage runs.

    With ``force`` every stage runs too; the one with the name ``forced`` runs in any case.
    """

    def __init__(self, place: Path | None = None, *, force: bool = False, forced: str | None = None) -> None:
        self._place = place
        self._force = force
        self._forced = forced
        self._left: dict[Path, Content] = {}
        self._unread: list[tuple[StagePlan, Outcome]] = []

    @contextlib.contextmanager
    def held(self, plan: Plan, voice: Progress) -> Iterator[None]:
        """Keep other runs out of the plan's output directories; where nothing can be remembered, say so."""
        if self._place is None:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(memory.held(self._place, (*plan.left_out, *plan.stages)))
            except OutputRefused as error:
                voice.warn(f"{error} No stage will be skipped: name another directory by XDG_STATE_HOME.")
                self._place = None
            yield

    def clear(self, plan: Plan, podman: Podman) -> None:
        """End what a killed run left at work on the plan's directories; no other run is in them."""
        if self._place is not None:
            for stage in (*plan.left_out, *plan.stages):
                podman.remove_left(stage.output)

    def of_left_out(self, stages: tuple[StagePlan, ...]) -> list[StageRecord]:
        """What was seen of stages that this run leaves out, where what they left says that it is of that time."""
        found = (None if self._place is None else memory.recall(self._place, stage) for stage in stages)
        return [
            finished.record
            for stage, finished in zip(stages, found, strict=True)
            if finished is not None and unchanged.is_of(stage, finished.record.result)
        ]

    def left(self, stage: StagePlan) -> Outcome | None:
        """What a stage left when it last did its work, every file as it was then; None if that is not so."""
        finished = None if self._place is None else memory.recall(self._place, stage)
        return None if finished is None else unchanged.left(stage, finished.record.result)

    def key(self, stage: StagePlan, image: str, told: tuple[str, ...]) -> str | None:
        """The key of all that decides what a stage does; None if it cannot be told, or need not."""
        if self._place is None or unchanged.always_runs(stage):
            return None
        try:
            return unchanged.key(stage, image, told, self._left)
        except OSError:
            return None

    def remembers(self, stage: StagePlan) -> bool:
        """Whether anything is known of an earlier run of a stage."""
        return self._place is not None and memory.recall(self._place, stage) is not None

    def judged(self, stage: StagePlan, key: str | None, offers: Callable[[], Any]) -> Unchanged | str:
        """What a stage left if it need not run, else why it runs; ``offers`` asks a resolver's repositories.

        Raises `StageFailed` if a stage of this run left something else than it says.
        """
        finished = self._of_the_same(stage, key)
        if isinstance(finished, str):
            return finished
        done = unchanged.left(stage, finished.record.result)
        if done is None:
            return OTHER_OUTPUTS
        why = f"same inputs, its {len(done.outputs)} files as it left them"
        if stage.kind == RESOLVER:
            then = done.facts.get(OFFERS)
            if then is None or offers() != then:
                return OTHER_OFFERS
            why = "same inputs; image, repomd.xml of every repository and keys as they were"
        for before, claimed in self._unread:  # what the key took their word for
            tuple(outcome.made(before, claimed))
        self._left[stage.output] = unchanged.of_outputs(done.outputs)
        return Unchanged(outcome=done, record=finished.record, why=why)

    def _of_the_same(self, stage: StagePlan, key: str | None) -> Finished | str:
        """What is remembered of a stage that worked on the same, or why there is nothing of the kind."""
        if self._place is None or self._force or stage.name == self._forced:
            return FORCED
        if key is None:
            return UNSEEN
        finished = memory.recall(self._place, stage)
        if finished is None or finished.record.name != stage.name:
            return NEW
        return finished if finished.key == key else OTHER_INPUTS

    def begins(self, stage: StagePlan) -> None:
        """A stage is about to run: forget what it did."""
        if self._place is not None:
            memory.forget(self._place, stage)

    def ended(self, stage: StagePlan, key: str | None, record: StageRecord, done: Outcome) -> None:
        """A stage has run and did its work: remember it."""
        if self._place is not None and key is not None:
            memory.remember(self._place, stage, Finished(key=key, record=record))
        self._unread.append((stage, done))
        self._left[stage.output] = unchanged.of_outputs(done.outputs)


def offers(stage: StagePlan, image: str, podman: Podman, events: Events) -> Any:
    """What a resolver says that image, repositories and keys of its target are now; None if it cannot tell.

    It is asked in its own container, which may write nowhere.
    """
    question = replace(
        stage,
        image=image,
        arguments=(*stage.arguments, "--offers"),
        binds=tuple(replace(bind, read_only=True) for bind in stage.binds),
    )
    lines, code = ask(question, podman, events)
    return _answer(lines) if code == 0 else None


def _answer(lines: tuple[str, ...]) -> Any:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line)
            if isinstance(found, dict) and OFFERS in found:
                return found[OFFERS]
    return None
