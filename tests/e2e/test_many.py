"""Many source RPMs at once, and a chain of them, in one project with one workspace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from containers import DEMO, ROOT, Engine, commands, rpm_query, with_runner
from demo.rpmbuild import Rpmbuild
from hermetic_rpm.errors import Interrupted, SomeFailed

MANY = pytest.mark.promise("6.1", "many source RPMs at once, each with a workspace of its own and one cache for all")
CHAIN = pytest.mark.promise("6.1", "a chain is built in the order of its needs, and only what changed again")
SPEC = """\
Name: {name}
Version: 1
Release: 1
Summary: One of many
License: MIT
BuildArch: noarch
{more}
%description
One of many.
%build
{build}
%install
mkdir -p %{{buildroot}}/usr/share/many
echo '{text}' > %{{buildroot}}/usr/share/many/{name}
%files
/usr/share/many/{name}
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    engine: Engine
    path: Path

    def source(self, directory: str, name: str, *, more: str = "", build: str = "true", text: str = "") -> Path:
        """Make a source RPM, on whose build nothing waits."""
        rpmbuild = Rpmbuild(home=self.path / "rpmbuild")
        rpmbuild.prepare()
        spec = rpmbuild.home / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, more=more, build=build, text=text))
        rpmbuild.source(spec, sources=rpmbuild.home)
        (self.path / directory).mkdir(exist_ok=True)
        return shutil.copy(rpmbuild.home / f"SAMPLES/{name}-1-1.src.rpm", self.path / directory)

    def run(self, command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.engine.run("bash", "-euc", command)
        sys.stderr.write(done.stderr)
        assert done.returncode == status
        return done

    def results(self, command: str, status: int = 0) -> dict[str, dict[str, Any]]:
        """What became of each, as programs read it."""
        done = self.run(f"{command.strip()} --log-format json", status)
        told = (json.loads(line) for line in done.stderr.splitlines())
        return {line["package"]: line for line in told if line["level"] == "result"}

    def file(self, package: str, name: str) -> Path:
        return self.path / "build/workspace" / package / name

    def containers(self) -> list[str]:
        """The labels of those at work on this project: others use the same podman."""
        listed = self.engine.run("podman", "ps", "--all", "--format={{.Labels}}", check=True).stdout.splitlines()
        return [labels for labels in listed if str(self.path) in labels]


@pytest.fixture(scope="module")
def project(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    path = tmp_path_factory.mktemp("many")
    shutil.copytree(ROOT / "targets", path / "targets")
    shutil.copy(ROOT / "pipeline.yaml", path)
    (path / "build").mkdir()
    (path / "build/demo").symlink_to(DEMO.resolve())
    engine = with_runner(rootful, path, XDG_STATE_HOME=str(path / "state"))
    return Project(engine=engine, path=path)


@MANY
def test_after_a_failure_none_begins_and_with_keep_going_the_others_do(project: Project) -> None:
    project.source("srpms", "broken", build="echo it breaks; false")
    project.source("srpms", "good")
    first = project.run("hermetic-rpm run srpms/broken* srpms/good*", SomeFailed.exit_code)
    log = project.file("broken-1-1", "results/build.log")
    table = [line.split() for line in first.stderr.splitlines()]
    assert ["good-1-1", "not", "run", "-", "-", "-", "-", "the", "run", "had", "ended"] in table
    assert any(row[:3] == ["broken-1-1", "failed", "builder"] and row[-1] == str(log) for row in table)
    assert "it breaks" in log.read_text()
    assert first.stdout == ""
    found = project.results(commands("build-many.md", "many"), SomeFailed.exit_code)
    assert {name: entry["result"] for name, entry in found.items()} == {"broken-1-1": "failed", "good-1-1": "built"}
    (rpm,) = (path for path in found["good-1-1"]["rpms"] if not path.endswith(".src.rpm"))
    assert Path(rpm).parent == project.file("good-1-1", "results")
    assert not list(project.file("good-1-1", "cache").iterdir())
    assert project.results("hermetic-rpm run srpms/good*")["good-1-1"]["result"] == "unchanged"


@MANY
def test_ctrl_c_ends_all_and_leaves_nothing(project: Project) -> None:
    srpms = [project.source("slow", f"slow-{number}", build="sleep 600") for number in (1, 2)]
    argv = [sys.executable, "-m", "hermetic_rpm.runner", "run", "--jobs", "2", *map(str, srpms)]
    with subprocess.Popen(
        argv, env={**project.engine.environment, "PYTHONPATH": str(ROOT)}, cwd=project.path, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        building = set[str]()
        for line in process.stderr:
            building |= {line.partition(":")[0]} if "builder starts" in line else set()
            if building == {"slow-1-1-1", "slow-2-1-1"}:
                break
        assert project.containers()
        os.kill(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == Interrupted.exit_code
    assert project.containers() == []
    assert [line.split()[1] for line in rest.splitlines() if line.startswith("slow-") and ": " not in line] == [
        "stopped", "stopped",
    ]  # fmt: skip


@CHAIN
def test_a_chain_in_the_wrong_order(project: Project) -> None:
    command = commands("build-many.md", "chain")
    project.source("chain", "app", more="BuildRequires: virtual(lib)", build="grep of-lib /usr/share/many/lib")
    project.source(
        "chain", "lib", more="BuildRequires: tool\nProvides: virtual(lib)", build="cat /usr/share/many/tool",
        text="of-lib",
    )  # fmt: skip
    project.source("chain", "tool", text="first")
    found = project.results(command)
    assert {name: entry["result"] for name, entry in found.items()} == dict.fromkeys(
        ("app-1-1", "lib-1-1", "tool-1-1"), "built"
    )
    sidecar = json.loads(project.file("app-1-1", "lock/buildroot_lock.sources.json").read_text())
    assert {entry["id"]: entry["gpgcheck"] for entry in sidecar["repositories"]}["hermetic-rpm-chain"] is False
    assert (project.file("app-1-1", "repo") / "lib-1-1.noarch.rpm").is_file()
    assert {entry["result"] for entry in project.results(command).values()} == {"unchanged"}
    project.source("chain", "tool", text="second")
    changed = project.results(command)
    assert [changed[name]["result"] for name in ("tool-1-1", "lib-1-1")] == ["built", "built"]
    (tool,) = project.file("lib-1-1", "repo").glob("tool-*.rpm")
    (made,) = project.file("tool-1-1", "results").glob("tool-*.noarch.rpm")
    assert rpm_query(tool, "%{sigmd5}") == rpm_query(made, "%{sigmd5}")
