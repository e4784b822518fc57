"""Provenance of real builds, signed and verified as the how-to says, as root and as an ordinary user; then altered."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from containers import DEMO, ROOT, Engine, Workspace, commands, runner, sample
from hermetic_rpm import errors

HOW_TO = "attest-and-verify.md"
USERS = ("rootful", "rootless")
ATTESTED = pytest.mark.promise("6.2", "provenance names every input by sha256, is signed, and verified")
CLAIMS = pytest.mark.promise("6.2", "what the build says of itself is told apart from what the runner saw")
ALTERED = pytest.mark.promise(
    "6.2",
    "one altered byte of a package, the lock, the repository or the envelope fails the check that is about it",
)
PHRASE = "correct horse battery staple"
PROVENANCE = "provenance.intoto.json"
REBUILT = pytest.mark.promise(
    "6.2", "`hermetic-rpm rebuild` makes the attested packages again from a packed archive, bit for bit"
)
MISSING, UNTRUSTED, MISMATCH = (
    error.exit_code for error in (errors.AttestationMissing, errors.AttestationUntrusted, errors.AttestationMismatch)
)


@dataclass(frozen=True, kw_only=True)
class Attested:
    """A directory in which somebody followed the how-to, and what the commands printed."""

    engine: Engine
    path: Path
    said: dict[str, subprocess.CompletedProcess[str]]

    @property
    def results(self) -> Path:
        return self.path / "workspace/results"

    def statement(self) -> Any:
        return opened(self.results / PROVENANCE)


def opened(provenance: Path) -> Any:
    return json.loads(base64.b64decode(json.loads(provenance.read_text())["payload"]))


def runs(engine: Engine, python: str) -> bool:
    return engine.run(python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").returncode == 0


def follow(engine: Engine, path: Path) -> Attested:
    """Do what the how-to says, in a directory of that user."""
    python = next((found for found in ("python3", "/usr/bin/python3") if runs(engine, found)), None)
    if python is None:
        pytest.skip(f"{engine.name} can run no Python that is new enough")
    for name in ("bin", "srpms", "build"):
        (path / name).mkdir(parents=True)
    (path / "bin/hermetic-rpm").write_text(f'#!/bin/sh\nexec {python} -P -m hermetic_rpm.runner "$@"\n')
    (path / "bin/hermetic-rpm").chmod(0o755)
    shutil.copy(sample("hello"), path / "srpms")
    shutil.copy(ROOT / "pipeline.yaml", path)
    shutil.copytree(ROOT / "targets", path / "targets")
    shutil.copytree(DEMO, path / "build/demo")
    (path / "passphrase").write_text(f"{PHRASE}\n")
    owner = engine.home.stat()
    for one in (path, *path.rglob("*")):
        os.chown(one, owner.st_uid, owner.st_gid)
    more = {
        "PATH": f"{path / 'bin'}:{engine.environment['PATH']}",
        "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    mine = Engine(name=engine.name, prefix=engine.prefix, environment={**engine.environment, **more}, home=path)
    said = {
        name: mine.run("bash", "-euc", commands(HOW_TO, name), check=True)
        for name in ("key", "attest", "verify", "openssl")
    }
    return Attested(engine=mine, path=path, said=said)


@pytest.fixture(scope="session")
def followed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Attested]:
    """The how-to followed by a user, once: tests only look at it."""
    made: dict[str, Attested] = {}

    def find(who: str) -> Attested:
        if who not in made:
            engine: Engine = request.getfixturevalue(who)
            top = tmp_path_factory.mktemp("attested") if who == "rootful" else engine.home
            made[who] = follow(engine, top / "attested")
        return made[who]

    return find


@pytest.fixture
def copy(followed: Callable[[str], Attested], tmp_path: Path) -> Attested:
    """A copy to alter."""
    source = followed("rootful")
    path = tmp_path / "copy"
    for name in ("lock", "repo", "results"):
        shutil.copytree(source.path / "workspace" / name, path / "workspace" / name, symlinks=True)
    for name in ("attestation.key", "attestation.pub", "passphrase"):
        shutil.copy(source.path / name, path)
    return Attested(engine=source.engine, path=path, said={})


def verify(results: Path, *words: str | Path) -> tuple[int, dict[str, dict[str, str]], str]:
    """The exit code of `verify`, its checks by name, and what it said beside."""
    done = runner("verify", results, "--json", *words, environment=dict(os.environ))
    found = json.loads(done.stdout)["checks"] if done.stdout else []
    return done.returncode, {check["name"]: check for check in found}, done.stderr


def failed(checks: dict[str, dict[str, str]]) -> set[str]:
    return {name for name, check in checks.items() if check["state"] == "failed"}


@ATTESTED
@pytest.mark.parametrize("who", USERS)
def test_the_commands_of_the_how_to_prove_what_it_says(followed: Callable[[str], Attested], who: str) -> None:
    told = followed(who).said["verify"].stdout.splitlines()
    states = {line[:14].rstrip(): line[14:26].rstrip() for line in told}
    assert states == {
        **dict.fromkeys(("signature", "subjects", "byproducts", "lock", "repository", "SBOM"), "proved"),
        **dict.fromkeys(("source RPM", "inputs", "isolation", "stage images"), "proved"),
        **dict.fromkeys(("policy", "reproducible"), "not proved"),
    }
    assert "Verified Successfully" in followed(who).said["openssl"].stdout


@ATTESTED
@pytest.mark.parametrize("who", USERS)
def test_every_file_that_went_in_is_named_by_its_own_sha256(followed: Callable[[str], Attested], who: str) -> None:
    done = followed(who)
    found = done.statement()
    named: dict[str, dict[str, str]] = {}
    for one in found["predicate"]["buildDefinition"]["resolvedDependencies"]:
        named.setdefault(one["annotations"]["kind"], {})[one["name"]] = one["digest"]["sha256"]
    sums = lambda *paths: {path.name: sha256sum(path) for path in paths}  # noqa: E731
    workspace = done.path / "workspace"
    assert named["rpm"] == sums(*(workspace / "repo").glob("*.rpm"))
    assert named["source-rpm"] == sums(*(done.path / "srpms").iterdir())
    assert named["lockfile"] == sums(workspace / "lock/buildroot_lock.json")
    assert named["sidecar"] == sums(workspace / "lock/buildroot_lock.sources.json")
    assert named["key"] == {f"keys/{path.name}": sha256sum(path) for path in (workspace / "lock/keys").iterdir()}
    assert named["pipeline"] == sums(done.path / "pipeline.yaml")
    assert list(named["target"].values()) == [sha256sum(done.path / "targets/demo-dnf5-x86_64.yaml")]
    assert list(named["bootstrap-image"].values()) == [
        sha256sum(path) for path in (workspace / "repo").rglob("manifest.json")
    ]
    images = {}
    for stage in ("resolver", "fetcher", "builder"):
        image = f"localhost/hermetic-rpm/{stage}:latest"
        digest = done.engine.run("podman", "image", "inspect", "--format={{.Digest}}", image, check=True).stdout
        images[stage] = digest.strip().removeprefix("sha256:")
    assert named["stage-image"] == images
    assert {one["name"]: one["digest"]["sha256"] for one in found["subject"]} == sums(*done.results.glob("*.rpm"))


@CLAIMS
@pytest.mark.parametrize("who", USERS)
def test_podman_says_how_each_stage_was_confined(followed: Callable[[str], Attested], who: str) -> None:
    inside = followed(who).statement()["predicate"]["buildDefinition"]["internalParameters"]
    stages = {stage["name"]: stage["container"] for stage in inside["observedByRunner"]["stages"]}
    builder = stages["builder"]
    assert builder["network_mode"] == "none"
    assert stages["resolver"]["network_mode"] != "none"
    assert stages["fetcher"]["effective_capabilities"] == ["CAP_DAC_OVERRIDE"]
    for stage in stages.values():
        assert stage["read_only_root"] is True
        assert stage["privileged"] is False
        assert stage["security_options"] == ["no-new-privileges"]
        assert stage["devices"] == []
    written = {mount["target"] for mount in builder["mounts"] if not mount["read_only"]}
    assert written == {"/results", "/work"}
    assert inside["claimedByBuild"]["network_interfaces_outside"] == ["lo"]


@ATTESTED
def test_the_passphrase_is_nowhere(followed: Callable[[str], Attested]) -> None:
    done = followed("rootful")
    for said in done.said.values():
        assert PHRASE not in said.stdout + said.stderr
    assert PHRASE not in json.dumps(done.statement())


@ATTESTED
def test_the_same_results_are_attested_in_the_same_bytes(followed: Callable[[str], Attested], tmp_path: Path) -> None:
    done = followed("rootful")
    again = done.engine.run(
        "hermetic-rpm", "attest", done.results, "--key", "attestation.key", "--passphrase-file", "passphrase",
        "--output", tmp_path / "again", check=True,
    )  # fmt: skip
    assert again.stdout == f"{tmp_path / 'again'}\n"
    assert (tmp_path / "again").read_bytes() == (done.results / PROVENANCE).read_bytes()


@CLAIMS
def test_a_build_by_podman_alone_proves_no_isolation(hello_copy: Workspace, copy: Attested) -> None:
    """Whatever the builder leaves in its results: the record of another run in there is not read either."""
    results = hello_copy.path / "results"
    (results / "run.json").write_text("{}")
    attest = ("attest", results, "--key", copy.path / "attestation.key", "--passphrase-file", copy.path / "passphrase")
    done = runner(*attest, environment=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "is only its own claim" in done.stderr
    code, checks, _ = verify(results, "--key", copy.path / "attestation.pub")
    assert code == 0
    unproved = {name for name, check in checks.items() if check["state"] == "not proved"}
    assert unproved >= {"inputs", "isolation", "stage images"}
    assert checks["signature"]["state"] == "proved"
    code, checks, _ = verify(results, "--key", copy.path / "attestation.pub", "--require", "isolation")
    assert (code, failed(checks)) == (MISMATCH, {"isolation"})


@ATTESTED
def test_a_lock_without_sidecar_is_attested_by_what_the_repository_holds(hello_copy: Workspace) -> None:
    (hello_copy.path / "lock/buildroot_lock.sources.json").unlink()
    shutil.rmtree(hello_copy.path / "repo/repodata")
    assert hello_copy.build(sample("hello")).returncode == 0
    results = hello_copy.path / "results"
    done = runner("attest", results, environment=dict(os.environ))
    assert done.returncode == 0, done.stderr
    statement = json.loads((results / PROVENANCE).read_text())
    named = {
        one["name"]: one["digest"]["sha256"]
        for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        if one["annotations"] == {"kind": "rpm", "knownFrom": "attest"}
    }
    assert named == {path.name: sha256sum(path) for path in (hello_copy.path / "repo").glob("*.rpm")}
    code, checks, _ = verify(results)
    assert code == 0, failed(checks)
    package = next(path for path in (hello_copy.path / "repo").glob("*.rpm"))
    flip(package)
    code, checks, _ = verify(results)
    assert (code, failed(checks)) == (MISMATCH, {"repository"})


def sha256sum(path: Path) -> str:
    """As coreutils say it, not as the project does."""
    return subprocess.run(("sha256sum", path), check=True, capture_output=True, text=True).stdout[:64]


def flip(path: Path) -> None:
    """Alter one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def first(directory: Path, pattern: str) -> Path:
    return min(directory.glob(pattern))


