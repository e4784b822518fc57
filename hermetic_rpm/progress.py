"""What a stage says while it works: lines on stderr, for people or as JSON lines.

Results go to stdout, progress to stderr.  A phase is timed; the timings end up in
``result.json``.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from hermetic_rpm import bar, process
from hermetic_rpm.process import TAIL_LINES

HUMAN = "human"
JSON = "json"

CLEAR = "\r\x1b[K"
"""Takes a terminal's last line away."""

_MARKED = re.compile(r"^([\w-]+: )(warning|error):")
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"

DRAWN_EVERY, EVENT_EVERY = 0.2, 1.0
SAID_EVERY_SECONDS, SAID_EVERY_FRACTION = 15.0, 0.1
"""How seldom a download is spoken of where nobody watches a bar: both must have passed."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """The voice of one stage and the record of its phases: seconds, and the bytes of the largest process.

    Lines and the bar of a download may come from several threads: they do not mix.  Of a ``package``
    among others every line names it, and there is no bar.
    """

    stage: str
    log_format: str = HUMAN
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    timings: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    shown: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=TAIL_LINES))
    clock: Callable[[], float] = time.monotonic
    package: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _bar: str = field(default="", init=False)
    _said: tuple[float, float] | None = field(default=None, init=False)

    def of_package(self, package: str | None) -> Progress:
        """A voice with timings of its own whose lines name a package; they do not mix with those of others."""
        other = Progress(
            stage=self.stage, log_format=self.log_format, stream=self.stream, clock=self.clock, package=package
        )
        other._lock = self._lock
        return other

    def say(self, message: str) -> None:
        """Tell a fact worth a line."""
        self._write("info", message)

    def warn(self, message: str) -> None:
        """Tell something the user should act upon, though the stage goes on."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """Tell why the stage ends; several lines stay several."""
        first, *rest = [message] if self.log_format == JSON else message.split("\n")
        self._write("error", first)
        self.lines(map(printable, rest))

    def skipped(self, stage: str, why: str) -> None:
        """Tell that another stage is not run, and why."""
        self.lines((_json(stage, "skipped", why) if self.log_format == JSON else human(stage, "skipped", why),))

    def output(self, line: str) -> None:
        """Hand on one line that another program printed."""
        self.shown.append(line)
        self._write("output", line)

    def tail(self, lines: Sequence[str]) -> None:
        """Show the end of a log, unless these very lines were the last that were handed on."""
        if list(self.shown)[-len(lines) :] != list(lines):
            for line in lines:
                self.output(line)

    def lines(self, lines: Iterable[str]) -> None:
        """Show whole lines as they are: another program wrote them for people, or as JSON."""
        named = lines if self.package is None else (self._named(line, self.package) for line in lines)
        self._show("".join(f"{self._coloured(line)}\n" for line in named))

    def event(self, level: str, message: str, **more: object) -> None:
        """Tell something to programs, with further fields."""
        self.lines((_json(self.stage, level, message, **more),))

    def _named(self, line: str, package: str) -> str:
        if self.log_format != JSON:
            return f"{package}: {line}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        said = fields if isinstance(fields, dict) else {"stage": self.stage, "level": "output", "message": line}
        return json.dumps({**said, "package": package}, ensure_ascii=False)

    @contextlib.contextmanager
    def metered(self, meter: bar.Meter) -> Iterator[None]:
        """Show how far a download is while it goes on inside."""
        with bar.ticking(meter, self.download, DRAWN_EVERY if self._live else EVENT_EVERY):
            yield

    def download(self, state: bar.State, stage: str | None = None) -> None:
        """Show a state of a download: as a bar, as JSON, or as a line from time to time and at its end."""
        name = stage or self.stage
        if not state.files_total:
            return
        if self.log_format == JSON:
            self.lines((_json(name, "progress", bar.sentence(state), **bar.event(state)),))
        elif self._live and not state.last:
            self._draw(bar.line(name, state, width=self._width() - 1))
        elif self._worth_saying(state):
            self.clear()
            self.lines((f"{name}: {bar.sentence(state)}",))

    def clear(self) -> None:
        """Take away the bar of a download that did not come to its end."""
        self._draw("")

    @property
    def _live(self) -> bool:
        return (
            self.package is None
            and self.log_format == HUMAN
            and self.stream.isatty()
            and os.environ.get("TERM", "dumb") != "dumb"
        )

    def _coloured(self, line: str) -> str:
        """A warning or error stands out on a terminal, unless the user wants no colours (https://no-color.org)."""
        if not self._live or os.environ.get("NO_COLOR"):
            return line
        return _MARKED.sub(lambda found: f"{found[1]}{_COLOURS[found[2]]}{found[2]}:{_PLAIN}", line)

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            return 80

    def _worth_saying(self, state: bar.State) -> bool:
        now = self.clock()
        then, fraction = self._said or (now, state.fraction)
        due = now - then >= SAID_EVERY_SECONDS and state.fraction - fraction >= SAID_EVERY_FRACTION
        self._said = None if state.last else (now, state.fraction) if due else (then, fraction)
        return due or state.last

    def _draw(self, text: str) -> None:
        with self._lock:
            if text or self._bar:
                self._put(CLEAR + text)
            self._bar = text

    def _show(self, text: str) -> None:
        """Write lines above the bar, if there is one."""
        with self._lock:
            self._put(f"{CLEAR}{text}{self._bar}" if self._bar else text)

    def _put(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stream.write(text)
            self.stream.flush()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record under ``name`` how long it takes what happens inside, and its largest process.

        That is a command that ended in it, or the stage itself with its peak until then.
        """
        started = time.monotonic()
        process.largest_process()
        try:
            yield
        finally:
            self.timings[name] = round(self.timings.get(name, 0.0) + time.monotonic() - started, 3)
            own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
            self.peaks[name] = max(self.peaks.get(name, 0), process.largest_process(), own)

    def _write(self, level: str, message: str) -> None:
        self.lines(
            (_json(self.stage, level, message) if self.log_format == JSON else human(self.stage, level, message),)
        )


def human(stage: str, level: str, message: str) -> str:
    """What a stage says, as one line for people."""
    if level == "output":
        return f"  | {printable(message)}"
    mark = {"warning": "warning: ", "error": "error: "}.get(level, "")
    return f"{stage}: {mark}{printable(message)}"


def _json(stage: str, level: str, message: str, **more: object) -> str:
    return json.dumps({"stage": stage, "level": level, "message": message, **more}, ensure_ascii=False)


def printable(text: str) -> str:
    """``text`` without control characters: package code must not steer the user's terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
