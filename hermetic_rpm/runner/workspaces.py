"""Where results find the workspace, with ``lock/`` and ``repo/``, that they were built from."""

from __future__ import annotations

from pathlib import Path

from hermetic_rpm.archive.index import LOCK
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME

BESIDE = "workspace"
DEFAULT = f"the directory above RESULTS or {BESIDE}/ beside them, whichever has a lock"


def of(results: Path) -> Path | None:
    """The directory above results, or ``workspace/`` beside them, whichever has a lock; None if neither has.

    Whether they were built from that lock is for the caller to see.
    """
    above = results.absolute().parent
    return next((place for place in (above, above / BESIDE) if (place / LOCK / LOCKFILE_NAME).is_file()), None)


def named_or_of(workspace: Path | None, results: Path) -> Path:
    """The workspace that the caller named, or that of the results; where neither is, the directory above them."""
    return workspace or of(results) or results.absolute().parent
