"""A command whose stderr is a terminal, and what a user would see there; and one that a user types into."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.progress import CLEAR


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """How it ended, and all that was written to the terminal."""

    code: int
    written: str

    @property
    def screen(self) -> list[str]:
        """The lines that are left on the terminal."""
        return [line.rpartition(CLEAR)[2] for line in self.written.split("\n")]

    @property
    def drawn(self) -> list[str]:
        """The lines that were drawn and taken away again."""
        return [text for line in self.written.split("\n") for text in line.split(CLEAR)[:-1] if text]


def run(command: Sequence[str], *, cwd: Path, term: str = "xterm", env: Mapping[str, str] | None = None) -> Seen:
    """Run a command to its end on a terminal of 80 columns."""
    controller, terminal = pty.openpty()
    environment = {**(os.environ if env is None else env), "TERM": term}
    with subprocess.Popen(command, cwd=cwd, stderr=terminal, stdout=subprocess.DEVNULL, env=environment) as child:
        os.close(terminal)
        written = bytearray()
        try:
            while piece := os.read(controller, 65536):
                written += piece
        except OSError:  # how a terminal says that nobody is left on its other side
            pass
    os.close(controller)
    return Seen(code=child.returncode, written=written.decode().replace("\r\n", "\n"))


PATIENCE_SECONDS = 120
"""How long to wait for what must come, before a test fails that would else hang."""


@dataclass(kw_only=True)
class Session:
    """A command that has a terminal for its own, as one started by hand has, and the user's side of it."""

    child: subprocess.Popen[bytes]
    controller: int
    written: str = ""

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self.controller, text.encode())

    def see(self, text: str) -> str:
        """Wait until something appears; returns what came until then, and forgets it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.written:
            readable, _, _ = select.select([self.controller], [], [], deadline - time.monotonic())
            assert readable, f"{text!r} did not come: {self.written!r}"
            try:
                self.written += os.read(self.controller, 65536).decode(errors="replace").replace("\r", "")
            except OSError:
                raise AssertionError(f"{text!r} did not come before the end: {self.written!r}") from None
        before, _, self.written = self.written.partition(text)
        return before

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        termios.tcsetwinsize(self.controller, (rows, columns))

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.controller)
        self.controller = -1

    def end(self) -> int:
        """Wait for the command; its exit status."""
        return self.child.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def session(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], rows: int = 24, columns: int = 80
) -> Iterator[Session]:
    """Start a command on a terminal of its own."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(controller, (rows, columns))
    child = subprocess.Popen(
        ["setsid", "--ctty", *command], cwd=cwd, env={**env, "TERM": "xterm"}, stdin=terminal, stdout=terminal,
        stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    made = Session(child=child, controller=controller)
    try:
        yield made
    finally:
        if made.controller >= 0:
            made.hang_up()
        if child.poll() is None:
            child.kill()
            child.wait()
