"""DSSE envelopes: what exactly is signed, and which envelopes are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hermetic_rpm.errors import AttestationMissing
from hermetic_rpm.runner import dsse
from hermetic_rpm.runner.dsse import Envelope, Signature

ENVELOPE = Envelope(payload=b'{"_type": "\xc3\xa9"}', signatures=(Signature(key_id="k", signature=b"\0\1\2"),))


def test_type_and_payload_are_signed_with_their_lengths_in_bytes() -> None:
    assert dsse.signed_bytes(b"{\xc3\xa9}") == b"DSSEv1 28 application/vnd.in-toto+json 4 {\xc3\xa9}"


def test_an_envelope_is_one_line_and_read_back() -> None:
    content = dsse.render(ENVELOPE)
    assert content.count(b"\n") == 1
    assert json.loads(content)["payloadType"] == "application/vnd.in-toto+json"
    assert dsse.parse(content, "e") == ENVELOPE


def test_a_bare_statement_has_no_signature() -> None:
    assert dsse.parse(b'{"_type": 1}', "e") == Envelope(payload=b'{"_type": 1}', signatures=())


def test_a_key_id_may_be_missing() -> None:
    content = json.loads(dsse.render(ENVELOPE))
    del content["signatures"][0]["keyid"]
    assert dsse.parse(json.dumps(content).encode(), "e").signatures[0].key_id == ""


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "another type": lambda e: e.update(payloadType="application/json"),
    "type with another case": lambda e: e.update(payloadType="application/vnd.in-toto+JSON"),
    "no payload": lambda e: e.pop("payload"),
    "empty payload": lambda e: e.update(payload=""),
    "payload that is no base64": lambda e: e.update(payload="{}"),
    "payload with something between": lambda e: e.update(payload=e["payload"][:4] + "\n" + e["payload"][4:]),
    "payload cut off": lambda e: e.update(payload=e["payload"][:-1]),
    "no signature": lambda e: e.update(signatures=[]),
    "signatures that are none": lambda e: e.update(signatures={}),
    "signature that is no base64": lambda e: e["signatures"][0].update(sig="***"),
    "far too many signatures": lambda e: e.update(signatures=e["signatures"] * 101),
    "huge signature": lambda e: e["signatures"][0].update(sig="A" * 5000),
    "unknown key": lambda e: e.update(more=1),
    "unknown key of a signature": lambda e: e["signatures"][0].update(cert="x"),
}


@pytest.mark.promise("6.2", "a malformed or contradictory provenance is refused before anything of it is used")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_envelope_is_refused(name: str) -> None:
    content = json.loads(dsse.render(ENVELOPE))
    HOSTILE[name](content)
    with pytest.raises(AttestationMissing):
        dsse.parse(json.dumps(content).encode(), "e")


def test_an_envelope_that_says_something_twice_is_refused() -> None:
    content = dsse.render(ENVELOPE).replace(b'{"payload"', b'{"payload":"e30=","payload"', 1)
    with pytest.raises(AttestationMissing, match="twice"):
        dsse.parse(content, "e")
