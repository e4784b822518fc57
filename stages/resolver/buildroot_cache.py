"""The minimal buildroot, kept as an archive: the next resolve for the same repositories starts from it.

What completes a bootstrap image is kept the same way.  The key is the image's digest, the
target's file, its OpenPGP keys and the checksum of each repository's ``repomd.xml``: when one of
them changes, so does what is kept.  Package code never sees the archive; an archive (unlike a tree) belongs to
the user who ran the container.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import __version__
from hermetic_rpm import cache as cache_store
from hermetic_rpm.buildroot import archive
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import writing_errors
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Repository, Target
from stages.resolver import web
from stages.resolver.access import Access

KEPT = 6
MINIMAL, BOOTSTRAP = "minimal buildroot", "packages of the bootstrap"
MAX_REPOMD_BYTES = 4 << 20
TIMEOUT_SECONDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The place in the cache for one tree."""

    path: Path

    def restore(self, tree: Path, scratch: Path) -> bool:
        """Fill the empty ``tree``; False if there is no sound archive (a damaged one is removed)."""
        if not self.path.is_file():
            return False
        try:
            archive.extract(self.path, tree, scratch)
        except CommandFailed:
            self.path.unlink(missing_ok=True)
            shutil.rmtree(tree)
            tree.mkdir()
            return False
        with writing_errors(self.path), contextlib.suppress(FileNotFoundError):  # others drop archives too
            os.utime(self.path)
        return True

    def keep(self, tree: Path, scratch: Path) -> None:
        """Archive ``tree``, and drop the archives that were not used for longest."""
        with writing_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with cache_store.writing(self.path.parents[1]):
                self._archive(tree, scratch)
        entries = [entry for entry in os.scandir(self.path.parent) if entry.name.endswith(".tar")]
        ages: dict[str, float] = {}
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another resolver drops archives too
                ages[entry.path] = entry.stat().st_mtime
        for old in sorted(ages, key=ages.__getitem__, reverse=True)[KEPT:]:
            Path(old).unlink(missing_ok=True)

    def _archive(self, tree: Path, scratch: Path) -> None:
        waiting = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=cache_store.INCOMPLETE))
        try:
            archive.create(tree, waiting / "archive", scratch)
            with (waiting / "archive").open("rb") as stream:
                os.fsync(stream.fileno())
            (waiting / "archive").replace(self.path)
        finally:
            (waiting / "archive").unlink(missing_ok=True)
            waiting.rmdir()


def slot(
    cache: Path, target: Target, image: str, keys: tuple[Key, ...], access: Access, *, kind: str = MINIMAL
) -> Slot | None:  # fmt: skip
    """The slot of a kind for what the repositories offer now; None if one of them cannot be asked.

    ``image`` is the digest of the bootstrap image.
    """
    checksums = [repomd_checksum(repository, access) for repository in target.repositories]
    if None in checksums:
        return None
    trusted = [(key.name, key.sha256) for key in keys]
    identity = json.dumps((__version__, kind, image, target.sha256, trusted, checksums))
    return Slot(path=cache / "buildroots" / f"{hashlib.sha256(identity.encode()).hexdigest()}.tar")


def repomd_checksum(repository: Repository, access: Access) -> str | None:
    """The sha256 of a repository's metadata index as the first base URL that answers gives it.

    Whatever is wrong here the package manager will find too, and say it better.
    """
    for base in repository.baseurl:
        try:
            content = web.read(
                f"{base.rstrip('/')}/repodata/repomd.xml", limit=MAX_REPOMD_BYTES, seconds=TIMEOUT_SECONDS,
                opener=access.opener(repository),
            )  # fmt: skip
        except web.Unreadable:
            continue
        return hashlib.sha256(content).hexdigest()
    return None