def reopen(path: Path, alter: Callable[[Any], None]) -> None:
    """Alter the statement in an envelope, whose signature stays."""
    envelope = json.loads(path.read_text())
    statement = opened(path)
    alter(statement)
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    path.write_text(json.dumps(envelope))


def details(statement: Any) -> Any:
    return statement["predicate"]["runDetails"]


def resign(path: Path) -> None:
    envelope = json.loads(path.read_text())
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[10] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    path.write_text(json.dumps(envelope))


def bare(path: Path) -> None:
    path.write_text(json.dumps(opened(path)))


FILES: dict[str, tuple[Callable[[Path], None], int, set[str]]] = {
    "a package": (lambda w: flip(first(w / "results", "hello-2*.x86_64.rpm")), MISMATCH, {"subjects", "SBOM"}),
    "a package gone": (lambda w: first(w / "results", "*.rpm").unlink(), MISMATCH, {"subjects", "SBOM"}),
    "another package": (
        lambda w: shutil.copy(first(w / "repo", "*.rpm"), w / "results"), MISMATCH, {"subjects"}
    ),
    "a log": (lambda w: flip(w / "results/build.log"), MISMATCH, {"byproducts"}),
    "a bill of materials": (lambda w: flip(w / "results/sbom.cdx.json"), MISMATCH, {"byproducts", "SBOM"}),
    "the repository's bill of materials": (lambda w: flip(w / "repo/sbom.spdx.json"), MISMATCH, {"SBOM"}),
    "the lockfile": (lambda w: flip(w / "lock/buildroot_lock.json"), MISMATCH, {"lock"}),
    "the sidecar": (lambda w: flip(w / "lock/buildroot_lock.sources.json"), MISMATCH, {"lock"}),
    "a key": (lambda w: flip(first(w / "lock/keys", "*")), MISMATCH, {"lock"}),
    "a package of the repository": (lambda w: flip(first(w / "repo", "bash-*.rpm")), MISMATCH, {"repository"}),
    "a stranger in the repository": (lambda w: (w / "repo/x").touch(), MISMATCH, {"repository"}),
    "the bootstrap image": (
        lambda w: flip(max((w / "repo/localhost").rglob("*"), key=lambda path: path.stat().st_size)),
        MISMATCH, {"repository"},
    ),
    "the statement": (
        lambda w: reopen(w / "results" / PROVENANCE, lambda s: details(s)["builder"].update(id="x:y")),
        UNTRUSTED, {"signature"},
    ),
    "the statement and a package": (
        lambda w: reopen(w / "results" / PROVENANCE, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),
        UNTRUSTED, {"signature", "subjects", "SBOM"},
    ),
    "an input": (
        lambda w: reopen(
            w / "results" / PROVENANCE,
            lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"][20]["digest"].update(sha256="0" * 64),
        ),
        UNTRUSTED, {"signature", "lock"},
    ),
    "the signature": (lambda w: resign(w / "results" / PROVENANCE), UNTRUSTED, {"signature"}),
    "no signature": (lambda w: bare(w / "results" / PROVENANCE), UNTRUSTED, {"signature"}),
    "no provenance": (lambda w: (w / "results" / PROVENANCE).unlink(), MISSING, set()),
    "half a provenance": (lambda w: os.truncate(w / "results" / PROVENANCE, 1000), MISSING, set()),
}  # fmt: skip


