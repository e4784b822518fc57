"""``target import``: Mock's configurations, evaluated in a container of the resolver's image, as target files.

The container has no network and no capabilities, and sees of the host the one directory, read-only.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermetic_rpm import near
from hermetic_rpm.errors import MockConfigUnusable, StageFailed
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner.ask import ask
from hermetic_rpm.runner.interrupt import listening
from hermetic_rpm.runner.pipeline import NO_NETWORK, RESOLVER, Pipeline
from hermetic_rpm.runner.plan import Bind, StagePlan, preflight_plan
from hermetic_rpm.runner.podman import connect
from hermetic_rpm.runner.service import api_address, podman_environment
from hermetic_rpm.target import from_mock
from hermetic_rpm.target.from_mock import Imported

ALL = "all"
INSIDE = "/etc/mock"
"""Where Mock has its configurations: some include others by that path."""

NO_CHROOTS = ("site-defaults", "chroot-aliases")


def evaluation_plan(pipeline: Pipeline, directory: Path, names: tuple[str, ...]) -> StagePlan:
    """The container that evaluates configurations."""
    stage = next((stage for stage in pipeline.stages if stage.kind == RESOLVER), None)
    if stage is None:
        raise MockConfigUnusable("The pipeline has no resolver, whose image evaluates Mock's configurations.")
    return dataclasses.replace(
        preflight_plan(stage, tuple(f"--mock-config={name}" for name in names)),
        network=NO_NETWORK,
        capabilities=(),
        binds=(Bind(source=directory.resolve(), target=INSIDE, read_only=True),),
    )


def known(directory: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the chroots that are meant; raises `MockConfigUnusable` for one that is not there."""
    there = sorted(path.stem for path in directory.glob("*.cfg") if path.stem not in NO_CHROOTS)
    if names == (ALL,) and there:
        return tuple(there)
    for name in names:
        if name not in there:
            hint = near.sentence(name, there)
            raise MockConfigUnusable(
                f"There is no configuration {name}.cfg in {directory}.{hint}",
                solution="Name the directory of Mock's configurations (--mock-config-dir), and a file of it or `all`.",
            )
    return names


def evaluated(pipeline: Pipeline, directory: Path, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What each configuration sets, or why it cannot be evaluated, as the container says it."""
    stage = evaluation_plan(pipeline, directory, names)
    environment = podman_environment(pipeline.directory, os.environ)
    with listening() as events, api_address(environment, events) as address, connect(address) as podman:
        podman.require_image(stage.image)
        lines, code = ask(stage, podman, events)
    answers = [answer for line in lines if (answer := _answer(line)) is not None]
    if code != 0 or [answer["name"] for answer in answers] != list(names):
        raise StageFailed(
            f"The container that evaluates Mock's configurations ended with status {code}.", log_tail=lines[-40:],
            solution="If its image is older than this command: `make images`.",
        )  # fmt: skip
    yield from answers


def targets(answers: Iterator[dict[str, Any]], place: str) -> tuple[tuple[Imported, ...], tuple[str, ...]]:
    """The targets of evaluated configurations, and a reason for each of which none can be made."""
    made, refused = [], []
    for answer in answers:
        try:
            made.append(_target(answer, place))
        except MockConfigUnusable as error:
            refused.append(error.reason)
    return tuple(made), tuple(refused)


def made(pipeline: Pipeline, directory: Path, name: str, voice: Progress) -> bytes:
    """The target (YAML) of one configuration; raises `MockConfigUnusable`."""
    if name == ALL:
        raise MockConfigUnusable("A run is for one target, and `all` is no name of a configuration.")
    (answer,) = evaluated(pipeline, directory, known(directory, (name,)))
    found = _target(answer, "")
    tell(found, voice)
    return found.content


def tell(found: Imported, voice: Progress) -> None:
    """Say what of a configuration its target does not say."""
    for line in found.left_out:
        voice.say(f"{found.name}: not taken over: {line}")


def _target(answer: dict[str, Any], place: str) -> Imported:
    if "options" not in answer:
        raise MockConfigUnusable(f"{answer['name']} cannot be evaluated: {answer.get('error')}")
    return from_mock.imported(answer["name"], answer["options"], place=place)


def _answer(line: str) -> dict[str, Any] | None:
    """A line of the evaluation, or None: a configuration may print what it likes."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("name"), str) else None
