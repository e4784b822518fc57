"""The lockfile and the buildroot made from it, against what rpm and dnf themselves say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers import DEMO, ROOT, SANDBOX, TARGETS, Workspace, sample
from hermetic_rpm.lock.join import load
from hermetic_rpm.runner.lock_why import answers

INSIDE = Path(__file__).with_name("inside_container.py")


def inside(workspace: Workspace, stage: str, *arguments: str, network: str = "none") -> str:
    """Run tests/e2e/inside_container.py in a stage's image, under the stage's own restrictions."""
    done = workspace.engine.run(
        "podman", "run", "--rm", "--read-only", "--cap-drop=all", f"--cap-add={SANDBOX}",
        "--security-opt=no-new-privileges", f"--network={network}", "--entrypoint=/usr/bin/python3",
        "-v", f"{INSIDE}:/inside.py:ro", "-v", f"{workspace.path}:/workspace", "-v", f"{DEMO}:/distribution:ro",
        "-v", f"{ROOT / 'targets'}:/targets:ro",
        f"localhost/hermetic-rpm/{stage}", "-IB", "/inside.py", *arguments,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.promise("2.done", "the lockfile's rows equal what `rpm -qa` in Mock's format gives, in the same order")
def test_the_rows_are_those_of_rpm_in_the_buildroot_itself(hello: Workspace) -> None:
    rows = json.loads((hello.path / "lock/buildroot_lock.json").read_text())["buildroot"]["rpms"]
    lines = inside(hello, "builder", "query").splitlines()
    expected = []
    for line in sorted(lines):
        name, arch, licence, version, release, epoch, sigmd5, signature = line.split("|/@")
        expected.append((name, arch, licence, version, release, None if epoch == "(none)" else epoch, sigmd5,
                         None if signature == "(none)" else signature[-8:]))  # fmt: skip
    fields = ("name", "arch", "license", "version", "release", "epoch", "sigmd5", "signature")
    assert [tuple(row[key] for key in fields) for row in rows] == expected
    assert len(expected) > 100


@pytest.mark.promise("4.6", "comps and modules of the target's repositories are in the offline repository")
@pytest.mark.promise("4.7", "`--sources` fetches the source RPMs of all locked packages")
def test_comps_modules_and_every_source_rpm_are_locked_and_fetched(hello_copy: Workspace) -> None:
    sidecar = load(hello_copy.path / "lock/buildroot_lock.json").sidecar
    assert sidecar is not None
    assert [file.kind for file in sidecar.metadata] == ["group", "modules"]
    names = [path.name.partition("-")[2] for path in (hello_copy.path / "repo/repodata").iterdir()]
    assert {"comps.xml.gz", "modules.yaml.gz"} <= {*names}
    assert {entry.name for entry in sidecar.sources or ()} == {rpm.source for rpm in sidecar.rpms}
    (hello_copy.path / "sources").mkdir()
    done = hello_copy.fetch("--sources", "/workspace/sources")
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(tuple((hello_copy.path / "sources").glob("*.src.rpm"))) == len(sidecar.sources or ())


@pytest.mark.promise("5.4", "the installed set equals the lock, or the build ends")
@pytest.mark.promise("2.done", "the tree that the builder installs equals the one that plain `dnf install` makes")
@pytest.mark.parametrize("target", TARGETS)
def test_the_installed_tree_is_that_of_dnf(workspace: Workspace, target: str) -> None:
    srpm = sample("demo-oddities-user")
    for done in (workspace.resolve(srpm, target), workspace.fetch()):
        assert done.returncode == 0, done.stderr[-3000:]
    ours = json.loads(inside(workspace, "builder", "tree"))
    theirs = json.loads(inside(workspace, "resolver", "dnf-tree", target))
    assert len(ours) > 3000
    assert sorted(set(ours) ^ set(theirs)) == []
    assert [(path, ours[path], theirs[path]) for path in ours if ours[path] != theirs[path]] == []


@pytest.mark.promise("3.9", "lock why explains every package of a real lock, with both package managers")
@pytest.mark.parametrize("target", TARGETS)
def test_every_package_is_there_for_a_reason(workspace: Workspace, target: str) -> None:
    done = workspace.resolve(sample("demo-oddities-user"), target)
    assert done.returncode == 0, done.stderr[-3000:]
    lock = load(workspace.path / "lock/buildroot_lock.json")
    rows = lock.lockfile.rpms
    assert [rpm.nevra for rpm in rows if not all(ways for _, ways in answers(lock, rpm.nevra))] == []
    ((_, ways),) = answers(lock, "demo-tool")
    assert [(way.origin.value, [rows[row].name for row in way.rows]) for way in ways] == [
        ("BuildRequires", ["demo-tool"])
    ]
