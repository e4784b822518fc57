"""A container that is asked something: what it prints, once it has ended."""

from __future__ import annotations

from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.plan import StagePlan
from hermetic_rpm.runner.podman import Broken, Exited, Podman, Printed


def ask(stage: StagePlan, podman: Podman, events: Events) -> tuple[tuple[str, ...], int]:
    """The lines of a container's output, and its exit status."""
    lines: list[str] = []
    with podman.container(stage, ()) as container:
        container.start(events)
        while not isinstance(event := events.take(), Exited):
            if isinstance(event, Broken):
                raise event.error
            if isinstance(event, Printed):
                container.handled()
                lines += event.lines
    return tuple(lines), event.code
