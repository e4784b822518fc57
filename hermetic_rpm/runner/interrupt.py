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
class Signalled:
    """Somebody wants the run to end."""

    name: str


class Events:
    """What happens while a run goes on: signals, and whatever a reader thread puts here."""

    def __init__(self) -> None:
        # SimpleQueue.put is reentrant: a signal handler may call it while the same thread reads.
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._signal: Signalled | None = None

    def put(self, event: object) -> None:
        """Add an event; from any thread or signal handler."""
        self._queue.put(event)

    def take(self, timeout: float | None = None) -> object:
        """The next event; raises `Interrupted` for a signal, `TimeoutError` after ``timeout`` seconds."""
        self.check()
        try:
            event = self._queue.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        self.check()
        return event

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self._signal is not None:
            raise Interrupted(f"The run was stopped by {self._signal.name}; its containers are removed.")

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal; this is the handler."""
        self._signal = Signalled(name=signal.Signals(number).name)
        self._queue.put(self._signal)


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
