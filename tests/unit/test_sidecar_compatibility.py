"""What docs/reference/lockfile.md promises of the sidecar: which versions are read, and none by half."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.lock import sidecar
from tests.support import locks
from tests.support.documents import ROOT

pytestmark = pytest.mark.promise("6.7", "the sidecar is read as its compatibility policy says")

SCHEMA = json.loads((ROOT / "schemas/sidecar.schema.json").read_text())
KNOWN = SCHEMA["properties"]["schema_version"]["enum"]
FIRST = {
    "image", "keys", "lockfile_sha256", "repositories", "requirements", "rpms", "schema_version", "srpm", "target",
}  # fmt: skip
"""The fields of 1.0.0: any later one must be optional for ever."""

LOCK = locks.locked(locks.rpm("bash"))
CONTENT = sidecar.render(locks.beside(LOCK, locks.source("bash.rpm")))


def test_only_the_fields_of_the_first_version_are_demanded() -> None:
    assert set(SCHEMA["required"]) == FIRST
    assert SCHEMA["properties"]["requirements"]["required"] == ["dynamic", "static"]
    assert {"repository", "location", "sha256", "size", "key"} == set(SCHEMA["properties"]["rpms"]["items"]["required"])


def test_the_newest_version_is_written() -> None:
    assert KNOWN[-1] == sidecar.SCHEMA_VERSION
    assert json.loads(CONTENT)["schema_version"] == sidecar.SCHEMA_VERSION


@pytest.mark.parametrize("version", KNOWN)
def test_every_version_of_1_is_read(version: str) -> None:
    def older(document: Any) -> None:
        document["schema_version"] = version
        for later in set(document) - FIRST:
            del document[later]
        document["requirements"].pop("edges", None)
        for rpm in document["rpms"]:
            rpm.pop("source", None)

    read = sidecar.parse(locks.edited(CONTENT, older))
    assert read.lockfile_sha256 == sidecar.parse(CONTENT).lockfile_sha256
    assert [rpm.sha256 for rpm in read.rpms] == [rpm.sha256 for rpm in sidecar.parse(CONTENT).rpms]


@pytest.mark.parametrize(
    "newer", [{"schema_version": "1.99.0"}, {"schema_version": "2.0.0"}, {"more": []}], ids=["minor", "major", "field"]
)
def test_what_a_newer_version_may_say_is_refused(newer: dict[str, Any]) -> None:
    with pytest.raises(LockInvalid) as raised:
        sidecar.parse(locks.edited(CONTENT, lambda document: document.update(newer)))
    assert next(iter(newer)) in raised.value.reason
