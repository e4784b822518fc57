"""A command in a sandbox on a terminal of its own, between which and ours the bytes are carried.

The command never holds the terminal that the stage was given: what it pushes into the input of
its own (TIOCSTI) is read by nobody but itself, and Ctrl-C is a signal on its side only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from dataclasses import replace

from hermetic_rpm.buildroot import sandbox
from hermetic_rpm.buildroot.sandbox import Outcome, Sandbox

STDIN, STDOUT = 0, 1
CHUNK_BYTES = 64 * 1024


def is_given() -> bool:
    """Whether somebody sits before our standard input and output."""
    return os.isatty(STDIN) and os.isatty(STDOUT)


def run(room: Sandbox, argv: tuple[str, ...]) -> Outcome:
    """Run ``argv`` with job control, and the size of our terminal, until it has ended or ours is gone."""
    ours, theirs = os.openpty()
    with _raw(STDIN), _same_size(ours):

        def carry() -> None:
            os.close(theirs)
            try:
                _carry(ours)
            finally:
                os.close(ours)  # whoever is left on the other side is hung up

        return sandbox.attach(replace(room, stdin=sandbox.TERMINAL), argv, (theirs, theirs, theirs), carry)


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Every key as a byte while the inside lasts."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal, termios.TCSANOW)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)


@contextlib.contextmanager
def _same_size(ours: int) -> Iterator[None]:
    """Give a terminal the size of standard input, now and whenever that changes."""

    def resize(_number: int, _frame: object) -> None:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetwinsize(ours, termios.tcgetwinsize(STDIN))

    resize(0, None)
    before = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _carry(ours: int) -> None:
    """Carry bytes both ways until either side is gone; what is typed waits while the command does not read."""
    typed = b""
    os.set_blocking(ours, False)
    while True:
        wanted = [ours] if typed else [STDIN, ours]
        readable, writable, _ = select.select(wanted, [ours] if typed else [], [])
        if writable:
            typed = typed[os.write(ours, typed) :]
        if ours in readable:
            printed = _read(ours)
            if not printed:
                return
            _write_all(printed)
        if STDIN in readable:
            typed = _read(STDIN)
            if not typed:
                return


def _read(handle: int) -> bytes:
    """What there is to read; nothing once the other side of a terminal is gone."""
    try:
        return os.read(handle, CHUNK_BYTES)
    except OSError:
        return b""


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(STDOUT, data) :]
