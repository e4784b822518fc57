"""The content-addressed cache that resolver and fetcher share: a file's name is its sha256.

An entry is believed only after it was hashed again.  Entries appear by rename or link, so
that a reader never meets half of one, whoever is killed when.  Entries may vanish at any
moment (`hermetic_rpm.cache_upkeep`): who took one has it, by link or copy; who did not
fetches the file again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from hermetic_rpm.files import CHUNK_BYTES, sha256_of, writing_errors

ENTRIES = "sha256"
LOCK = ".lock"
INCOMPLETE = ".incomplete-"

FICLONE = 0x40049409
"""The ioctl of ioctl_ficlone(2), which the standard library does not name."""


def entry(cache: Path, sha256: str) -> Path:
    """Where the file with that sha256 (hex) lies."""
    return cache / ENTRIES / sha256[:2] / sha256


def lookup(cache: Path, sha256: str, size: int) -> Path | None:
    """The entry if it is there and sound; an unsound one is removed."""
    path = entry(cache, sha256)
    try:
        if path.stat().st_size == size and sha256_of(path) == sha256:
            mark_used(path)
            return path
        path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return None


def take(cache: Path, sha256: str, size: int, destination: Path) -> bool:
    """Give the entry the further name ``destination``; False if there is none, or none any more."""
    kept = lookup(cache, sha256, size)
    if kept is None:
        return False
    try:
        place(kept, destination)
    except FileNotFoundError:
        return False
    return True


def add(cache: Path, source: Path, sha256: str) -> None:
    """Add a file known to have that sha256, as a link where the file system allows it."""
    path = entry(cache, sha256)
    if not path.exists():
        with writing_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with writing(cache):
            place(source, path)
    mark_used(path)


def mark_used(path: Path) -> None:
    """Record that an entry was of use now, as its access time.

    Its modification time stays: the file may have other names, in repositories.  An entry that
    is somebody else's keeps its time; it is only forgotten sooner.
    """
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


@contextlib.contextmanager
def writing(cache: Path) -> Iterator[None]:
    """For whoever makes a file under a name with `INCOMPLETE` below ``cache``: it is not a leftover meanwhile.

    The kernel takes this lock from a process that dies, so that what is half-made while nobody
    holds it can have no living owner.
    """
    with writing_errors(cache / LOCK):
        lock = (cache / LOCK).open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def place(source: Path, destination: Path) -> None:
    """Give ``source`` the further name ``destination``: a hard link, or a copy that appears whole.

    The copy shares its blocks with ``source`` where the file system can do that.  What a link of
    it could change under us (a file that is not ours) is copied.  Raises FileNotFoundError if
    there is no ``source``.
    """
    with source.open("rb") as reader, writing_errors(destination):
        handle, name = tempfile.mkstemp(dir=destination.parent, prefix=INCOMPLETE)
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.unlink()
            try:
                os.link(source, temporary)
            except OSError:
                with temporary.open("xb") as writer:
                    _copy(reader, writer)
                    writer.flush()
                    os.fsync(writer.fileno())
                temporary.chmod(0o644)
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)


def _copy(reader: IO[bytes], writer: IO[bytes]) -> None:
    try:
        fcntl.ioctl(writer, FICLONE, reader.fileno())
    except OSError:  # another file system, or one that cannot
        shutil.copyfileobj(reader, writer, CHUNK_BYTES)
