"""Chunks of a container's output as whole lines that are safe to print, and what a stage says in them."""

from __future__ import annotations

import json

from hermetic_rpm import bar
from hermetic_rpm.progress import JSON, Progress, human, printable

MAX_LINE_BYTES = 512 * 1024
"""Room for the longest line that a stage hands on, each character escaped in JSON."""


class LineSplitter:
    """Collects the chunks of one stream; a line without an end is handed on in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> tuple[str, ...]:
        """The lines that ``chunk`` completes."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            whole.append(self._rest)
            self._rest = b""
        return tuple(_text(line) for line in whole)

    def end(self) -> tuple[str, ...]:
        """What is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return (_text(rest),) if rest else ()


def _text(line: bytes) -> str:
    return printable(line.decode(errors="replace").removesuffix("\r"))


def show(lines: tuple[str, ...], voice: Progress) -> tuple[str, ...]:
    """Show what a stage printed as the user wants to see it; returns the lines that were shown."""
    if voice.log_format == JSON:
        voice.lines(lines)
        return lines
    heard = [understand(line) for line in lines]
    shown = tuple(found for found in heard if isinstance(found, str))
    voice.lines(shown)
    for found in heard:
        if not isinstance(found, str):
            voice.download(found[1], found[0])
    return shown


def understand(line: str) -> str | tuple[str, bar.State]:
    """A JSON line of a stage as a line for people, or as the stage and the state of its download.

    Any other line is handed back: not every program in a container is a stage of ours.
    """
    try:
        fields = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return line
    if not isinstance(fields, dict) or not all(
        isinstance(fields.get(key), str) for key in ("stage", "level", "message")
    ):
        return line
    stage = printable(fields["stage"])
    if fields["level"] == "progress" and (state := bar.parse(fields)) is not None:
        return stage, state
    return human(stage, fields["level"], fields["message"])
