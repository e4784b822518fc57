"""How far a download is: counted by many threads, told as a line for people or an event for programs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hermetic_rpm.units import clock, size

RATE_SECONDS = 10.0
"""How far back the rate looks."""

WIDEST_BAR, NARROWEST_BAR = 40, 10
MAX_COUNT = 1 << 60
MAX_SECONDS_LEFT = 99 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is done of how much: files and bytes; ``rate`` in bytes a second.

    ``size_total`` is None where nobody knows it, ``rate`` where too little was seen.  After the
    ``last`` state of a download comes no other.
    """

    files: int
    files_total: int
    size: int
    size_total: int | None
    rate: int | None
    last: bool = False

    @property
    def fraction(self) -> float:
        """How much of it is done, from 0 to 1: of the bytes where their number is known, else of the files."""
        done, total = (self.files, self.files_total) if self.size_total is None else (self.size, self.size_total)
        return min(1.0, done / total) if total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """The time that is left at this rate; None where that is anyone's guess."""
        if self.size_total is None or not self.rate:
            return None
        seconds = max(0, self.size_total - self.size) / self.rate
        return seconds if seconds <= MAX_SECONDS_LEFT else None


class Meter:
    """Counts files and bytes; every method may be called from any thread."""

    def __init__(self, *, files: int, size: int | None, now: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._files = self._received = self._kept = 0
        self._files_total, self._size_total = files, size
        self._now = now
        self._started = now()
        self._seen = deque([(self._started, 0)])

    def received(self, count: int) -> None:
        """Count bytes that came; a negative number for what was thrown away."""
        with self._lock:
            self._received += count

    def kept(self, count: int) -> None:
        """Count bytes that were there already: they say nothing of the rate."""
        with self._lock:
            self._kept += count

    def file_done(self) -> None:
        """Count a file that is complete."""
        with self._lock:
            self._files += 1

    def read(self, *, last: bool = False) -> State:
        """The present state."""
        with self._lock:
            return State(
                files=self._files, files_total=self._files_total, size=max(0, self._received + self._kept),
                size_total=self._size_total, rate=self._mean() if last else self._rate(), last=last,
            )  # fmt: skip

    def _rate(self) -> int | None:
        """Bytes a second since the oldest reading that still counts."""
        now = self._now()
        self._seen.append((now, self._received))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        then, count = self._seen[0]
        return _per_second(self._received - count, now - then)

    def _mean(self) -> int | None:
        return _per_second(self._received, self._now() - self._started)


def _per_second(count: int, seconds: float) -> int | None:
    return max(0, round(count / seconds)) if seconds > 0 else None


@contextlib.contextmanager
def ticking(meter: Meter, show: Callable[[State], None], seconds: float) -> Iterator[None]:
    """Show the meter's state every so many seconds, and its last one at the end."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(seconds):
            show(meter.read())

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
        show(meter.read(last=True))


def sentence(state: State) -> str:
    """What is done of how much, how fast and, while it goes on, what time is left."""
    return ", ".join(_facts(state))


def _facts(state: State) -> tuple[str, ...]:
    rate = () if state.rate is None else (f"{size(state.rate)}/s",)
    left = () if state.seconds_left is None or state.last else (f"{clock(state.seconds_left)} left",)
    return (f"{state.files}/{state.files_total} files", _bytes(state), *rate, *left)


def _bytes(state: State) -> str:
    if state.size_total is None:
        return size(state.size)
    done, total = size(state.size), size(state.size_total)
    number, unit = done.split()
    return f"{number if total.endswith(f' {unit}') else done}/{total}"


def line(name: str, state: State, *, width: int) -> str:
    """The state as one line of at most ``width`` columns; what has no room is left out."""
    head = f"{name}: {int(state.fraction * 100):3} %"
    tail = ""
    for fact in _facts(state):
        longer = f"{tail}, {fact}" if tail else f" {fact}"
        if len(head) + len(longer) > width:
            break
        tail = longer
    room = min(width - len(head) - len(tail) - len(" []"), WIDEST_BAR)
    done = int(state.fraction * room)
    drawn = f" [{'#' * done}{'-' * (room - done)}]" if room >= NARROWEST_BAR else ""
    return f"{head}{drawn}{tail}"[:width]


def event(state: State) -> dict[str, Any]:
    """The state as the fields of a JSON line."""
    return asdict(state)


def parse(fields: dict[str, Any]) -> State | None:
    """The state that such fields tell; None if they are no such thing, as they may come from anywhere."""
    values = {name: fields.get(name) for name in State.__slots__}
    optional = ("size_total", "rate")
    for name in ("files", "files_total", "size", *optional):
        value = values[name]
        if value is None and name in optional:
            continue
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            return None
    return State(**values) if type(values["last"]) is bool else None  # type: ignore[arg-type]
