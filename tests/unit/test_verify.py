"""What `verify` concludes from a provenance, and from what nobody can vouch for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hermetic_rpm.errors import AttestationMissing
from hermetic_rpm.runner import dsse, record, statement, verify
from hermetic_rpm.runner.attest import PROVENANCE
from hermetic_rpm.runner.dsse import Envelope, Signature
from hermetic_rpm.runner.keys import PublicKey
from hermetic_rpm.runner.statement import Statement
from hermetic_rpm.runner.verify import FAILED, OPEN, PROVED, Check, Given
from tests.support import attested

CLAIMS = pytest.mark.promise("6.2", "what the build says of itself is told apart from what the runner saw")


PRIVATE = Ed25519PrivateKey.generate()
KEY = PublicKey(kind="ed25519", id="k" * 64, key=PRIVATE.public_key())


def signed(made: Statement, *signatures: Signature) -> Envelope:
    payload = statement.render(made)
    good = Signature(key_id="wrong", signature=PRIVATE.sign(dsse.signed_bytes(payload)))
    return Envelope(payload=payload, signatures=signatures or (good,))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return attested.workspace(tmp_path)


def checked(made: Statement, results: Path, envelope: Envelope | None = None, **changes: Any) -> dict[str, str]:
    values: dict[str, Any] = {
        "results": results, "workspace": results.parent, "key": KEY, "policy": None, "lock_date": None, "srpm": None
    }  # fmt: skip
    found = verify.checks(envelope or signed(made), made, Given(**(values | changes)))
    return {check.name: check.state for check in found}


def test_what_was_seen_and_signed_is_proved_and_the_rest_is_named(results: Path) -> None:
    assert checked(attested.statement(results), results) == {
        "signature": PROVED, "subjects": PROVED, "byproducts": PROVED, "lock": PROVED, "repository": OPEN,
        "SBOM": OPEN, "policy": OPEN, "source RPM": OPEN, "inputs": PROVED, "isolation": PROVED, "stage images": PROVED,
        "reproducible": OPEN,
    }  # fmt: skip


@CLAIMS
def test_without_a_signature_nothing_that_only_the_provenance_says_is_proved(results: Path) -> None:
    found = checked(attested.statement(results), results, key=None)
    assert {found[name] for name in ("signature", "inputs", "isolation", "stage images")} == {OPEN}
    assert found["subjects"] == PROVED


@CLAIMS
def test_without_a_runner_isolation_and_inputs_are_the_claim_of_the_build(results: Path) -> None:
    found = checked(attested.statement(results, observed=False), results)
    assert found["signature"] == PROVED
    assert {found[name] for name in ("inputs", "isolation", "stage images")} == {OPEN}


@CLAIMS
def test_a_runner_that_expected_nothing_saw_no_inputs(results: Path) -> None:
    assert checked(attested.statement(results, expects={}), results)["inputs"] == OPEN


WEAK: dict[str, dict[str, Any]] = {
    "network": {"network_mode": "bridge"},
    "privileged": {"privileged": True},
    "writable root": {"read_only_root": False},
    "new privileges": {"security_options": ()},
    "no seccomp": {"security_options": ("no-new-privileges", "seccomp=unconfined")},
    "capability": {"effective_capabilities": ("CAP_SYS_ADMIN",)},
    "capability to get": {"bounding_capabilities": ("CAP_NET_ADMIN", "CAP_SETUID")},
    "device": {"devices": ("/dev/kvm",)},
    "host's processes": {"pid_mode": "host"},
    "host's users": {"user_mode": "host"},
    "another image": {"image": f"sha256:{'9' * 64}"},
}


@CLAIMS
@pytest.mark.parametrize("name", WEAK)
def test_a_container_that_was_less_confined_fails(results: Path, name: str) -> None:
    assert checked(attested.statement(results, **WEAK[name]), results)["isolation"] == FAILED


@CLAIMS
def test_the_observation_of_another_build_fails(results: Path) -> None:
    made = attested.statement(results)
    assert made.run is not None
    other = dataclasses.replace(made.run.stages[0], result="8" * 64)
    made = dataclasses.replace(made, run=dataclasses.replace(made.run, stages=(other,)))
    assert checked(made, results)["isolation"] == FAILED


@pytest.mark.parametrize("kind", ["stage-image", "pipeline"])
def test_what_contradicts_the_runner_fails(results: Path, kind: str) -> None:
    made = attested.statement(results)
    fewer = tuple(one for one in made.resources if one.kind != kind)
    assert checked(dataclasses.replace(made, resources=fewer), results)["stage images"] == FAILED


def test_inputs_that_contradict_the_runner_fail(results: Path) -> None:
    made = attested.statement(results)
    told = {"lockfile": "8" * 64}
    other = dataclasses.replace(made, run=attested.run(results, expects=told))
    assert checked(other, results)["inputs"] == FAILED


def test_a_key_id_decides_nothing(results: Path) -> None:
    made = attested.statement(results)
    bad = Signature(key_id=KEY.id, signature=b"x")
    good = signed(made).signatures[0]
    assert checked(made, results, signed(made, bad))["signature"] == FAILED
    assert checked(made, results, signed(made, bad, good))["signature"] == PROVED


def test_a_bare_statement_fails_where_a_key_was_given(results: Path) -> None:
    made = attested.statement(results)
    assert checked(made, results, Envelope(payload=b"", signatures=()))["signature"] == FAILED


def test_a_policy_fails_where_there_is_no_lock(results: Path, tmp_path: Path) -> None:
    found = checked(attested.statement(results), results, workspace=tmp_path / "elsewhere", policy=tmp_path / "policy")
    assert (found["lock"], found["policy"]) == (OPEN, FAILED)


def test_what_is_required_and_not_proved_fails() -> None:
    found = (
        Check(name="lock", state=PROVED, text=""), Check(name="policy", state=OPEN, text=""),
        Check(name="isolation", state=OPEN, text=""),
    )  # fmt: skip
    states = {check.name: check.state for check in verify.required(found, ("lock", "isolation", "repository"))}
    assert states == {"lock": PROVED, "policy": OPEN, "isolation": FAILED, "repository": FAILED}


def lock(results: Path) -> Path:
    return results.parent / "lock"


ALTERED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "package": (lambda r: (r / attested.PACKAGES[1]).write_text("x"), "subjects"),
    "package gone": (lambda r: (r / attested.PACKAGES[0]).unlink(), "subjects"),
    "package more": (lambda r: (r / "more.rpm").write_text("x"), "subjects"),
    "log": (lambda r: (r / "build.log").write_text("x"), "byproducts"),
    "result": (lambda r: (r / "result.json").write_text("{}"), "byproducts"),
    "key": (lambda r: (lock(r) / "keys/base.asc").write_text("x"), "lock"),
    "sidecar": (lambda r: (lock(r) / "buildroot_lock.sources.json").write_text("{}"), "lock"),
    "lockfile": (lambda r: (lock(r) / "buildroot_lock.json").write_text("{}"), "lock"),
    "no sidecar": (lambda r: (lock(r) / "buildroot_lock.sources.json").unlink(), "lock"),
    "pipe": (lambda r: [(r / "build.log").unlink(), os.mkfifo(r / "build.log")], "byproducts"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_was_altered_fails(results: Path, name: str) -> None:
    made = attested.statement(results)
    alter, check = ALTERED[name]
    alter(results)
    assert checked(made, results)[check] == FAILED


def test_another_lock_than_the_attested_fails(results: Path) -> None:
    made = attested.statement(results)
    (first, *_) = (one for one in made.resources if one.kind == "rpm")
    other = tuple(dataclasses.replace(one, sha256="0" * 64) if one == first else one for one in made.resources)
    assert checked(dataclasses.replace(made, resources=other), results)["lock"] == FAILED


def test_a_source_rpm_is_found_by_its_sha256_only(results: Path, tmp_path: Path) -> None:
    made = attested.statement(results)
    (lock(results) / "hello-1-1.src.rpm").write_text("srpm")
    assert checked(made, results)["source RPM"] == PROVED
    (tmp_path / "other.src.rpm").write_text("other")
    assert checked(made, results, srpm=tmp_path / "other.src.rpm")["source RPM"] == FAILED


@pytest.mark.parametrize("kind", ["missing", "link", "pipe", "directory"])
def test_a_provenance_that_is_no_file_is_refused(results: Path, kind: str) -> None:
    path = results / PROVENANCE
    if kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(AttestationMissing):
        verify.read(results, None)


def test_a_record_lies_beside_the_results_and_is_read_back(results: Path) -> None:
    run = attested.run(results)
    record.write(results, run)
    assert record.place(results) == results.parent / "results.run.json"
    assert record.read(record.place(results)) == run
