"""The files of an archive, which may come from anybody: in order, exactly as its index says, or not at all.

The index is checked first.  From then on every byte that is no content is known in advance and
only compared: whatever a tar could say else (links, devices, other paths, sparse files, owners)
is an archive that differs.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive import tar
from hermetic_rpm.archive.index import INDEX_NAME, MAX_INDEX_BYTES, File, Index
from hermetic_rpm.errors import ArchiveInvalid
from hermetic_rpm.files import CHUNK_BYTES


def extract(stream: IO[bytes], directory: Path) -> Index:
    """Write the index and every file below ``directory`` (empty, nobody else's) and return the index.

    Memory stays constant, whatever the archive holds.  Raises `ArchiveInvalid`; what was
    written until then is for the caller to remove.
    """
    index = _index(stream, directory / INDEX_NAME)
    for file in index.files:
        _expect(stream, tar.header(file.path, file.size), f"{file.path} (a file of {file.size} bytes)")
        _extract(stream, file, directory / file.path)
        _expect(stream, tar.padding(file.size), f"the end of {file.path}")
    _expect(stream, tar.END, "the end of the archive")
    if stream.read(1):
        raise ArchiveInvalid("Something follows the end of the archive.")
    return index


def _index(stream: IO[bytes], path: Path) -> Index:
    first = _take(stream, tar.BLOCK, "its first header")
    size = tar.size_of(first)
    if size is None or first != tar.header(INDEX_NAME, size):
        raise ArchiveInvalid(
            f"This is no archive of hermetic-rpm: it does not begin with {INDEX_NAME}.",
            solution="Name a file that `hermetic-rpm pack` made; if it was compressed since, decompress it first.",
        )
    if size > MAX_INDEX_BYTES:
        raise ArchiveInvalid(f"{INDEX_NAME} is larger than {MAX_INDEX_BYTES >> 20} MiB.")
    content = _take(stream, size, INDEX_NAME)
    _expect(stream, tar.padding(size), f"the end of {INDEX_NAME}")
    index = index_file.parse(content)
    path.write_bytes(content)
    return index


def _extract(stream: IO[bytes], file: File, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), file.size
    with path.open("xb") as destination:
        while left:
            chunk = _take(stream, min(CHUNK_BYTES, left), file.path)
            digest.update(chunk)
            destination.write(chunk)
            left -= len(chunk)
        destination.flush()
        os.fsync(destination.fileno())
    if digest.hexdigest() != file.sha256:
        raise ArchiveInvalid(f"{file.path} has the sha256 {digest.hexdigest()}, but the index says {file.sha256}.")


def _expect(stream: IO[bytes], expected: bytes, what: str) -> None:
    if _take(stream, len(expected), what) != expected:
        raise ArchiveInvalid(f"The archive holds something else where {what} should be.")


def _take(stream: IO[bytes], count: int, what: str) -> bytes:
    found = stream.read(count)
    if len(found) != count:
        raise ArchiveInvalid(f"The archive is cut off within {what}.")
    return found
