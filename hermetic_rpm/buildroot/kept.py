"""The buildroot of a failed build, kept on request for a shell in it.

A build describes its buildroot once package code can run there; a failed one becomes ``kept``
by renaming its whole directory, so that no half of one has that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import __version__, document, files
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.errors import KeptUnusable, OutputRefused

KEPT, RECORD, BUILDROOT, INPUTS = "kept", "kept.json", "buildroot", "inputs"
SCHEMA_VERSION = "1.0.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A kept buildroot, and what its rpmbuild ran with."""

    root: Path
    inputs: Path
    spec: str
    architecture: str
    source_date: int | None
    options: tuple[str, ...]
    limits: tuple[tuple[str, int], ...]


def refuse_taken(scratch: Path) -> None:
    """Raise `OutputRefused` where an earlier build kept its buildroot: somebody may be at work in it."""
    if (scratch / KEPT).exists():
        raise OutputRefused(
            f"{scratch / KEPT} is there already.",
            solution="Remove it (`hermetic-rpm shell --remove`), or name another.",
        )


def is_kept(scratch: Path) -> bool:
    """Whether there is a kept buildroot below a directory, and not another user's."""
    try:
        return (scratch / KEPT / RECORD).is_file()
    except PermissionError:
        return False


def describe(package: PackageRoom, spec: str) -> None:
    """Note beside the buildroot what a shell in it needs to be like its rpmbuild."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "spec": spec,
        "architecture": package.architecture,
        "source_date": package.source_date,
        "options": list(package.options),
        "limits": dict(package.limits),
    }
    files.write_atomically(package.root.with_name(RECORD), files.canonical_json(record))


def keep(build: Path) -> Path | None:
    """Give the directory of a build its name as a kept one, or None if it came not as far as its rpmbuild."""
    if not (build / RECORD).is_file():
        return None
    with files.writing_errors(build):
        return build.rename(build.with_name(KEPT))


def load(scratch: Path) -> Kept:
    """The buildroot that was kept below ``scratch``; raises `KeptUnusable`."""
    path = scratch / KEPT / RECORD
    record = document.parse_json(document.read_bytes(path, KeptUnusable), str(path), KeptUnusable)
    found = document.problems(record, "kept")
    root = scratch / KEPT / BUILDROOT
    if found or not root.is_dir():
        raise KeptUnusable("\n".join(found) or f"{root} is missing.")
    return Kept(
        root=root,
        inputs=scratch / KEPT / INPUTS,
        spec=record.data["spec"],
        architecture=record.data["architecture"],
        source_date=record.data["source_date"],
        options=tuple(record.data["options"]),
        limits=tuple(record.data["limits"].items()),
    )
