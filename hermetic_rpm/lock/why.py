"""Why a package is in a lock: the shortest chain of requirements that leads to it; pure."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from hermetic_rpm.lock.model import RequirementEdges, Rows, Sidecar


class Origin(enum.StrEnum):
    """Who asked first."""

    BUILDROOT = "buildroot"
    BUILD_REQUIRES = "BuildRequires"
    GENERATED = "generated BuildRequires"


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """What was asked for, by whom, and the rows that came for it."""

    origin: Origin
    name: str
    rows: Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A root and the rows from the one that came for it down to the package in question."""

    origin: Origin
    name: str
    rows: Rows


def chains(sidecar: Sidecar, edges: RequirementEdges, row: int) -> tuple[Chain, ...]:
    """The shortest chain from the package's own requirements and that from the minimal buildroot, where there is one.

    Of chains of one length, that of the first root and the lowest rows.
    """
    build = (
        *_roots(Origin.BUILD_REQUIRES, zip(sidecar.static_requirements, edges.static, strict=True)),
        *_roots(Origin.GENERATED, zip(sidecar.dynamic_requirements, edges.dynamic, strict=True)),
    )
    setup = _roots(Origin.BUILDROOT, ((entry.name, entry.rows) for entry in edges.buildroot))
    found = (_shortest(roots, edges.packages, row) for roots in (build, setup))
    return tuple(chain for chain in found if chain is not None)


def _roots(origin: Origin, named: Iterable[tuple[str, Rows]]) -> tuple[Root, ...]:
    return tuple(Root(origin=origin, name=name, rows=rows) for name, rows in named)


def _shortest(roots: tuple[Root, ...], requires: tuple[Rows, ...], goal: int) -> Chain | None:
    came_for: dict[int, Root] = {}
    for root in roots:
        for row in root.rows:
            came_for.setdefault(row, root)
    required_by: dict[int, int | None] = dict.fromkeys(came_for)
    waiting = deque(came_for)
    while waiting and goal not in required_by:
        row = waiting.popleft()
        for needed in requires[row]:
            if needed not in required_by:
                required_by[needed] = row
                waiting.append(needed)
    if goal not in required_by:
        return None
    path = [goal]
    while (above := required_by[path[-1]]) is not None:
        path.append(above)
    root = came_for[path[-1]]
    return Chain(origin=root.origin, name=root.name, rows=tuple(reversed(path)))