@ALTERED
@pytest.mark.parametrize("what", FILES)
def test_one_altered_byte_fails_its_check(copy: Attested, what: str) -> None:
    alter, expected, checks = FILES[what]
    alter(copy.path / "workspace")
    code, found, said = verify(copy.results, "--key", copy.path / "attestation.pub")
    assert (code, failed(found)) == (expected, checks), said


@ALTERED
def test_another_key_did_not_sign_it(copy: Attested) -> None:
    other = copy.path / "other.key"
    subprocess.run(("openssl", "genpkey", "-algorithm", "ed25519", "-out", other), check=True, capture_output=True)
    subprocess.run(("openssl", "pkey", "-in", other, "-pubout", "-out", copy.path / "other.pub"), check=True)
    code, found, _ = verify(copy.results, "--key", copy.path / "other.pub")
    assert (code, failed(found)) == (UNTRUSTED, {"signature"})
    assert {found[name]["state"] for name in ("inputs", "isolation", "stage images")} == {"not proved"}


POLICIES = {"kept": ("sidecar: required", 0, set()), "broken": ("licences: {allow: [MIT]}", MISMATCH, {"policy"})}


@ALTERED
@pytest.mark.parametrize("name", POLICIES)
def test_the_policy_is_asked(copy: Attested, name: str) -> None:
    rules, expected, checks = POLICIES[name]
    (copy.path / "policy.yaml").write_text(f"version: 1\n{rules}\n")
    code, found, said = verify(copy.results, "--policy", copy.path / "policy.yaml")
    assert (code, failed(found)) == (expected, checks), said


