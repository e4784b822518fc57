"""Files that appear whole or not at all, and the checksums of others."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hermetic_rpm.errors import DiskFull, OutputRefused

CHUNK_BYTES = 1 << 20
NEARLY_NOTHING = 1 << 20
NO_SPACE = re.compile(r"(?i)no space left on device|disk quota exceeded|more space needed on the|disk requirements"
                      r"|installing package \S+ needs .* on the")  # fmt: skip
"""What dnf, rpm and everybody else say when a disk is full."""

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^:%{}@=,-]{0,250}")


def is_safe_name(name: str) -> bool:
    """Whether ``name`` may become a file name: no separator, no leading dot, no odd character."""
    return SAFE_NAME.fullmatch(name) is not None


def sha256_of(path: Path) -> str:
    """The sha256 of a file as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_file_with(path: Path, sha256: str) -> bool:
    """Whether there is a regular file (and no link to one) with that sha256 (hex)."""
    return path.is_file() and not path.is_symlink() and sha256_of(path) == sha256


def write_atomically(path: Path, content: bytes | str) -> None:
    """Give ``content`` the name ``path``, replacing what was there, only once it is on the disk."""
    with atomic_writer(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A binary stream whose content becomes ``path`` at the end, and vanishes on any error."""
    with writing_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".incomplete-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def begin_to_sync(stream: IO[bytes]) -> None:
    """Let the system write a file to the disk from now on, so that `sync` waits for little."""
    stream.flush()
    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync(paths: Iterable[Path]) -> None:
    """Wait until the files are on the disk: sooner done for many at the end than for each when it is written."""
    for path in paths:
        with writing_errors(path), path.open("rb") as stream:
            os.fsync(stream.fileno())


@contextlib.contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Translate what a file system says of a full disk or a read-only mount."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"No space left for {path}.") from error
        if error.errno == errno.ENOTDIR:
            raise OutputRefused(f"{path} cannot be written: a file is in its place or above it.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOENT):
            raise OutputRefused(f"{path} cannot be written: {error.strerror}.") from error
        raise


def check_space(directory: Path, tail: tuple[str, ...]) -> None:
    """Raise `DiskFull` if a command failed for want of space: its last lines say so, or ``directory`` has none left."""
    volume = os.statvfs(directory)
    if any(NO_SPACE.search(line) for line in tail) or volume.f_bavail * volume.f_frsize < NEARLY_NOTHING:
        raise DiskFull(f"No space left in {directory}.", log_tail=tail)


def scratch_directory(parent: Path, prefix: str) -> Path:
    """A fresh directory below ``parent``; raises `OutputRefused` if there is no such directory."""
    with writing_errors(parent):
        return Path(tempfile.mkdtemp(dir=parent, prefix=prefix))


def open_inside(root: Path, relative: str) -> int:
    """A file descriptor of ``relative`` below ``root``, no link on the way followed.

    For trees that package code wrote: any component may be a link to elsewhere, the file a
    pipe.  Raises OSError; the caller closes the descriptor.
    """
    *parents, name = PurePosixPath(relative).parts
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parents:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = deeper
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)


def names_inside(root: Path, relative: str) -> tuple[str, ...]:
    """The names in directory ``relative`` below ``root``, sorted; none if it is no directory."""
    try:
        handle = open_inside(root, relative)
    except OSError:
        return ()
    try:
        return tuple(sorted(os.listdir(handle))) if stat.S_ISDIR(os.fstat(handle).st_mode) else ()  # noqa: PTH208
    finally:
        os.close(handle)


def is_directory_inside(root: Path, relative: str) -> bool:
    """Whether ``relative`` below ``root`` is a directory that no link hides."""
    try:
        handle = open_inside(root, relative)
    except OSError:
        return False
    try:
        return stat.S_ISDIR(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def copy_out(root: Path, relative: str, destination: Path) -> None:
    """Copy the regular file ``relative`` below ``root`` to ``destination``, whole or not at all.

    Raises OSError if it is no regular file or hidden behind a link.
    """
    with os.fdopen(open_inside(root, relative), "rb") as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise OSError(errno.EINVAL, f"{relative} is not a regular file")
        with atomic_writer(destination) as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)


def canonical_json(document: Any) -> str:
    """The bytes Mock would write for a document: sorted keys, four spaces, a newline."""
    return json.dumps(document, indent=4, sort_keys=True) + "\n"
