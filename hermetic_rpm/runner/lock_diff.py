"""``lock diff``: what differs between two locks, as text, Markdown or JSON; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.lock.diff import Difference, Kind, PackageChange, Setting
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.progress import printable
from hermetic_rpm.runner import table
from hermetic_rpm.runner.lock_facts import as_json, evr, key_id
from hermetic_rpm.runner.table import Column
from hermetic_rpm.units import size

LONGEST_VALUE = 300
EQUAL = "The locks are equal."
_SECTIONS = {
    "requirements": "requirements",
    "bootstrap": "image",
    "bootstrap_packages": "image",
    "image": "image",
    "config": "config",
    "build_options": "build options",
}
"""The section for each part of a lock."""
OTHER = "sources"
_SPECIAL = str.maketrans({"`": "'", "|": "\N{BROKEN BAR}"})
"""What would end the code or the cell; no way of escaping them holds against a backslash before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of a section: what it is about, its architecture, and what it was and is."""

    name: str
    arch: str
    before: str
    after: str


def text(found: Difference, before: Lock, after: Lock) -> Iterator[str]:
    """The lines for people: a section for each kind of change."""
    if not found:
        yield EQUAL
        return
    for title, rows in sections(found):
        yield f"{title} ({len(rows)})"
        yield from (f"  {line}".rstrip() for line in _text_rows(rows))
        yield ""
    yield summary(found, before, after)


def _text_rows(rows: tuple[Row, ...]) -> tuple[str, ...]:
    described = table.columns(
        Column(title="", cells=tuple(row.name for row in rows)),
        Column(title="", cells=tuple(row.arch for row in rows)),
        Column(title="", cells=tuple(_cut(_arrow(row)) for row in rows)),
    )
    return table.lines([column for column in described if any(column.cells)])[1:]


def _arrow(row: Row) -> str:
    return " → ".join(value for value in (row.before, row.after) if value)


def markdown(found: Difference, before: Lock, after: Lock) -> Iterator[str]:
    """A comment for a merge request; what packages say stands as code, so that it is nothing else there."""
    yield "### Changes of the locked build environment"
    yield ""
    yield summary(found, before, after) if found else EQUAL
    for title, rows in sections(found):
        yield ""
        yield f"**{title}** ({len(rows)})"
        yield ""
        yield "| name | arch | before | after |"
        yield "|---|---|---|---|"
        for row in rows:
            yield f"| {' | '.join(code(value) for value in (row.name, row.arch, row.before, row.after))} |"


def code(value: str) -> str:
    """A text as code of Markdown, where it means nothing else."""
    return f"`{printable(_cut(value)).translate(_SPECIAL)}`" if value.strip() else ""


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"


def document(found: Difference, before: Lock, after: Lock) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "equal": not found,
        "before": {"lockfile_sha256": before.lockfile_sha256, "packages": len(before.packages)},
        "after": {"lockfile_sha256": after.lockfile_sha256, "packages": len(after.packages)},
        "counts": {kind.value: len(found.of(kind)) for kind in Kind},
        "packages": [
            {
                "name": change.package.rpm.name,
                "arch": change.package.rpm.arch,
                "kinds": [kind.value for kind in change.kinds],
                "before": change.before and as_json(change.before),
                "after": change.after and as_json(change.after),
            }
            for change in found.packages
        ],
        "settings": [
            {"place": setting.place, "before": setting.before, "after": setting.after} for setting in found.settings
        ],
    }


def sections(found: Difference) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """A title and the rows of each kind that there is; then what is no package."""
    for kind in Kind:
        if changes := found.of(kind):
            yield kind.value, tuple(_row(kind, change) for change in changes)
    for title, rows in _setting_sections(found.settings).items():
        if rows:
            yield title, tuple(rows)


def _setting_sections(settings: tuple[Setting, ...]) -> dict[str, list[Row]]:
    sections: dict[str, list[Row]] = {title: [] for title in dict.fromkeys((*_SECTIONS.values(), OTHER))}
    for setting in settings:
        part = setting.place.partition("[")[0].partition(".")[0]
        name = setting.place.partition("[")[0] if part == "requirements" else setting.place
        before, after = ("(none)" if value is None else value for value in (setting.before, setting.after))
        sections[_SECTIONS.get(part, OTHER)].append(Row(name=name, arch="", before=before, after=after))
    return sections


def _row(kind: Kind, change: PackageChange) -> Row:
    old, new = change.before, change.after
    archs = dict.fromkeys(package.rpm.arch for package in (old, new) if package is not None)
    return Row(
        name=change.package.rpm.name,
        arch=" → ".join(archs),
        before=_value(kind, old) if old is not None else "",
        after=_value(kind, new) if new is not None else "",
    )


def _value(kind: Kind, package: Package) -> str:
    """What of a package a section is about."""
    match kind:
        case Kind.REBUILT:
            return f"{evr(package.rpm)} sigmd5 {package.rpm.sigmd5}"
        case Kind.RELICENSED:
            return package.rpm.license
        case Kind.RESIGNED:
            return key_id(package)
        case Kind.MOVED:
            return package.rpm.url if package.source is None else f"{package.source.repository} {package.rpm.url}"
        case _:
            return evr(package.rpm)


def summary(found: Difference, before: Lock, after: Lock) -> str:
    """How many packages changed in which way, and the totals."""
    told = [f"{len(rows)} {kind}" for kind in Kind if (rows := found.of(kind))]
    if found.settings:
        told.append(f"{len(found.settings)} other")
    sizes = ""
    if before.sidecar is not None and after.sidecar is not None:
        old, new = (sum(rpm.size for rpm in lock.sidecar.rpms) for lock in (before, after) if lock.sidecar is not None)
        sizes = f", {size(old)} → {size(new)}"
    return f"{', '.join(told)}; {len(before.packages)} → {len(after.packages)} packages{sizes}"
