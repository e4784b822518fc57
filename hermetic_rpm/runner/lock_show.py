"""``lock show``: the packages of a lock as a table, and their totals; pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from hermetic_rpm.lock import options
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.progress import printable
from hermetic_rpm.runner import table
from hermetic_rpm.runner.lock_facts import as_json, evr, key, key_id
from hermetic_rpm.runner.table import Column
from hermetic_rpm.units import size


def by_name(lock: Lock) -> tuple[Package, ...]:
    """The packages in the order of their names (the lockfile's own is that of rpm's raw lines)."""
    return tuple(sorted(lock.packages, key=lambda package: (package.rpm.name, package.rpm.arch, package.rpm.nevra)))


def text(lock: Lock, *, width: int) -> Iterator[str]:
    """The lines for people, fitted into ``width`` columns as far as names and versions allow."""
    packages = by_name(lock)
    shown, left_out = table.fit(_columns(packages), width)
    yield from table.lines(shown)
    yield ""
    yield from _totals(lock)
    if left_out:
        yield f"not shown in {width} columns: {', '.join(title.lower() for title in left_out)}"


def _columns(packages: tuple[Package, ...]) -> tuple[Column, ...]:
    def cell(value: object) -> str:
        return "-" if value is None else str(value)

    sources = [package.source for package in packages]
    repositories = tuple(cell(source and source.repository) for source in sources)
    keys = tuple(map(key_id, packages))
    described = (
        Column(title="PACKAGE", cells=tuple(package.rpm.name for package in packages)),
        Column(title="VERSION", cells=tuple(evr(package.rpm) for package in packages)),
        Column(title="ARCH", cells=tuple(package.rpm.arch for package in packages), spare=1),
        Column(title="SIZE", cells=tuple(cell(source and size(source.size)) for source in sources), right=True),
        Column(title="LICENCE", cells=tuple(package.rpm.license for package in packages), shorten=True, spare=4),
        # What is the same in every row stands in the totals too.
        Column(title="REPOSITORY", cells=repositories, spare=6 if len(set(repositories)) == 1 else 3),
        Column(title="KEY", cells=keys, spare=5 if len(set(keys)) == 1 else 2),
    )
    return table.columns(*described)


def _totals(lock: Lock) -> Iterator[str]:
    facts = totals(lock)
    count = facts["packages"]
    parts = [f"{count} package{'' if count == 1 else 's'}"]
    if facts["size"] is not None:
        parts.append(size(facts["size"]))
        parts.append(_counted("repository", "repositories", facts["repositories"]))
    parts.append(_counted("key", "keys", sorted({found[-16:] for found in facts["keys"]})))
    if facts["unsigned"]:
        parts.append(f"not signed: {facts['unsigned']}")
    yield "; ".join(parts)
    if lock.bootstrap_packages:
        yield f"for the bootstrap image: {facts['bootstrap_packages']} more, {size(facts['bootstrap_size'])}"
    if lock.sidecar is not None:
        yield f"for {printable(lock.sidecar.srpm.name)} on {printable(lock.sidecar.target.name)}"
        if given := options.command_line(lock.sidecar.build_options):
            yield f"with the options {printable(shlex.join(given))}"
    else:
        yield "no sidecar: sizes, repositories and fingerprints are not known"


def _counted(one: str, many: str, names: list[str]) -> str:
    return f"{one} {printable(names[0])}" if len(names) == 1 else f"{len(names)} {many}"


def totals(lock: Lock) -> dict[str, Any]:
    """The totals; the size is None where there is no sidecar."""
    sources = [package.source for package in lock.packages if package.source is not None]
    keys = [key(package) for package in lock.packages]
    return {
        "packages": len(lock.packages),
        "size": sum(source.size for source in sources) if lock.sidecar is not None else None,
        "repositories": sorted({source.repository for source in sources}),
        "keys": sorted({found for found in keys if found is not None}),
        "unsigned": keys.count(None),
        "bootstrap_packages": len(lock.bootstrap_packages),
        "bootstrap_size": sum(package.source.size for package in lock.bootstrap_packages if package.source is not None),
    }


def document(lock: Lock) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "lockfile_sha256": lock.lockfile_sha256,
        "sidecar_sha256": lock.sidecar_sha256,
        "packages": [as_json(package) for package in by_name(lock)],
        "bootstrap_packages": [as_json(package) for package in lock.bootstrap_packages],
        "build_options": [] if lock.sidecar is None else options.command_line(lock.sidecar.build_options),
        "totals": totals(lock),
    }
