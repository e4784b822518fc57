"""Fingerprints in OpenPGP key files."""

from __future__ import annotations

import base64
import hashlib

import pytest

from hermetic_rpm.policy.certificates import read

V4, V6 = b"\x04some key", b"\x06another key"
FOUR = hashlib.sha1(b"\x99" + len(V4).to_bytes(2) + V4).hexdigest()
SIX = hashlib.sha256(b"\x9b" + len(V6).to_bytes(4) + V6).hexdigest()


def packet(tag: int, body: bytes, *, old: bool = False) -> bytes:
    if old:
        return bytes((0x80 | tag << 2 | 1,)) + len(body).to_bytes(2) + body
    return bytes((0xC0 | tag, 0xFF)) + len(body).to_bytes(4) + body


def armour(content: bytes, *, header: str = "Comment: x\n") -> bytes:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n{header}\n{text}=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n".encode()


KEYS = packet(6, V4) + packet(13, b"x" * 9000) + packet(2, b"sig") + packet(14, V6, old=True)


@pytest.mark.parametrize("content", [KEYS, armour(KEYS), armour(KEYS, header=""), b"words\n" + armour(KEYS)])
def test_keys_and_subkeys_have_fingerprints(content: bytes) -> None:
    assert read("k", content).fingerprints == (FOUR, SIX)


def test_every_block_of_a_file_counts() -> None:
    assert read("k", armour(packet(6, V4)) + b"\n" + armour(packet(6, V6))).fingerprints == (FOUR, SIX)


def test_short_and_two_octet_lengths() -> None:
    long = b"\x04" + b"k" * 299
    content = bytes((0xC6, len(V4))) + V4 + bytes((0xC6, 192, 300 - 192)) + long
    expected = hashlib.sha1(b"\x99" + (300).to_bytes(2) + long).hexdigest()
    assert read("k", content).fingerprints == (FOUR, expected)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"\xc6", b"\xc6\xff\x00", packet(6, V4)[:-1], packet(5, V4), packet(6, b"\x03old"), packet(6, b""),
     b"\xc6\xe1" + V4, b"\x9b" + V4, armour(b""), armour(KEYS)[:-40], armour(KEYS).replace(b"PUBLIC", b"PRIVATE"),
     armour(KEYS) + b"-----BEGIN PGP MESSAGE-----\n", armour(KEYS).replace(b"Comment: x\n\n", b""), packet(13, b"id")],
)  # fmt: skip
def test_anything_else_is_a_problem_and_not_a_crash(content: bytes) -> None:
    found = read("k", content)
    assert found.problem
    assert found.fingerprints == ()
