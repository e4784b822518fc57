"""Small files of the network, read whole: the resolver's adapter of urllib."""

from __future__ import annotations

import http.client
import time
import urllib.request

from hermetic_rpm import __version__

PIECE_BYTES = 1 << 16
AGENT = f"hermetic-rpm/{__version__}"


class Unreadable(Exception):
    """An address gives no answer, or too long a one; the text says why."""


def read(
    url: str, *, limit: int, seconds: float, opener: urllib.request.OpenerDirector | None = None
) -> bytes:  # fmt: skip
    """The bytes (``limit`` at most) at an http, https, ftp or file address; raises `Unreadable`.

    ``opener`` says how the address is reached, if in another way than by itself.
    """
    end = time.monotonic() + seconds
    content = bytearray()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": AGENT})  # noqa: S310 - schema and mirrors.MIRROR
        open_ = urllib.request.urlopen if opener is None else opener.open
        with open_(request, timeout=seconds) as answer:
            while piece := answer.read1(PIECE_BYTES):
                content += piece
                if len(content) > limit:
                    raise Unreadable(f"more than {limit} bytes")
                if time.monotonic() > end:
                    raise Unreadable(f"not complete after {seconds:g} seconds")
            missing = getattr(answer, "length", None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreadable(str(error) or type(error).__name__) from error
    if missing:
        raise Unreadable(f"the last {missing} bytes are missing")
    return bytes(content)
