"""From a source RPM to RPMs: by the runner, by the commands of the README, as root and rootless."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from containers import DEMO, ROOT, TARGETS, Engine, Workspace, rpm_query, runner, sample
from tests.support.documents import commands

SCRATCH = dict(zip(TARGETS, ("disk", "memory"), strict=True))


@pytest.mark.promise("2.5", "`hermetic-rpm run` drives the three stages and ends by naming what was made")
@pytest.mark.promise("5.7", "results lie flat under Mock's names, and are read back")
@pytest.mark.promise("2.done", "the RPMs that the pipeline prints are read by `rpm -qp`, for both targets")
@pytest.mark.parametrize("target", TARGETS)
def test_the_runner_turns_a_source_rpm_into_rpms(rootful: Engine, tmp_path: Path, target: str) -> None:
    done = runner(
        "run", "-p", f"srpm={sample('hello')}", "-p", f"target={target}", "-p", f"workspace={tmp_path}/workspace",
        "-p", f"output={tmp_path}/out", "-p", f"scratch={SCRATCH[target]}", environment=rootful.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    made = [Path(line) for line in done.stdout.splitlines()]
    names = sorted(rpm_query(path, "%{name}-%{arch}-%{sourcepackage}") for path in made)
    assert names == ["hello-debuginfo-x86_64-(none)", "hello-x86_64-(none)", "hello-x86_64-1"]
    assert all(path.parent == tmp_path / "out" for path in made)
    assert {path.name for path in (tmp_path / "out").glob("*.log")} == {
        "build.log", "root.log", "state.log", "hw_info.log", "installed_pkgs.log",
    }  # fmt: skip
    assert str(tmp_path / "out") in done.stderr
    for output in (tmp_path / "workspace/lock", tmp_path / "workspace/repo", tmp_path / "out"):
        mine = f"label=hermetic-rpm.output={output}"
        assert rootful.run("podman", "ps", "--all", "--quiet", "--filter", mine, check=True).stdout == ""


@pytest.mark.promise("2.7", "one `podman run` per stage works as the README says, as root and as an ordinary user")
@pytest.mark.parametrize(
    ("who", "target"), [("rootful", TARGETS[0]), ("rootless", TARGETS[0]), ("rootless", TARGETS[1])]
)
def test_the_commands_of_the_readme_work(request: pytest.FixtureRequest, tmp_path: Path, who: str, target: str) -> None:
    engine: Engine = request.getfixturevalue(who)
    place = (tmp_path if who == "rootful" else engine.home) / f"readme-{target}"
    place.mkdir()
    shutil.copytree(ROOT / "targets", place / "targets")
    (place / "srpms").mkdir()
    shutil.copy(sample("hello"), place / "srpms")
    shutil.copytree(DEMO, place / "demo")
    if who == "rootless":
        owner = engine.home.stat()
        shutil.chown(place, owner.st_uid, owner.st_gid)
    script = commands("README.md", "stages").replace("demo-dnf5-x86_64", target)
    done = engine.run("bash", "-euc", script, cwd=place)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "privileged" not in script.replace("UNPRIVILEGED", "")
    results = place / "workspace/results"
    assert {path.name.split("-")[0] for path in results.glob("*.rpm")} == {"hello"}
    assert rpm_query(next(results.glob("hello-2*.x86_64.rpm")), "%{name} %{buildhost}") == "hello hermetic-rpm"


@pytest.mark.promise("2.4", "the resolver finds generated build requirements in two rounds and names both in its log")
@pytest.mark.parametrize("target", TARGETS)
def test_two_rounds_of_generated_requirements(workspace: Workspace, target: str) -> None:
    srpm = sample("demo-dynamic")
    workspace.whole(srpm, target)
    progress = workspace.log[0]
    assert "round 1 of %generate_buildrequires: " in progress
    assert "round 2 of %generate_buildrequires: " in progress
    assert "round 3 of %generate_buildrequires: " in progress
    rounds = [line for line in progress.splitlines() if "%generate_buildrequires" in line]
    assert "new: " in rounds[1]
    assert "nothing new" in rounds[2]
    sidecar = json.loads((workspace.path / "lock/buildroot_lock.sources.json").read_text())
    assert len(sidecar["requirements"]["dynamic"]) == 2
    built = next(path for path in workspace.rpms() if path.name.endswith(".src.rpm"))
    assert "demo" in rpm_query(built, "[%{REQUIRENAME}\n]")
