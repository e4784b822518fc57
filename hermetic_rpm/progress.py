"""What a stage says while it works: lines on stderr, for people or as JSON lines.

Results go to stdout, progress to stderr.  A phase is timed; the timings end up in
``result.json``.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from hermetic_rpm.process import TAIL_LINES

HUMAN = "human"
JSON = "json"


@dataclass(kw_only=True, slots=True)
class Progress:
    """The voice of one stage and the record of its phases (seconds by phase, in order)."""

    stage: str
    log_format: str = HUMAN
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    timings: dict[str, float] = field(default_factory=dict)
    shown: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=TAIL_LINES))

    def say(self, message: str) -> None:
        """Tell a fact worth a line."""
        self._write("info", message)

    def warn(self, message: str) -> None:
        """Tell something the user should act upon, though the stage goes on."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """Tell why the stage ends."""
        self._write("error", message)

    def output(self, line: str) -> None:
        """Hand on one line that another program printed."""
        self.shown.append(line)
        self._write("output", line)

    def tail(self, lines: Sequence[str]) -> None:
        """Show the end of a log, unless these very lines were the last that were handed on."""
        if list(self.shown)[-len(lines) :] != list(lines):
            for line in lines:
                self.output(line)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what happens inside under ``name``."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = round(self.timings.get(name, 0.0) + time.monotonic() - started, 3)

    def _write(self, level: str, message: str) -> None:
        if self.log_format == JSON:
            line = json.dumps({"stage": self.stage, "level": level, "message": message}, ensure_ascii=False)
        else:
            line = self._human(level, message)
        with contextlib.suppress(BrokenPipeError):
            self.stream.write(line + "\n")
            self.stream.flush()

    def _human(self, level: str, message: str) -> str:
        if level == "output":
            return f"  | {printable(message)}"
        mark = {"info": "", "warning": "warning: ", "error": "error: "}[level]
        return f"{self.stage}: {mark}{printable(message)}"


def printable(text: str) -> str:
    """``text`` without control characters: package code must not steer the user's terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def colours_wanted(stream: TextIO) -> bool:
    """Whether the stream is a terminal whose user did not ask for ``NO_COLOR``."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
