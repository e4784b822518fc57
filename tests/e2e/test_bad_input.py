"""What a user gets for bad input: one clear message, an exit code of its own, no half result."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from containers import Workspace, sample
from hermetic_rpm import errors

SPACE = pytest.mark.promise("5.bad", "a full disk is told as such in every phase of the builder")
COMPARED = pytest.mark.promise("2.4", "repository and lockfile are compared before anything of it runs")
pytestmark = pytest.mark.promise(
    "2.bad", "each kind of bad input has its own exit code and one message with a solution"
)


def refused(workspace: Workspace, done: object, kind: type[errors.HermeticError], directory: str, *says: str) -> None:
    """The stage ended as ``kind`` says, told so in words and in result.json, and left no product."""
    assert done.returncode == kind.exit_code, done.stderr[-3000:]
    text = done.stderr
    assert all(part in text for part in says), text[-3000:]
    assert "what to do: " in text
    assert "Traceback" not in text
    result = workspace.result(directory)
    assert result["status"] == "failed"
    assert result["error"]["kind"] == kind.__name__
    assert result["outputs"] == []
    left = {path.name for path in (workspace.path / directory).iterdir() if not path.name.endswith(".log")}
    assert left <= {"result.json", ".made.json"}


def test_not_an_rpm(workspace: Workspace, tmp_path: Path) -> None:
    bad = tmp_path / "readme.src.rpm"
    bad.write_text("not an rpm at all\n" * 50)
    refused(workspace, workspace.resolve(bad), errors.NotAnRpm, "lock", "readme.src.rpm is not an RPM")


def test_a_missing_source_rpm(workspace: Workspace, tmp_path: Path) -> None:
    refused(workspace, workspace.resolve(tmp_path / "no.src.rpm"), errors.SrpmMissing, "lock", "no.src.rpm")


def test_a_binary_rpm(workspace: Workspace, tmp_path: Path, hello: Workspace) -> None:
    binary = next(path for path in hello.rpms() if path.name.startswith("hello-2") and "x86_64" in path.name)
    done = workspace.resolve(Path(shutil.copy(binary, tmp_path)))
    refused(workspace, done, errors.BinaryRpm, "lock", "is a binary RPM", "not a source RPM")


def test_a_truncated_source_rpm(workspace: Workspace, tmp_path: Path) -> None:
    content = sample("hello").read_bytes()
    bad = tmp_path / "hello.src.rpm"
    bad.write_bytes(content[: len(content) // 2])
    refused(workspace, workspace.resolve(bad), errors.DamagedRpm, "lock", "is damaged")


def test_an_unknown_target(workspace: Workspace) -> None:
    done = workspace.resolve(sample("hello"), "demo-dnf5-x86-64")
    refused(workspace, done, errors.TargetUnknown, "lock", "Did you mean demo-dnf5-x86_64?")


@pytest.mark.parametrize("target", ["demo-dnf5-x86_64", "demo-dnf4-x86_64"])
def test_an_unsatisfiable_requirement_is_named(workspace: Workspace, target: str) -> None:
    done = workspace.resolve(sample("demo-unsatisfiable"), target)
    refused(workspace, done, errors.UnsatisfiedRequirement, "lock", "provides no-such-package >= 99")


def test_a_build_that_fails_shows_the_end_of_its_log_and_keeps_it(warm: Workspace) -> None:
    srpm = sample("demo-fails")
    assert warm.resolve(srpm).returncode == 0
    assert warm.fetch().returncode == 0
    done = warm.build(srpm)
    refused(warm, done, errors.BuildFailed, "results", "build.log")
    log = (warm.path / "results/build.log").read_text()
    marker = "demo-fails: this build fails on purpose"
    assert marker in log.splitlines()
    assert marker in done.stderr
    assert marker in "\n".join(warm.result("results")["error"]["log_tail"])


@COMPARED
def test_a_missing_file_in_the_repository(hello_copy: Workspace) -> None:
    next(hello_copy.path.glob("repo/bash-*.rpm")).unlink()
    refused(hello_copy, hello_copy.build(sample("hello")), errors.RepositoryIncomplete, "results", "lacks bash-")


@COMPARED
def test_one_rpm_too_many_in_the_repository(hello_copy: Workspace) -> None:
    shutil.copy(next(hello_copy.path.glob("repo/bash-*.rpm")), hello_copy.path / "repo/stranger-1-1.noarch.rpm")
    done = hello_copy.build(sample("hello"))
    refused(hello_copy, done, errors.RepositoryExtraFile, "results", "stranger-1-1.noarch.rpm")


@pytest.mark.parametrize(
    "place", ["keys/evil.asc", "repodata/evil.xml", "localhost/evil", "localhost/hermetic-rpm/evil"]
)
def test_a_stranger_in_a_corner_of_the_repository(hello_copy: Workspace, place: str) -> None:
    (hello_copy.path / "repo" / place).write_text("evil")
    refused(hello_copy, hello_copy.build(sample("hello")), errors.RepositoryExtraFile, "results", place)


@COMPARED
def test_one_flipped_bit_in_the_repository(hello_copy: Workspace) -> None:
    path = next(hello_copy.path.glob("repo/make-*.rpm"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(hello_copy, hello_copy.build(sample("hello")), errors.RepositoryAltered, "results", path.name)


@COMPARED
def test_one_flipped_bit_in_the_image(hello_copy: Workspace) -> None:
    layer = max((path for path in (hello_copy.path / "repo/localhost").rglob("*") if path.is_file()),
                key=lambda path: path.stat().st_size)  # fmt: skip
    with layer.open("r+b") as stream:
        stream.seek(1000)
        byte = stream.read(1)
        stream.seek(1000)
        stream.write(bytes((byte[0] ^ 1,)))
    refused(hello_copy, hello_copy.build(sample("hello")), errors.ImageInvalid, "results", "has been changed")


def test_another_source_rpm_than_the_resolved_one(hello_copy: Workspace) -> None:
    refused(hello_copy, hello_copy.build(sample("demo-fails")), errors.LockMismatch, "results", "was resolved")


def test_a_sidecar_of_another_lockfile(hello_copy: Workspace) -> None:
    path = hello_copy.path / "lock/buildroot_lock.json"
    path.write_text(path.read_text().replace('"GPL-3.0-or-later"', '"MIT"', 1))
    refused(hello_copy, hello_copy.build(sample("hello")), errors.LockMismatch, "results", "belongs to the lockfile")


def test_a_requirement_that_is_not_locked_is_named(warm: Workspace) -> None:
    """A lock of the minimal buildroot only, for a source RPM that needs more."""
    srpm = sample("demo-oddities-user")
    for done in (warm.resolve(sample("hello")), warm.fetch()):
        assert done.returncode == 0, done.stderr[-2000:]
    done = warm.build(srpm, "--allow-other-srpm")
    refused(warm, done, errors.RequirementNotLocked, "results", "demo-oddities")


def test_a_builder_with_a_network_is_refused(hello_copy: Workspace) -> None:
    done = hello_copy.build(sample("hello"), "--require-no-network", network="bridge")
    refused(hello_copy, done, errors.NetworkPresent, "results", "network interfaces", "eth0")


def test_a_swapped_lockfile_is_refused(hello_copy: Workspace) -> None:
    done = hello_copy.build(sample("hello"), "--expect", f"lockfile={'0' * 64}")
    refused(hello_copy, done, errors.LockMismatch, "results", "was expected")


def test_a_full_disk_is_said_and_leaves_nothing(workspace: Workspace) -> None:
    done = workspace.stage(
        "resolver", "--srpm", f"/input/{sample('hello').name}", "--target", "demo-dnf5-x86_64", "--output", "/small",
        mounts=(f"{sample('hello').parent}:/input:ro", f"{Path(__file__).parents[2] / 'targets'}:/targets:ro",
                f"{sample('hello').parents[1]}:/distribution:ro"),
        options=("--mount=type=tmpfs,destination=/small,tmpfs-size=16k",),
    )  # fmt: skip
    assert done.returncode == errors.DiskFull.exit_code, done.stderr[-3000:]
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@SPACE
@pytest.mark.parametrize(("phase", "size"), [("unpack", "64m"), ("buildroot", "400m")])
def test_a_full_scratch_is_told_by_the_builder(hello_copy: Workspace, phase: str, size: str) -> None:
    small = replace(hello_copy, scratch=(f"--mount=type=tmpfs,destination=/work,tmpfs-size={size}",))
    refused(small, small.build(sample("hello")), errors.DiskFull, "results", "No space left in /work/")
    assert (hello_copy.path / "results/state.log").read_text().splitlines()[-1].endswith(f"Start: {phase}")


@SPACE
def test_full_results_are_told_by_the_builder(hello_copy: Workspace) -> None:
    done = hello_copy.stage(
        "builder", "--srpm", f"/input/{sample('hello').name}",
        options=("--network=none", "--mount=type=tmpfs,destination=/results,tmpfs-size=8k"),
        mounts=(f"{sample('hello').parent}:/input:ro", f"{hello_copy.path}/lock:/lock:ro",
                f"{hello_copy.path}/repo:/repo:ro"),
    )  # fmt: skip
    assert done.returncode == errors.DiskFull.exit_code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_lock_of_another_version(hello_copy: Workspace, version: str) -> None:
    path = hello_copy.path / "lock/buildroot_lock.json"
    path.write_text(path.read_text().replace('"version": "1.1.0"', f'"version": "{version}"'))
    refused(hello_copy, hello_copy.build(sample("hello")), errors.LockInvalid, "results", "version: '1.1.0'")


def test_json_progress_is_json(workspace: Workspace) -> None:
    done = workspace.resolve(sample("hello"), "no-such-target", "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["stage"] for line in lines} == {"resolver"}
    assert {line["level"] for line in lines} >= {"error"}
