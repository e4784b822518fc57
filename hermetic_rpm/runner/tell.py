"""An error as people read it at the end of a command."""

from __future__ import annotations

from hermetic_rpm.errors import HermeticError
from hermetic_rpm.progress import Progress, printable


def tell(error: HermeticError, voice: Progress) -> None:
    """Last lines of the log, reason, stage, solution: what to do comes last, where people look."""
    for line in error.log_tail:
        voice.output(line)
    voice.error("\n".join(printable(line) for line in error.reason.splitlines()))
    for note in getattr(error, "__notes__", ()):
        voice.say(note)
    if error.solution:
        voice.say(f"what to do: {error.solution}")
