"""A command whose stderr is a terminal, and what a user would see there."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
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