@ATTESTED
def test_results_that_were_altered_are_not_attested(copy: Attested) -> None:
    flip(first(copy.results, "*.rpm"))
    done = runner("attest", copy.results, environment=dict(os.environ))
    assert done.returncode == errors.ResultsAltered.exit_code
    flip(first(copy.results, "*.rpm"))
    flip(first(copy.path / "workspace/lock/keys", "*"))
    done = runner("attest", copy.results, environment=dict(os.environ))
    assert done.returncode == errors.LockMismatch.exit_code


@pytest.fixture(scope="session")
def rebuilt(followed: Callable[[str], Attested]) -> subprocess.CompletedProcess[str]:
    """What the how-to says of rebuilding, done where it was followed; the archive stays there."""
    done = followed("rootful")
    return done.engine.run("bash", "-euc", commands(HOW_TO, "rebuild"), check=True)


@REBUILT
def test_an_archive_gives_the_attested_packages_again(
    followed: Callable[[str], Attested], rebuilt: subprocess.CompletedProcess[str]
) -> None:
    done = followed("rootful")
    made = [f"{path.name}: the same, sha256 {sha256sum(path)}" for path in sorted(done.results.glob("*.rpm"))]
    assert rebuilt.stdout.splitlines()[1:] == made
    assert "signature proved" in rebuilt.stderr
    assert not list(done.path.glob(".incomplete*"))


