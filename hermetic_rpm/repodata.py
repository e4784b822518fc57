"""The metadata of a repository (offline, or of what was built), made by createrepo_c in a subprocess with limits.

gzip, since old versions of dnf read nothing newer; the same packages give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import writing_errors
from hermetic_rpm.lock.offline import METADATA_KINDS, REPODATA

WORKER = Path(__file__).with_name("repodata_worker.py")
INCOMPLETE = ".incomplete-repodata"


def content_tag(identity: str) -> str:
    """How the index tells what it was made from."""
    return f"<content>{identity}</content>"


def write(
    repository: Path, names: tuple[str, ...], *, identity: str = "", more: Mapping[str, Path] | None = None
) -> None:
    """Make ``repodata/`` for the packages ``names`` (sorted), replacing the one that was there.

    ``identity`` is kept as a tag of the index; ``more`` are files to describe by their kind.
    """
    fresh = repository / INCOMPLETE
    with writing_errors(repository):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
    request = {
        "repository": str(repository), "destination": str(fresh), "names": names, "identity": identity,
        "more": {kind: (str(path), f"{METADATA_KINDS[kind]}.gz") for kind, path in (more or {}).items()},
    }  # fmt: skip
    done = process.run_worker(WORKER, request)
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise CommandFailed("createrepo_c cannot describe the packages.", log_tail=done.tail)
    with writing_errors(repository):
        shutil.rmtree(repository / REPODATA, ignore_errors=True)
        (fresh / REPODATA).replace(repository / REPODATA)
        fresh.rmdir()
