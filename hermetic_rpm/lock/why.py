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


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Every row that some roots lead to: the row that required it first (None where a root did), and the roots."""

    required_by: dict[int, int | None]
    came_for: dict[int, Root]


def chains(sidecar: Sidecar, edges: RequirementEdges, row: int) -> tuple[Chain, ...]:
    """The shortest chain from the package's own requirements and that from the minimal buildroot, where there is one.

    Of chains of one length, that of the first root and the lowest rows.
    """
    return _chains(_trees(sidecar, edges), row)


def every_chain(sidecar: Sidecar, edges: RequirementEdges) -> tuple[tuple[Chain, ...], ...]:
    """The `chains` of every row, parallel to the lockfile's."""
    trees = _trees(sidecar, edges)
    return tuple(_chains(trees, row) for row in range(len(edges.packages)))


def _trees(sidecar: Sidecar, edges: RequirementEdges) -> tuple[Tree, ...]:
    build = (
        *_roots(Origin.BUILD_REQUIRES, zip(sidecar.static_requirements, edges.static, strict=True)),
        *_roots(Origin.GENERATED, zip(sidecar.dynamic_requirements, edges.dynamic, strict=True)),
    )
    setup = _roots(Origin.BUILDROOT, ((entry.name, entry.rows) for entry in edges.buildroot))
    return tuple(_tree(roots, edges.packages) for roots in (build, setup))


def _roots(origin: Origin, named: Iterable[tuple[str, Rows]]) -> tuple[Root, ...]:
    return tuple(Root(origin=origin, name=name, rows=rows) for name, rows in named)


def _tree(roots: tuple[Root, ...], requires: tuple[Rows, ...]) -> Tree:
    """The shortest ways, by breadth-first search."""
    came_for: dict[int, Root] = {}
    for root in roots:
        for row in root.rows:
            came_for.setdefault(row, root)
    required_by: dict[int, int | None] = dict.fromkeys(came_for)
    waiting = deque(came_for)
    while waiting:
        row = waiting.popleft()
        for needed in requires[row]:
            if needed not in required_by:
                required_by[needed] = row
                waiting.append(needed)
    return Tree(required_by=required_by, came_for=came_for)


def _chains(trees: tuple[Tree, ...], row: int) -> tuple[Chain, ...]:
    return tuple(_chain(tree, row) for tree in trees if row in tree.required_by)


def _chain(tree: Tree, goal: int) -> Chain:
    path = [goal]
    while (above := tree.required_by[path[-1]]) is not None:
        path.append(above)
    root = tree.came_for[path[-1]]
    return Chain(origin=root.origin, name=root.name, rows=tuple(reversed(path)))
