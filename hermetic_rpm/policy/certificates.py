"""The fingerprints in an OpenPGP key file (RFC 9580, 4 and 5.5): pure.

No signature is checked here: a key file that holds any key beside those the policy names is refused
as a whole, so that whatever verifies against the file was signed by one of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from hermetic_rpm.policy.model import Certificate

PUBLIC_KEYS = (6, 14)
OTHERS = (2, 10, 12, 13, 17, 21)
"""Signature, marker, trust, user id, user attribute, padding: what may stand beside keys."""

BLOCK = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?P<body>.*?)^-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL | re.MULTILINE,
)
ARMOUR_HEADER = re.compile(rb"[A-Za-z]+: ")


def read(path: str, content: bytes) -> Certificate:
    """The fingerprints of all keys and subkeys in a key file, or what is wrong with it."""
    try:
        found = tuple(dict.fromkeys(key for block in _blocks(content) for key in _fingerprints(block)))
    except (ValueError, IndexError, binascii.Error) as error:
        return Certificate(path=path, fingerprints=(), problem=str(error))
    return Certificate(path=path, fingerprints=found, problem=None if found else "it holds no key")


def _blocks(content: bytes) -> Iterator[bytes]:
    """The packets of each armoured block, or the content itself if it is no armour."""
    if b"-----BEGIN" not in content:
        yield content
        return
    blocks = list(BLOCK.finditer(content))
    if content.count(b"-----BEGIN") != len(blocks):
        raise ValueError("it holds something else than public keys")
    for block in blocks:
        lines = [line.strip() for line in block["body"].splitlines()]
        start = lines.index(b"") + 1
        if not all(ARMOUR_HEADER.match(line) for line in lines[: start - 1]):
            raise ValueError("its armour is malformed")
        end = -1 if lines[-1].startswith(b"=") else None  # the checksum, which guards against typing errors only
        yield base64.b64decode(b"".join(lines[start:end]), validate=True)


def _fingerprints(packets: bytes) -> Iterator[str]:
    position = 0
    while position < len(packets):
        tag, start, length = _header(packets, position)
        body = packets[start : start + length]
        if len(body) != length:
            raise ValueError("it is truncated")
        if tag in PUBLIC_KEYS:
            yield _fingerprint(body)
        elif tag not in OTHERS:
            raise ValueError(f"it holds a packet of type {tag}, which belongs in no key file")
        position = start + length


def _header(packets: bytes, position: int) -> tuple[int, int, int]:
    """Tag, start and length of the body of the packet at a position."""
    first = packets[position]
    if not first & 0x80:
        raise ValueError("it is no OpenPGP key file")
    if not first & 0x40:  # the old format: the length's own length is in the first byte
        size = (1, 2, 4, 0)[first & 3]
        if size == 0:
            raise ValueError("it holds a packet without a length")
        start = position + 1 + size
        return first >> 2 & 15, start, int.from_bytes(packets[position + 1 : start])
    octet = packets[position + 1]
    if octet < 192:
        return first & 63, position + 2, octet
    if octet < 224:
        return first & 63, position + 3, ((octet - 192) << 8) + packets[position + 2] + 192
    if octet < 255:
        raise ValueError("it holds a packet in pieces")
    return first & 63, position + 6, int.from_bytes(packets[position + 2 : position + 6])


def _fingerprint(body: bytes) -> str:
    version = body[0]
    if version == 4:
        prefix = b"\x99" + len(body).to_bytes(2)
        return hashlib.sha1(prefix + body, usedforsecurity=False).hexdigest()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4) + body).hexdigest()
    raise ValueError(f"it holds a key of version {version}")
