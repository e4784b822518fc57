"""An archive from an index and the files that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive import tar
from hermetic_rpm.archive.index import INDEX_NAME, File, Index
from hermetic_rpm.errors import RepositoryAltered
from hermetic_rpm.files import CHUNK_BYTES


def write(stream: IO[bytes], index: Index, sources: Mapping[str, Path]) -> None:
    """Write the archive; raises `RepositoryAltered` for a source that is not what the index says (any more)."""
    content = index_file.render(index)
    stream.write(tar.header(INDEX_NAME, len(content)) + content + tar.padding(len(content)))
    for file in index.files:
        stream.write(tar.header(file.path, file.size))
        _copy(sources[file.path], file, stream)
        stream.write(tar.padding(file.size))
    stream.write(tar.END)


def _copy(path: Path, file: File, stream: IO[bytes]) -> None:
    digest, left = hashlib.sha256(), file.size
    with path.open("rb") as source:
        while chunk := source.read(min(CHUNK_BYTES, left)):
            digest.update(chunk)
            stream.write(chunk)
            left -= len(chunk)
        if left or source.read(1) or digest.hexdigest() != file.sha256:
            raise RepositoryAltered(f"{path} changed while it was packed.", solution="Pack again.")
