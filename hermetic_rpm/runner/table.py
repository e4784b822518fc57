"""Aligned columns that fit a terminal: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hermetic_rpm.progress import printable

GAP = "  "
SHORTEST = 8
"""A column that may be shortened is left out where less than this would remain of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table.

    ``shorten``: give way first, with an ellipsis.  ``spare``: where that is not enough, the column
    with the highest number is left out, those with 0 never.
    """

    title: str
    cells: tuple[str, ...]
    right: bool = False
    shorten: bool = False
    spare: int = 0

    @property
    def width(self) -> int:
        """The width of its widest cell."""
        return max(map(len, (self.title, *self.cells)))


def columns(*described: Column) -> tuple[Column, ...]:
    """The columns with cells that cannot steer a terminal."""
    return tuple(replace(column, cells=tuple(map(printable, column.cells))) for column in described)


def fit(table: Sequence[Column], width: int) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns that fit into ``width``, and the titles of those that had to be left out."""
    kept, left_out = list(table), []
    while (excess := _width(kept) - width) > 0:
        flexible = next((column for column in kept if column.shorten), None)
        if flexible is not None and flexible.width - excess >= min(SHORTEST, flexible.width):
            kept[kept.index(flexible)] = _shortened(flexible, flexible.width - excess)
            break
        victim = max(kept, key=lambda column: column.spare)
        if victim.spare == 0:
            break
        kept.remove(victim)
        left_out.append(victim.title)
    return tuple(kept), tuple(left_out)


def lines(table: Sequence[Column]) -> tuple[str, ...]:
    """A line of titles, then a line for each row, without blanks at their ends."""
    padded = [_padded(column) for column in table]
    return tuple(GAP.join(cells).rstrip() for cells in zip(*padded, strict=True))


def _width(table: Sequence[Column]) -> int:
    return sum(column.width for column in table) + len(GAP) * (len(table) - 1)


def _shortened(column: Column, width: int) -> Column:
    cells = tuple(cell if len(cell) <= width else f"{cell[: width - 1].rstrip()}…" for cell in column.cells)
    return replace(column, title=column.title[:width], cells=cells)


def _padded(column: Column) -> list[str]:
    width = column.width
    return [cell.rjust(width) if column.right else cell.ljust(width) for cell in (column.title, *column.cells)]
