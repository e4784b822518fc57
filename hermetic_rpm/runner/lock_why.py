"""``lock why``: the chains of requirements that lead to a package, as text or JSON; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hermetic_rpm import near
from hermetic_rpm.errors import EdgesMissing, PackageNotLocked
from hermetic_rpm.lock.model import Lock, LockedRpm
from hermetic_rpm.lock.why import Chain, Origin, chains
from hermetic_rpm.progress import printable

Answer = tuple[LockedRpm, tuple[Chain, ...]]


def answers(lock: Lock, package: str) -> tuple[Answer, ...]:
    """A package (by name, name.arch or NEVRA; there may be several) and the chains that lead to it.

    Raises `PackageNotLocked` or `EdgesMissing`.
    """
    rpms = lock.lockfile.rpms
    rows = [i for i, rpm in enumerate(rpms) if package in (rpm.name, f"{rpm.name}.{rpm.arch}", rpm.nevra)]
    if not rows:
        hint = near.sentence(package, {rpm.name for rpm in rpms}, count=3)
        raise PackageNotLocked(f"The lock holds no package {package}.{hint}")
    if lock.sidecar is None or lock.sidecar.edges is None:
        raise EdgesMissing("The lock does not say which package requires which.")
    return tuple((rpms[row], chains(lock.sidecar, lock.sidecar.edges, row)) for row in rows)


def text(lock: Lock, found: tuple[Answer, ...]) -> Iterator[str]:
    """The lines for people: each requirement one step further in."""
    for index, (rpm, ways) in enumerate(found):
        if index:
            yield ""
        yield f"{rpm.nevra} is there for"
        for way in ways:
            yield f"  {_root(way)}"
            for depth, row in enumerate(way.rows, start=2):
                yield f"{'  ' * depth}{lock.lockfile.rpms[row].nevra}"
        if not ways:
            yield "  nothing that the lock knows: the package manager chose it"


def _root(way: Chain) -> str:
    what = "the minimal buildroot" if way.origin is Origin.BUILDROOT else way.origin.value
    return f"{what}: {printable(way.name)}"


def document(lock: Lock, found: tuple[Answer, ...]) -> dict[str, Any]:
    """The same for programs; ``path`` leads from what was asked for to the package."""
    packages = [
        {
            "package": rpm.nevra,
            "chains": [
                {
                    "origin": way.origin.value, "name": way.name,
                    "path": [lock.lockfile.rpms[row].nevra for row in way.rows],
                }
                for way in ways
            ],
        }
        for rpm, ways in found
    ]  # fmt: skip
    return {"packages": packages}
