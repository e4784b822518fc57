"""A directory that appears whole or not at all: made hidden beside its place, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from hermetic_rpm import files
from hermetic_rpm.errors import OutputRefused

_HIDDEN = ".incomplete-"


@contextlib.contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A hidden directory on the file system of a path that is to be made, gone at the end, also where SIGTERM is it."""
    made = files.scratch_directory(beside.absolute().parent, _HIDDEN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with files.writing_errors(beside):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def refuse_taken(directory: Path) -> None:
    """Raise `OutputRefused` unless a directory can be given this name."""
    if not os.path.lexists(directory):
        return
    if directory.is_symlink() or not directory.is_dir() or any(directory.iterdir()):
        raise OutputRefused(
            f"{directory} is there already and not an empty directory.", solution="Name one that does not exist."
        )


def rename(made: Path, directory: Path) -> None:
    """Give a finished directory its name; raises `OutputRefused`."""
    try:
        made.replace(directory)
    except OSError as error:
        raise OutputRefused(
            f"{directory} cannot be made: {error.strerror}.", solution="Name a directory that does not exist."
        ) from error
