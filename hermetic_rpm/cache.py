"""The content-addressed cache that resolver and fetcher share: a file's name is its sha256.

An entry is believed only after it was hashed again.  Entries appear by rename or link, so
that a reader never meets half of one, whoever is killed when.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hermetic_rpm.files import CHUNK_BYTES, sha256_of, writing_errors


def entry(cache: Path, sha256: str) -> Path:
    """Where the file with that sha256 (hex) lies."""
    return cache / "sha256" / sha256[:2] / sha256


def lookup(cache: Path, sha256: str, size: int) -> Path | None:
    """The entry if it is there and sound; an unsound one is removed."""
    path = entry(cache, sha256)
    try:
        if path.stat().st_size == size and sha256_of(path) == sha256:
            return path
        path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return None


def add(cache: Path, source: Path, sha256: str) -> None:
    """Add a file known to have that sha256, as a link where the file system allows it."""
    path = entry(cache, sha256)
    if not path.exists():
        with writing_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        place(source, path)


def place(source: Path, destination: Path) -> None:
    """Give ``source`` the further name ``destination``: a hard link, or a copy that appears whole.

    What a link of it could change under us (a file that is not ours) is copied.
    """
    with writing_errors(destination):
        handle, name = tempfile.mkstemp(dir=destination.parent, prefix=".incomplete-")
        os.close(handle)
        temporary = Path(name)
        try:
            temporary.unlink()
            try:
                os.link(source, temporary)
            except OSError:
                with source.open("rb") as reader, temporary.open("xb") as writer:
                    shutil.copyfileobj(reader, writer, CHUNK_BYTES)
                    writer.flush()
                    os.fsync(writer.fileno())
                temporary.chmod(0o644)
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)
