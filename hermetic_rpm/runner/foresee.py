"""What a run would skip if it began now, and why it would run the rest."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from hermetic_rpm.errors import PodmanUnavailable, StageFailed, StageImageMissing
from hermetic_rpm.runner.execute import expectations
from hermetic_rpm.runner.history import NEW, History, Unchanged, offers
from hermetic_rpm.runner.interrupt import Events, listening
from hermetic_rpm.runner.plan import Plan, StagePlan
from hermetic_rpm.runner.podman import Podman, connect
from hermetic_rpm.runner.service import api_address

SKIPPED, RUNS = "skipped by `hermetic-rpm run`: ", "runs: "


def notes(plan: Plan, history: History, *, podman_environment: Mapping[str, str]) -> dict[str, str]:
    """A sentence on each stage by its name; podman is asked only if something is known of the first stage.

    What comes after a stage that runs depends on what that makes.
    """
    found: dict[str, str] = {}
    for stage, sentence in zip(plan.stages, _asked(plan, history, podman_environment), strict=False):
        found[stage.name] = sentence
    for before, stage in zip(plan.stages, plan.stages[1:], strict=False):
        if stage.name not in found:
            later = f"skipped if {before.name} leaves the same"
            found[stage.name] = later if history.remembers(stage) else f"{RUNS}{NEW}"
    return found


def _asked(plan: Plan, history: History, environment: Mapping[str, str]) -> Iterator[str]:
    """The sentences until the first stage that runs."""
    if not history.remembers(plan.stages[0]):
        yield f"{RUNS}{NEW}"
        return
    try:
        with listening() as events, api_address(environment, events) as address, connect(address) as podman:
            for stage in plan.stages:
                sentence = _sentence(stage, history, podman, events)
                yield sentence
                if not sentence.startswith(SKIPPED):
                    break
    except PodmanUnavailable as error:
        yield f"not known: {error.reason.splitlines()[0]}"


def _sentence(stage: StagePlan, history: History, podman: Podman, events: Events) -> str:
    try:
        image = podman.require_image(stage.image).id
        key = history.key(stage, image, expectations(stage, {}))
        judged = history.judged(stage, key, functools.partial(offers, stage, image, podman, events))
    except (StageFailed, StageImageMissing) as error:
        return f"{RUNS}{error.reason.splitlines()[0]}"
    return f"{SKIPPED}{judged.why}" if isinstance(judged, Unchanged) else f"{RUNS}{judged}"
