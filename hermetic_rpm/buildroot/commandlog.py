"""A log file that holds every command of a stage and all that it printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hermetic_rpm.files import writing_errors
from hermetic_rpm.process import paste

MAX_LOG_BYTES = 1 << 30
"""Package code may print without end; past this its lines are dropped, and the log says so."""


@dataclass(kw_only=True, slots=True)
class CommandLog:
    """An open log; `line` is what commands are given as ``on_line``."""

    path: Path
    stream: IO[bytes]
    size: int = 0

    def command(self, argv: tuple[str, ...]) -> None:
        """Note a command that is about to run, so that it can be pasted."""
        self.line(f"$ {paste(argv)}")

    def line(self, text: str) -> None:
        """Add a line."""
        if self.size >= MAX_LOG_BYTES:
            return
        line = f"{text}\n".encode()
        self.size += len(line)
        if self.size >= MAX_LOG_BYTES:
            line = b"hermetic-rpm: this log is full, the rest is dropped\n"
        with writing_errors(self.path):
            self.stream.write(line)

    def state(self, text: str) -> None:
        """Add a line with the time, for logs that tell when."""
        self.line(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}")


@contextmanager
def open_log(path: Path) -> Iterator[CommandLog]:
    """A fresh log at ``path``, unbuffered: every line is there when it is read, and closing cannot fail."""
    with writing_errors(path):
        stream = path.open("wb", buffering=0)
    with stream:
        yield CommandLog(path=path, stream=stream)
