"""The one form that an archive has: pure.

A POSIX tar of regular files, in which nothing varies but names, sizes and contents.  So a reader
that knows name and size compares a header with the only right one, and parses nothing.
Source: POSIX.1-2001, pax interchange format.
"""

from __future__ import annotations

BLOCK = 512
END = bytes(2 * BLOCK)
"""What follows the last file."""

MODE = 0o644
_NAME_BYTES = 100
_LARGEST = 8**11 - 1
_SIZE = slice(124, 136)
_PLAIN, _PAX = b"0", b"x"


def header(name: str, size: int) -> bytes:
    """All that precedes the content of a file: a pax header where name or size need one, and its own."""
    records = b""
    if len(name) > _NAME_BYTES:
        records += _record("path", name)
    if size > _LARGEST:
        records += _record("size", str(size))
    own = _block(name, size if size <= _LARGEST else 0, _PLAIN)
    if not records:
        return own
    return _block("././@PaxHeader", len(records), _PAX) + records + padding(len(records)) + own


def padding(size: int) -> bytes:
    """The zeros between a content of ``size`` bytes and the next header."""
    return bytes(-size % BLOCK)


def size_of(block: bytes) -> int | None:
    """The size that a header of one block tells; None if that is no number.  The rest may be anything."""
    digits, end = block[_SIZE][:-1], block[_SIZE][-1:]
    return int(digits, 8) if end == b"\0" and digits and not digits.strip(b"01234567") else None


def _record(keyword: str, value: str) -> bytes:
    """``LENGTH keyword=value``, where the length counts its own digits."""
    rest = len(f" {keyword}={value}\n")
    length = rest + len(str(rest))
    if rest + len(str(length)) > length:
        length += 1
    return f"{length} {keyword}={value}\n".encode()


def _block(name: str, size: int, kind: bytes) -> bytes:
    """A ustar header with fixed mode, owner and time."""
    before = (
        name.encode("ascii")[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
        b"%07o\0" % MODE, b"%07o\0" % 0, b"%07o\0" % 0, b"%011o\0" % size, b"%011o\0" % 0,
    )  # fmt: skip
    after = (kind, bytes(100), b"ustar\x0000", bytes(64), b"%07o\0" % 0, b"%07o\0" % 0, bytes(167))
    blank = (*before, b" " * 8, *after)
    checksum = b"%06o\0 " % sum(b"".join(blank))
    return b"".join((*before, checksum, *after))
