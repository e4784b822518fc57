"""DSSE envelopes of in-toto statements: pure.

The format is that of https://github.com/secure-systems-lab/dsse (1.0.2).  A signature is over the
type and the exact bytes of the payload, which nobody parses before the signature holds.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from hermetic_rpm.document import Document, checked, located, parse_json, refuse
from hermetic_rpm.errors import AttestationMissing

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A signature; its ``key_id`` is a hint that nothing protects."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """The exact bytes of a statement, and who signed them."""

    payload: bytes
    signatures: tuple[Signature, ...]


def signed_bytes(payload: bytes) -> bytes:
    """What a signature of an in-toto statement is over (the pre-authentication encoding)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def render(envelope: Envelope) -> bytes:
    """The envelope as one line of JSON, as ``*.intoto.jsonl`` has it."""
    document = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": one.key_id, "sig": base64.b64encode(one.signature).decode()} for one in envelope.signatures
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse(content: bytes, name: str) -> Envelope:
    """The envelope in a file, which may come from anybody, or around it a bare statement that nobody signed.

    Raises `AttestationMissing` with every problem.
    """
    document = parse_json(content, name, AttestationMissing)
    if isinstance(document.data, dict) and "_type" in document.data:
        return Envelope(payload=content, signatures=())
    data = checked(document, "envelope", AttestationMissing)
    signatures = (
        Signature(key_id=one.get("keyid", ""), signature=_bytes(document, ("signatures", index, "sig"), one["sig"]))
        for index, one in enumerate(data["signatures"])
    )
    return Envelope(payload=_bytes(document, ("payload",), data["payload"]), signatures=tuple(signatures))


def _bytes(document: Document, path: tuple[str | int, ...], text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        refuse(document, [located(document, path, f"it is no base64: {error}")], AttestationMissing)
        raise
