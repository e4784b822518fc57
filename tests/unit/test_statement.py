"""The provenance of a build: what it names, who says it, and what is refused of a foreign one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import AttestationMissing, InputsDiffer, ResultsAltered, ResultsUnusable
from hermetic_rpm.runner import attest, record, statement
from hermetic_rpm.runner.statement import Statement
from tests.support import attested

EVERY_INPUT = pytest.mark.promise("6.2", "provenance names every input by sha256, is signed, and verified")
CLAIMS = pytest.mark.promise("6.2", "what the build says of itself is told apart from what the runner saw")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return attested.workspace(tmp_path)


def kinds(made: Statement) -> dict[str, str]:
    return {one.kind: one.known_from for one in made.resources}


def document(made: Statement) -> Any:
    return json.loads(statement.render(made))


@EVERY_INPUT
def test_packages_are_the_subjects_and_every_input_is_named(results: Path) -> None:
    made = attested.statement(results)
    found = document(made)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [
        {"name": name, "digest": {"sha256": attested.sha256(results / name)}} for name in attested.PACKAGES
    ]
    assert [(one.kind, one.name) for one in made.resources] == [
        ("bootstrap-image", "registry.example.com/bootstrap:latest"),
        ("key", "keys/base.asc"),
        ("lockfile", "buildroot_lock.json"),
        ("pipeline", "pipeline.yaml"),
        ("rpm", "bash-5-1.x86_64.rpm"),
        ("rpm", "make-4-1.x86_64.rpm"),
        ("sidecar", "buildroot_lock.sources.json"),
        ("source-rpm", "hello-1-1.src.rpm"),
        ("stage-image", "builder"),
        ("target", "demo"),
    ]
    bash = next(one for one in made.resources if one.name.startswith("bash"))
    assert (bash.uri or "").startswith("pkg:rpm/bash@5-1?arch=x86_64")
    assert (bash.location or "").endswith("/bash-5-1.x86_64.rpm")
    assert [file.name for file in made.byproducts] == ["build.log", "result.json"]


@EVERY_INPUT
def test_the_same_results_give_the_same_bytes_and_are_read_back(results: Path) -> None:
    made = attested.statement(results)
    payload = statement.render(made)
    assert statement.render(attested.statement(results)) == payload
    assert statement.parse(payload, "p") == made


@CLAIMS
def test_what_nobody_saw_is_only_claimed(results: Path) -> None:
    found = document(attested.statement(results, observed=False))
    inside = found["predicate"]["buildDefinition"]["internalParameters"]
    assert inside["observedByRunner"] is None
    assert inside["claimedByBuild"] == {"network_interfaces_outside": ["lo"], "repository_equals_lock": True}
    assert found["predicate"]["runDetails"]["builder"]["id"] == statement.UNOBSERVED
    assert "metadata" not in found["predicate"]["runDetails"]


@CLAIMS
def test_what_the_runner_saw_is_its_own_observation(results: Path) -> None:
    found = document(attested.statement(results))
    observed = found["predicate"]["buildDefinition"]["internalParameters"]["observedByRunner"]
    assert observed["stages"][0]["container"]["network_mode"] == "none"
    details = found["predicate"]["runDetails"]
    assert details["builder"]["id"] == statement.RUNNER
    assert details["metadata"] == {
        "invocationId": "3" * 64, "startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:01:00Z",
    }  # fmt: skip


@CLAIMS
def test_a_record_in_the_results_is_not_believed(results: Path) -> None:
    """A builder can write whatever it wants there."""
    run = record.document(attested.run(results))
    (results / "run.json").write_text(json.dumps(run))
    (results / "results.run.json").write_text(json.dumps(run))
    assert attested.statement(results, observed=False).run is None


@CLAIMS
def test_a_record_of_another_build_is_not_believed(results: Path) -> None:
    record.write(results, attested.run(results))
    attested.build(results, {"timings_seconds": {"check": 1.0}})
    assert attested.statement(results, observed=False).run is None


@CLAIMS
def test_a_further_input_is_known_from_the_runner_or_only_from_the_build(results: Path) -> None:
    inputs = json.loads((results / "result.json").read_text())["inputs"]
    attested.build(results, {"inputs": {**inputs, "input:crates": "5" * 64}})
    assert kinds(attested.statement(results))["input"] == statement.SEEN_BY_RUNNER
    assert kinds(attested.statement(results, expects=inputs))["input"] == statement.CLAIMED


@CLAIMS
def test_another_source_rpm_than_the_resolved_one_is_told(results: Path) -> None:
    inputs = json.loads((results / "result.json").read_text())["inputs"]
    attested.build(results, {"inputs": {**inputs, "srpm": "6" * 64}})
    made = attested.statement(results, observed=False)
    assert (made.source.sha256, made.source.known_from) == ("6" * 64, statement.CLAIMED)


def test_a_build_that_contradicts_the_runner_is_refused(results: Path) -> None:
    with pytest.raises(InputsDiffer, match="sidecar"):
        attested.statement(results, expects={"sidecar": "7" * 64})


def test_a_build_from_another_lock_is_refused(results: Path) -> None:
    attested.build(results, {"inputs": {"srpm": "6" * 64, "lockfile": "7" * 64}})
    with pytest.raises(InputsDiffer, match="lockfile"):
        attested.statement(results, observed=False)


def test_a_build_that_names_no_source_rpm_is_refused(results: Path) -> None:
    attested.build(results, {"inputs": {}})
    with pytest.raises(ResultsUnusable, match="source RPM"):
        attested.statement(results, observed=False)


def alter(results: Path) -> None:
    (results / attested.PACKAGES[1]).write_text("other")


def add(results: Path) -> None:
    (results / "more-1-1.noarch.rpm").write_text("more")


def take_away(results: Path) -> None:
    (results / "build.log").unlink()


def link(results: Path) -> None:
    (results / "build.log").rename(results.parent / "build.log")
    (results / "build.log").symlink_to(results.parent / "build.log")


@pytest.mark.parametrize("change", [alter, add, take_away, link])
def test_results_that_are_not_what_the_build_wrote_are_not_attested(
    results: Path, change: Callable[[Path], None]
) -> None:
    change(results)
    with pytest.raises(ResultsAltered):
        attest.read(results)


@pytest.mark.parametrize("path", ["../lock/buildroot_lock.json", "/etc/passwd", "a/../../lock/buildroot_lock.json"])
def test_outputs_outside_of_the_results_are_not_attested(results: Path, path: str) -> None:
    attested.build(results, {"outputs": [{"path": path, "size": 1, "sha256": "0" * 64}]})
    with pytest.raises(ResultsAltered):
        attest.read(results)


def dependencies(found: Any) -> Any:
    return found["predicate"]["buildDefinition"]["resolvedDependencies"]


def one(found: Any, kind: str) -> Any:
    return next(entry for entry in dependencies(found) if entry["annotations"]["kind"] == kind)


def outside(found: Any) -> Any:
    return found["predicate"]["buildDefinition"]["externalParameters"]


def inside(found: Any) -> Any:
    return found["predicate"]["buildDefinition"]["internalParameters"]


HOSTILE: dict[str, Callable[[Any], Any]] = {
    "other type": lambda d: d.update(_type="https://in-toto.io/Statement/v0.1"),
    "other predicate": lambda d: d.update(predicateType="https://slsa.dev/provenance/v0.2"),
    "unknown key": lambda d: d.update(more=1),
    "no subject": lambda d: d.update(subject=[]),
    "duplicate subject": lambda d: d["subject"].append(d["subject"][0]),
    "path as subject": lambda d: d["subject"][0].update(name="../hello.rpm"),
    "absolute subject": lambda d: d["subject"][0].update(name="/etc/hello.rpm"),
    "other digest": lambda d: d["subject"][0].update(digest={"sha1": "0" * 40}),
    "upper-case digest": lambda d: d["subject"][0].update(digest={"sha256": "A" * 64}),
    "no digest": lambda d: d["subject"][0].pop("digest"),
    "byproduct outside": lambda d: d["predicate"]["runDetails"]["byproducts"][0].update(name="../x"),
    "duplicate byproduct": lambda d: d["predicate"]["runDetails"]["byproducts"].append(
        d["predicate"]["runDetails"]["byproducts"][0]
    ),
    "unknown kind": lambda d: dependencies(d)[0]["annotations"].update(kind="wish"),
    "unknown witness": lambda d: dependencies(d)[0]["annotations"].update(knownFrom="hearsay"),
    "duplicate input": lambda d: dependencies(d).append(dependencies(d)[0]),
    "no lockfile": lambda d: dependencies(d).remove(one(d, "lockfile")),
    "no source RPM": lambda d: dependencies(d).remove(one(d, "source-rpm")),
    "other source RPM": lambda d: outside(d).update(sourceRpm="other.src.rpm"),
    "control characters": lambda d: outside(d).update(options=["\x1b[2J"]),
    "other parameters than the runner's": lambda d: outside(d)["pipeline"].update(target="other"),
    "other time than the runner's": lambda d: d["predicate"]["runDetails"]["metadata"].update(
        startedOn="2020-01-01T00:00:00Z"
    ),
    "time that nobody saw": lambda d: inside(d).update(observedByRunner=None),
    "record that no runner writes": lambda d: inside(d)["observedByRunner"].update(stages=[]),
    "builder without a URI": lambda d: d["predicate"]["runDetails"]["builder"].update(id="me"),
}


@pytest.mark.promise("6.2", "a malformed or contradictory provenance is refused before anything of it is used")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_statement_is_refused(results: Path, name: str) -> None:
    found = document(attested.statement(results))
    HOSTILE[name](found)
    with pytest.raises(AttestationMissing):
        statement.parse(json.dumps(found).encode(), "p")


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'{"_type": 1, "_type": 2}', b"\xff"])
def test_what_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(AttestationMissing):
        statement.parse(payload, "p")


@pytest.mark.parametrize("depth", [*range(900, 1000, 5), 100_000])
def test_claims_nested_without_end_are_read_or_refused(results: Path, depth: int) -> None:
    found = document(attested.statement(results))
    inside(found)["claimedByBuild"] = {"inside": "DEEP"}
    payload = json.dumps(found).replace('"DEEP"', "[" * depth + "]" * depth)
    with contextlib.suppress(AttestationMissing):
        statement.parse(payload.encode(), "p")