def rebuild(done: Attested, provenance: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return done.engine.run("hermetic-rpm", "rebuild", "hello.tar", "--provenance", provenance, *words)


@REBUILT
def test_other_packages_than_the_attested_are_named(
    followed: Callable[[str], Attested], rebuilt: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    done, provenance = followed("rootful"), tmp_path / PROVENANCE
    shutil.copy(done.results / PROVENANCE, provenance)
    reopen(provenance, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64))
    found = rebuild(done, provenance, "--keep", tmp_path / "kept")
    assert found.returncode == errors.NotReproducible.exit_code, found.stderr
    assert "1 of 3 packages are not the same: hello-2.10-1.demo1.src.rpm." in found.stderr
    assert f"different, sha256 {'0' * 64} → " in found.stdout
    assert len(list((tmp_path / "kept/results").glob("*.rpm"))) == 3


FOREIGN: dict[str, tuple[Callable[[Any], None], int]] = {
    "an input": (lambda s: dependency(s, "rpm")["digest"].update(sha256="0" * 64), MISMATCH),
    "the source RPM": (lambda s: dependency(s, "source-rpm")["digest"].update(sha256="0" * 64), MISMATCH),
    "a further input": (
        lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"].append(
            {
                "name": "crates", "digest": {"sha256": "0" * 64},
                "annotations": {"kind": "input", "knownFrom": "build"},
            }
        ),
        errors.InputsDiffer.exit_code,
    ),
}  # fmt: skip


def dependency(statement: Any, kind: str) -> Any:
    named = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    return next(one for one in named if one["annotations"]["kind"] == kind)


@REBUILT
@pytest.mark.parametrize("what", FOREIGN)
def test_an_archive_of_other_inputs_is_not_built(
    followed: Callable[[str], Attested], rebuilt: subprocess.CompletedProcess[str], tmp_path: Path, what: str
) -> None:
    done, provenance = followed("rootful"), tmp_path / PROVENANCE
    alter, expected = FOREIGN[what]
    shutil.copy(done.results / PROVENANCE, provenance)
    reopen(provenance, alter)
    found = rebuild(done, provenance)
    assert (found.returncode, found.stdout) == (expected, ""), found.stderr
    found = rebuild(done, provenance, "--key", "attestation.pub")
    assert found.returncode == UNTRUSTED
    assert not list(done.path.glob(".incomplete*"))
