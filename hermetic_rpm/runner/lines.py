"""Chunks of a container's output as whole lines that are safe to print."""

from __future__ import annotations

from hermetic_rpm.progress import printable

MAX_LINE_BYTES = 64 * 1024


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
