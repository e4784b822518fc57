"""``target list`` and ``target show``: targets as a table or as documents; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.runner import table
from hermetic_rpm.runner.table import Column
from hermetic_rpm.target.model import Target
from hermetic_rpm.target.support import unsupported

PROVEN = {"demo-dnf4-x86_64": "end-to-end tests", "demo-dnf5-x86_64": "end-to-end tests"}
"""Which targets the project's own tests resolve and build for."""
NOT_RUN = "not run here"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A target file: its target, or None if it is not valid."""

    name: str
    path: str
    target: Target | None


def text(listed: tuple[Listed, ...], *, width: int) -> Iterator[str]:
    """A row for each target, fitted into ``width`` columns as far as names allow."""
    facts = [document_of(entry) for entry in listed]

    def cells(key: str) -> tuple[str, ...]:
        return tuple(str(fact[key]) for fact in facts)

    described = table.columns(
        Column(title="TARGET", cells=cells("name")),
        Column(title="DESCRIPTION", cells=cells("description"), shorten=True, spare=2),
        Column(title="ARCH", cells=cells("architecture"), spare=4),
        Column(title="MANAGER", cells=cells("package_manager"), spare=3),
        Column(title="IMAGE", cells=cells("image"), spare=5),
        Column(title="READY", cells=cells("image_ready"), spare=1),
        Column(title="RESOLVER", cells=cells("resolver")),
        Column(title="PROVEN", cells=cells("proven")),
    )
    shown, left_out = table.fit(described, width)
    yield from table.lines(shown)
    if left_out:
        yield ""
        yield f"not shown in {width} columns: {', '.join(title.lower() for title in left_out)}"


def document_of(listed: Listed) -> dict[str, Any]:
    """What the list says of a target, as plain data."""
    target = listed.target
    if target is None:
        unknown = dict.fromkeys(("description", "architecture", "package_manager", "image", "image_ready"), "-")
        return {"name": listed.name, "path": listed.path, **unknown, "resolver": "not valid", "proven": NOT_RUN}
    return {
        "name": listed.name,
        "path": listed.path,
        "description": target.description or "-",
        "architecture": target.architecture,
        "package_manager": target.package_manager,
        "image": target.image_reference,
        "image_ready": {True: "ready", False: "not ready", None: "-"}[target.image_ready],
        "resolver": _resolver(target),
        "proven": PROVEN.get(target.name, NOT_RUN),
    }


def _resolver(target: Target) -> str:
    found = [what.partition(" (")[0] for what in unsupported(target)]
    return f"not yet: {', '.join(found)}" if found else "yes"


def document(target: Target) -> dict[str, Any]:
    """Everything that a target means, defaults included, as plain data."""
    plain = dataclasses.asdict(target)
    plain["macros"] = dict(target.macros)
    plain["options"] = dict(target.options)
    for kind, repositories in (
        ("repositories", target.repositories),
        ("source_repositories", target.source_repositories),
    ):
        for entry, repository in zip(plain[kind], repositories, strict=True):
            entry["options"] = dict(repository.options)
    return {**_lists(plain), "not_supported_yet": list(unsupported(target))}


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value
