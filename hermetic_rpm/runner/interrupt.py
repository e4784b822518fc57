"""Ctrl-C and SIGTERM as events that are read where it is safe.

A handler that raises would do so anywhere, in the middle of creating a container too.  Here it
only puts the signal where the runner looks for it, so that nothing is left behind, whenever and
however often the user presses Ctrl-C.
"""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from hermetic_rpm.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """Somebody wants the run to end."""

    why: str


class Events:
    """What happens while a run goes on: signals, and whatever a reader thread puts here."""

    def __init__(self) -> None:
        # SimpleQueue.put is reentrant: a signal handler may call it while the same thread reads.
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._stopped: Stopped | None = None
        self._followers: list[Events] = []

    def follower(self) -> Events:
        """Events of their own, which end too whenever these do."""
        other = Events()
        self._followers.append(other)
        if self._stopped is not None:  # somebody wanted that before anybody followed
            other.stop(self._stopped.why)
        return other

    def put(self, event: object) -> None:
        """Add an event; from any thread or signal handler."""
        self._queue.put(event)

    def take(self, timeout: float | None = None) -> object:
        """The next event; raises `Interrupted` once it shall end, `TimeoutError` after ``timeout`` seconds."""
        self.check()
        try:
            event = self._queue.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        self.check()
        return event

    @property
    def is_stopped(self) -> bool:
        """Whether somebody wants the run to end."""
        return self._stopped is not None

    def check(self) -> None:
        """Raise `Interrupted` if somebody wants the run to end."""
        if self._stopped is not None:
            raise Interrupted(self._stopped.why)

    def stop(self, why: str) -> None:
        """Let whoever reads these events end; from any thread or signal handler."""
        self._stopped = Stopped(why=why)
        self._queue.put(self._stopped)
        for other in self._followers:
            other.stop(why)

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal; this is the handler."""
        self.stop(f"The run was stopped by {signal.Signals(number).name}; its containers are removed.")


@contextlib.contextmanager
def listening() -> Iterator[Events]:
    """Events of a run; the signals' earlier handlers come back at the end.

    A signal that is ignored (``nohup``, a shell's background job) stays ignored.
    """
    events = Events()
    wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, events.receive) for number in wanted}
    try:
        yield events
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
