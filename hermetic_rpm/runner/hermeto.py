"""Hermeto's ``rpms.lock.yaml``, version 1: a lock written as one, and its packages read from one; pure.

The format is that of Hermeto's documentation, "RPM lockfile format"; ``name`` and ``evr`` are
what its usual generator adds.
"""

from __future__ import annotations

from dataclasses import dataclass

from hermetic_rpm.document import Document, checked, parse_yaml, yaml_text
from hermetic_rpm.errors import ChecksumsMissing, LockInvalid
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.runner.lock_facts import evr


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A package of an ``rpms.lock.yaml``; ``size`` is None where nobody recorded it, ``place`` is for messages."""

    url: str
    sha256: str
    size: int | None
    place: str


def export(lock: Lock) -> str:
    """The lock as an ``rpms.lock.yaml`` of one architecture, by URL; raises `ChecksumsMissing`."""
    packages = [_package(package) for package in sorted(lock.packages, key=lambda package: package.rpm.url)]
    arch = {"arch": lock.lockfile.config.target_arch, "packages": packages, "source": [], "module_metadata": []}
    return yaml_text({"lockfileVersion": 1, "lockfileVendor": "redhat", "arches": [arch]})


def _package(package: Package) -> dict[str, str | int]:
    rpm, source = package.rpm, package.source
    if source is None:
        raise ChecksumsMissing("The lock has no sidecar, so that nobody knows a sha256 to write for Hermeto.")
    return {
        "url": rpm.url,
        "repoid": source.repository,
        "size": source.size,
        "checksum": f"sha256:{source.sha256}",
        "name": rpm.name,
        "evr": evr(rpm),
    }


def parse(content: bytes, name: str, architecture: str) -> tuple[Entry, ...]:
    """The packages for an architecture; raises `LockInvalid` with every problem and its line."""
    document = parse_yaml(content, name, LockInvalid, foreign=True)
    arches = checked(document, "rpms-lock", LockInvalid)["arches"]
    wanted = [index for index, entry in enumerate(arches) if entry["arch"] == architecture]
    if len(wanted) != 1:
        found = ", ".join(sorted({entry["arch"] for entry in arches}))
        count = "no" if not wanted else "more than one"
        raise LockInvalid(
            f"{name} has {count} list of packages for {architecture} (there is {found}).",
            solution="Choose a target of an architecture that the file has.",
        )
    entries = tuple(_entries(document, wanted[0]))
    if not entries:
        raise LockInvalid(f"{name} has no packages for {architecture}.")
    return entries


def _entries(document: Document, arch: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            url=row["url"], sha256=row["checksum"].removeprefix("sha256:"), size=row.get("size"),
            place=document.place(("arches", arch, "packages", index)),
        )
        for index, row in enumerate(document.data["arches"][arch].get("packages", ()))
    )  # fmt: skip
