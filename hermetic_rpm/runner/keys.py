"""The one importer of cryptography: keys in PEM files that sign attestations and verify them.

It is imported when it is needed, since other commands do without it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import SigningKeyUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurve

ED25519 = "ed25519"
_PEM = "Give a PEM file with one ed25519 or ECDSA key (P-256, P-384 or P-521), as `openssl genpkey` and `pkey` write."


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """A key that verifies: ``kind`` is ed25519 or the name of an elliptic curve, ``id`` the sha256 of its DER form."""

    kind: str
    id: str
    key: Any

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether the signature is the key's, over exactly this content."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above

        try:
            if self.kind == ED25519:
                self.key.verify(signature, content)
            else:
                self.key.verify(signature, content, _ecdsa(self.key.curve))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKey:
    """A key that signs."""

    public: PublicKey
    key: Any

    def sign(self, content: bytes) -> bytes:
        """A signature over ``content``: 64 bytes of ed25519, or the DER form of an ECDSA signature."""
        if self.public.kind == ED25519:
            return bytes(self.key.sign(content))
        return bytes(self.key.sign(content, _ecdsa(self.key.curve, deterministic=True)))


def load_private(path: Path, passphrase_file: Path | None) -> PrivateKey:
    """The private key in a PEM file; raises `SigningKeyUnusable`."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    content = read_bytes(path, SigningKeyUnusable)
    passphrase = None if passphrase_file is None else _first_line(passphrase_file)
    try:
        key = load_pem_private_key(content, passphrase)
    except TypeError as error:
        solution = "Name the file with its passphrase: --passphrase-file." if passphrase is None else ""
        raise SigningKeyUnusable(f"{path}: {error}.", solution=solution) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyUnusable(f"{path} holds no private key that can be read: {error}.", solution=_PEM) from error
    return PrivateKey(public=_public(key.public_key() if hasattr(key, "public_key") else key, path), key=key)


def load_public(path: Path) -> PublicKey:
    """The public key in a PEM file; raises `SigningKeyUnusable`."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - see above

    try:
        return _public(load_pem_public_key(read_bytes(path, SigningKeyUnusable)), path)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyUnusable(f"{path} holds no public key that can be read: {error}.", solution=_PEM) from error


def _public(key: Any, path: Path) -> PublicKey:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

    if isinstance(key, Ed25519PublicKey):
        kind = ED25519
    elif isinstance(key, EllipticCurvePublicKey) and key.curve.name in _hashes():
        kind = key.curve.name
    else:
        raise SigningKeyUnusable(f"{path} holds a key of another kind.", solution=_PEM)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = key.public_bytes(serialization.Encoding.DER, form)
    return PublicKey(kind=kind, id=hashlib.sha256(der).hexdigest(), key=key)


def _hashes() -> dict[str, Any]:
    """The hash for each curve, as JWS (RFC 7518) and everybody else pair them."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see above

    return {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}


def _ecdsa(curve: EllipticCurve, *, deterministic: bool = False) -> ECDSA:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - see above

    return ECDSA(_hashes()[curve.name], deterministic_signing=deterministic)


def _first_line(path: Path) -> bytes:
    return read_bytes(path, SigningKeyUnusable).partition(b"\n")[0].removesuffix(b"\r")
