"""What lies in the cache, and what was removed from it, as text and JSON: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hermetic_rpm.cache_upkeep import KINDS, Collected, Item
from hermetic_rpm.runner import table
from hermetic_rpm.units import size

NEVER = "-"


def text(items: Sequence[Item]) -> tuple[str, ...]:
    """A line for each kind, and one for all."""
    groups = [*((kind, [item for item in items if item.kind == kind]) for kind in KINDS), ("all", list(items))]
    return table.lines(
        (
            table.Column(title="kind", cells=tuple(kind for kind, _ in groups)),
            table.Column(title="number", cells=tuple(str(len(group)) for _, group in groups), right=True),
            table.Column(title="size", cells=tuple(size(_bytes(group)) for _, group in groups), right=True),
            table.Column(title="last used", cells=tuple(_day(_last_used(group)) for _, group in groups)),
            table.Column(title="unused since", cells=tuple(_day(_unused_since(group)) for _, group in groups)),
        )
    )


def document(directory: Path, items: Sequence[Item]) -> dict[str, Any]:
    """The same with exact numbers: bytes, and moments in ISO 8601."""
    groups = {kind: [item for item in items if item.kind == kind] for kind in KINDS}
    return {
        "directory": str(directory),
        "bytes": _bytes(items),
        "kinds": [
            {
                "kind": kind,
                "number": len(group),
                "bytes": _bytes(group),
                "bytes_shared_with_repositories": _bytes([item for item in group if item.shared]),
                "last_used": _moment(_last_used(group)),
                "unused_since": _moment(_unused_since(group)),
            }
            for kind, group in groups.items()
        ],
    }


def collected(done: Collected, *, dry_run: bool) -> Iterator[str]:
    """What went (or would go), by kind, and what is left."""
    for kind in KINDS:
        group = [item for item in done.removed if item.kind == kind]
        if group:
            shared = _bytes([item for item in group if item.shared])
            more = f", of which {size(shared)} take space until their repositories are gone too" if shared else ""
            yield f"{'would remove' if dry_run else 'removed'} {kind}: {len(group)}, {size(_bytes(group))}{more}"
    yield f"{size(_bytes(done.kept))} {'would stay' if dry_run else 'left'}: {len(done.kept)} items"


def _bytes(items: Sequence[Item]) -> int:
    return sum(item.size for item in items)


def _last_used(items: Sequence[Item]) -> int | None:
    return max((item.used for item in items), default=None)


def _unused_since(items: Sequence[Item]) -> int | None:
    return min((item.used for item in items), default=None)


def _moment(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()


def _day(nanoseconds: int | None) -> str:
    return (_moment(nanoseconds) or NEVER).partition("T")[0]
