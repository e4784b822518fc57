"""Signatures of attestations against openssl: what we sign it verifies, and the reverse."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hermetic_rpm.errors import SigningKeyUnusable
from hermetic_rpm.runner import dsse, keys

CONTENT = dsse.signed_bytes(b'{"_type": "https://in-toto.io/Statement/v1"}')
EC = ("-algorithm", "EC", "-pkeyopt")
KINDS = {
    "ed25519": (("-algorithm", "ed25519"), "ed25519", ("-rawin",)),
    "P-256": ((*EC, "ec_paramgen_curve:P-256"), "secp256r1", ("-rawin", "-digest", "sha256")),
    "P-384": ((*EC, "ec_paramgen_curve:P-384"), "secp384r1", ("-rawin", "-digest", "sha384")),
    "P-521": ((*EC, "ec_paramgen_curve:P-521"), "secp521r1", ("-rawin", "-digest", "sha512")),
}
NO_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
SIGNED = pytest.mark.promise(
    "6.2", "ed25519 and ECDSA keys of openssl sign and verify; passphrases come from files only"
)


def openssl(*words: str | Path) -> None:
    subprocess.run(("openssl", *map(str, words)), check=True, capture_output=True)


def pair(directory: Path, *how: str) -> tuple[Path, Path]:
    private, public = directory / "key.pem", directory / "key.pub"
    openssl("genpkey", *how, "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


@SIGNED
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_verifies_what_is_signed(tmp_path: Path, kind: str) -> None:
    how, name, options = KINDS[kind]
    private, public = pair(tmp_path, *how)
    key = keys.load_private(private, None)
    assert key.public.kind == name
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "signature").write_bytes(key.sign(CONTENT))
    assert key.sign(CONTENT) == (tmp_path / "signature").read_bytes()
    check = ("pkeyutl", "-verify", "-pubin", "-inkey", public, *options, "-sigfile", tmp_path / "signature", "-in")
    openssl(*check, tmp_path / "content")
    (tmp_path / "content").write_bytes(CONTENT + b" ")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*check, tmp_path / "content")


@SIGNED
@pytest.mark.parametrize("kind", KINDS)
def test_what_openssl_signs_verifies(tmp_path: Path, kind: str) -> None:
    how, _, options = KINDS[kind]
    private, public = pair(tmp_path, *how)
    (tmp_path / "content").write_bytes(CONTENT)
    openssl("pkeyutl", "-sign", "-inkey", private, *options, "-in", tmp_path / "content", "-out", tmp_path / "sig")
    key, signature = keys.load_public(public), (tmp_path / "sig").read_bytes()
    assert key.id == keys.load_private(private, None).public.id
    assert key.verifies(signature, CONTENT)
    assert not key.verifies(signature, CONTENT + b" ")
    assert not key.verifies(signature[:-1], CONTENT)
    assert not key.verifies(b"", CONTENT)


@SIGNED
def test_a_passphrase_comes_from_a_file(tmp_path: Path) -> None:
    phrase = tmp_path / "passphrase"
    phrase.write_text("correct horse\n")
    private = tmp_path / "key.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", f"file:{phrase}", "-out", private)
    assert len(keys.load_private(private, phrase).sign(CONTENT)) == 64
    with pytest.raises(SigningKeyUnusable) as caught:
        keys.load_private(private, None)
    assert "--passphrase-file" in caught.value.solution
    phrase.write_text("wrong horse\n")
    with pytest.raises(SigningKeyUnusable) as caught:
        keys.load_private(private, phrase)
    assert "horse" not in caught.value.reason


def test_a_passphrase_that_no_key_needs_is_told(tmp_path: Path) -> None:
    private, _ = pair(tmp_path, "-algorithm", "ed25519")
    (tmp_path / "passphrase").write_text("correct horse\n")
    with pytest.raises(SigningKeyUnusable) as caught:
        keys.load_private(private, tmp_path / "passphrase")
    assert "horse" not in caught.value.reason


OTHERS = {
    "RSA": ("-algorithm", "RSA"),
    "another curve": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    "ed448": ("-algorithm", "ed448"),
    "a key for something else": ("-algorithm", "x25519"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_keys_are_refused(tmp_path: Path, kind: str) -> None:
    private, public = pair(tmp_path, *OTHERS[kind])
    with pytest.raises(SigningKeyUnusable):
        keys.load_private(private, None)
    with pytest.raises(SigningKeyUnusable):
        keys.load_public(public)


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    private, public = pair(tmp_path, "-algorithm", "ed25519")
    with pytest.raises(SigningKeyUnusable):
        keys.load_public(private)
    with pytest.raises(SigningKeyUnusable):
        keys.load_private(public, None)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, NO_KEY])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(SigningKeyUnusable):
        keys.load_private(tmp_path / "key", None)
    with pytest.raises(SigningKeyUnusable):
        keys.load_public(tmp_path / "key")
