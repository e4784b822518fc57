"""The buildroot of a failed build, kept and entered as the how-to says, as root and as an ordinary user."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from containers import ROOT, Engine, Workspace, commands
from hermetic_rpm import errors
from tests.support import terminal

HOW_TO = "debug-a-failed-build.md"
ENTERED = pytest.mark.promise("5.5", "a failed build's root can be entered offline")
USERS = ("rootful", "rootless")
SPEC = """
Name: broken
Version: 1
Release: 1
Summary: Fails unless it is asked not to
License: MIT
BuildArch: noarch
%global seen %(env | sort > /builddir/rpmbuild-environment)
%description
Broken.
%prep
mkdir source
%build
echo evidence > config.log
{build}
%files
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""
FAILS = "echo the-line-that-fails; exit 3"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A directory of one user with a pipeline whose only stage is the builder, a lock and a repository."""

    engine: Engine
    path: Path

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        return self.engine.run(*argv, cwd=self.path)

    def documented(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.run("bash", "-uc", commands(HOW_TO, name))

    def shell(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("hermetic-rpm", "shell", *arguments)

    def session(self, script: str) -> contextlib.AbstractContextManager[terminal.Session]:
        """A command line on a terminal of its own."""
        argv = (*self.engine.prefix, "bash", "-uc", script)
        return terminal.session(argv, cwd=self.path, env=self.engine.environment, rows=31, columns=97)

    def containers(self) -> list[str]:
        """What there is of this project's containers."""
        mounted = "{{range .Mounts}}{{.Source}}\n{{end}}"
        every = self.run("podman", "ps", "--all", "--quiet").stdout.split()
        mine = str(self.path / "workspace/repo")
        return [one for one in every if mine in self.run("podman", "inspect", f"--format={mounted}", one).stdout]

    def result(self) -> dict[str, object]:
        loaded: dict[str, object] = json.loads((self.path / "workspace/results/result.json").read_text())
        return loaded


def give_to(owner: os.stat_result, *paths: Path) -> None:
    for top in paths:
        for path in (top, *top.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def source_rpm(place: Path, build: str) -> None:
    """broken-1-1.src.rpm whose %build has these lines."""
    top = place / "rpmbuild"
    top.mkdir()
    (top / "broken.spec").write_text(SPEC.format(build=build))
    subprocess.run(["rpmbuild", "-bs", "--quiet", "--define", f"_topdir {top}", top / "broken.spec"], check=True)
    shutil.move(top / "SRPMS/broken-1-1.src.rpm", place / "broken-1-1.src.rpm")
    shutil.rmtree(top)


def runs(engine: Engine, python: str) -> bool:
    return engine.run(python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").returncode == 0


@pytest.fixture(scope="session")
def project_of(hello: Workspace) -> Iterator[Callable[[Engine, str, Path, str], Project]]:
    """Make a project of a user at a place, whose build has these lines and whose builder has these arguments."""

    def make(engine: Engine, place: Path, build: str, *arguments: str, memory: str = "") -> Project:
        python = next((found for found in ("python3", "/usr/bin/python3") if runs(engine, found)), None)
        if python is None:
            pytest.skip(f"{engine.name} can run no Python that is new enough")
        (place / "bin").mkdir(parents=True)
        (place / "bin/hermetic-rpm").write_text(f'#!/bin/sh\nexec {python} -P -m hermetic_rpm.runner "$@"\n')
        (place / "bin/hermetic-rpm").chmod(0o755)
        for name in ("lock", "repo"):
            shutil.copytree(hello.path / name, place / "workspace" / name, symlinks=True)
        (place / "workspace/lock/buildroot_lock.sources.json").unlink()  # it is bound to another source RPM
        shutil.rmtree(place / "workspace/repo/repodata")
        pipeline = YAML().load(ROOT / "pipeline.yaml")
        builder = next(stage for stage in pipeline["stages"] if stage["kind"] == "builder")
        del builder["expects"]["sidecar"]
        builder["arguments"] += arguments
        if memory:
            builder["resources"] = {"memory": memory}
        pipeline["stages"] = [builder]
        YAML().dump(pipeline, place / "pipeline.yaml")
        source_rpm(place, build)
        give_to(engine.home.stat(), place)
        more = {
            "PATH": f"{place / 'bin'}:{engine.environment['PATH']}",
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        mine = Engine(
            name=engine.name, prefix=engine.prefix, environment={**engine.environment, **more}, home=engine.home
        )
        return Project(engine=mine, path=place)

    return make


@pytest.fixture(scope="session")
def failed(
    request: pytest.FixtureRequest, project_of: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Project]:
    """The project of a user whose build failed and was kept, made once: tests only look at it."""
    made: dict[str, Project] = {}

    def find(who: str) -> Project:
        if who not in made:
            engine: Engine = request.getfixturevalue(who)
            place = (tmp_path_factory.mktemp("failed") if who == "rootful" else engine.home) / "failed-build"
            made[who] = project_of(engine, place, FAILS)
            done = made[who].documented("keep")
            assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-4000:]
            assert "hermetic-rpm shell workspace/failed --pipeline pipeline.yaml --repository " in done.stderr
            assert "| the-line-that-fails" in done.stderr
        return made[who]

    return find


@ENTERED
@pytest.mark.parametrize("who", USERS)
def test_a_command_in_a_kept_buildroot(failed: Callable[[str], Project], who: str) -> None:
    project = failed(who)
    assert project.result()["facts"]["buildroot_kept"] is True
    done = project.documented("command")
    assert done.returncode == 0, done.stderr
    assert (project.path / "config.log").read_text() == "evidence\n"
    seen = project.shell("workspace/failed", "--", "sh", "-c", "whoami; cut -d: -f1 /proc/net/dev | tail -n +3; exit 7")
    assert (seen.returncode, seen.stdout.split()) == (7, ["mockbuild", "lo"])
    root = project.shell("workspace/failed", "--root", "--", "sh", "-c", "id -u; echo > /dev/tcp/192.0.2.1/80")
    assert (root.returncode, root.stdout) == (1, "0\n")
    assert "unreachable" in root.stderr
    assert project.shell("workspace/failed", "--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL
    assert project.containers() == []


@ENTERED
@pytest.mark.parametrize("who", USERS)
def test_a_kept_buildroot_is_what_rpmbuild_saw(failed: Callable[[str], Project], who: str) -> None:
    """The same environment and mounts; the repository is there, and cannot be written."""
    project = failed(who)
    ask = "env | sort; echo; ls -d /hermetic_repo/bash-*; touch /hermetic_repo/x; ls -l /proc/self/fd | wc -l"
    now, _, rest = project.shell("workspace/failed", "--", "sh", "-c", ask).stdout.partition("\n\n")
    then = project.shell("workspace/failed", "--", "cat", "/builddir/rpmbuild-environment").stdout
    shells_own = ("PWD=", "OLDPWD=", "SHLVL=", "_=")
    mine, theirs = ([line for line in text.splitlines() if not line.startswith(shells_own)] for text in (now, then))
    assert mine == theirs
    assert rest.startswith("/hermetic_repo/bash-")
    assert not (project.path / "workspace/repo/x").exists()
    assert rest.split()[-1] == "5"  # a headline, the three of every process, and that of ls itself


@ENTERED
@pytest.mark.parametrize("who", USERS)
def test_a_shell_on_a_terminal(failed: Callable[[str], Project], who: str) -> None:
    project = failed(who)
    with project.session(commands(HOW_TO, "enter")) as shell:
        assert "rpmbuild was: rpmbuild -bb --target x86_64 /builddir/build/SPECS/broken.spec" in shell.see("$ ")
        shell.type("stty size; echo [$((1+1))]\n")
        assert "31 97" in shell.see("[2]")
        shell.resize(40, 120)
        shell.type("until test \"$(stty size)\" = '40 120'; do sleep 0.1; done; echo [$((1+2))]\n")
        shell.see("[3]")
        # exec: a shell that waits for its vforked child cannot be stopped, and would be seen neither to stop nor to end
        shell.type("sh -c 'echo [$((2+2))]; exec sleep 1000'\n")
        shell.see("[4]")
        shell.type("\x03")  # Ctrl-C is for what the shell runs, not for the shell nor for us
        shell.type("echo [$?]\n")
        shell.see("[130]")
        shell.type("sh -c 'echo [$((2+3))]; exec sleep 1000'\n")
        shell.see("[5]")
        shell.type("\x1a")  # Ctrl-Z
        shell.see("Stopped")
        # bash does not wait for a job it believes stopped, and does not end at once while it has one
        shell.type('kill -9 %1; until test -z "$(jobs -s)"; do sleep 0.1; done\n')
        shell.type("exit 9\n")
        assert shell.end() == 9
    assert project.containers() == []


@ENTERED
@pytest.mark.parametrize("who", USERS)
def test_a_shell_ends_with_its_terminal(failed: Callable[[str], Project], who: str) -> None:
    project = failed(who)
    stubborn = "trap '' HUP TERM INT; echo up; sleep 1000"
    with project.session(f'exec hermetic-rpm shell workspace/failed -- sh -c "{stubborn}"') as shell:
        shell.see("up")
        assert project.containers() != []
        shell.hang_up()
        assert shell.end() == errors.Interrupted.exit_code
    while project.containers():  # podman may still be removing it
        time.sleep(0.1)


@ENTERED
@pytest.mark.parametrize("who", USERS)
def test_a_kept_buildroot_is_not_overwritten_and_can_be_removed(
    rootful: Engine, request: pytest.FixtureRequest, project_of: Callable[..., Project], tmp_path: Path, who: str
) -> None:
    engine: Engine = request.getfixturevalue(who)
    project = project_of(engine, (tmp_path if who == "rootful" else engine.home) / "removed", FAILS)
    assert project.documented("keep").returncode == errors.BuildFailed.exit_code
    assert project.documented("keep").returncode == errors.OutputRefused.exit_code
    done = project.documented("remove")
    assert done.returncode == 0, done.stderr
    assert not (project.path / "workspace/failed").exists()
    (project.path / "workspace/failed").mkdir()
    assert project.shell("workspace/failed").returncode == errors.KeptUnusable.exit_code


def test_a_build_that_succeeds_keeps_nothing(
    rootful: Engine, project_of: Callable[..., Project], tmp_path: Path
) -> None:
    project = project_of(rootful, tmp_path / "project", "")
    done = project.documented("keep")
    assert done.returncode == 0, done.stderr[-4000:]
    assert not (project.path / "workspace/failed").exists()
    assert "buildroot_kept" not in project.result()["facts"]


@pytest.mark.promise("5.5", "the log is live: what rpmbuild prints is shown while it runs")
def test_the_log_is_live_and_an_interrupted_build_is_not_kept(
    rootful: Engine, project_of: Callable[..., Project], tmp_path: Path
) -> None:
    project = project_of(rootful, tmp_path / "project", "echo now-it-runs; sleep 1000", "--timeout", "300")
    argv = (
        "hermetic-rpm",
        "run",
        "-p",
        "srpm=broken-1-1.src.rpm",
        "-p",
        "workspace=workspace",
        "--keep-failed",
        "kept",
    )
    with subprocess.Popen(
        argv, cwd=project.path, env=project.engine.environment, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert any(line == "  | now-it-runs\n" for line in child.stderr)
        child.send_signal(signal.SIGTERM)
        child.stderr.read()
        assert child.wait() == errors.Interrupted.exit_code
    assert not (project.path / "kept").exists()
    assert project.containers() == []


@pytest.mark.promise("5.5", "limits of processes and memory hold, and the result says which the host has")
def test_lack_of_memory_is_told_through_the_runner(
    rootful: Engine, project_of: Callable[..., Project], tmp_path: Path
) -> None:
    eats = "head --bytes=3G /dev/zero | tail > /dev/null"
    project = project_of(rootful, tmp_path / "project", eats, memory="512m")
    done = project.documented("keep")
    assert done.returncode == errors.OutOfMemory.exit_code, done.stderr[-4000:]
    assert "for lack of memory" in done.stderr
    assert project.shell("workspace/failed", "--", "cat", "config.log").stdout == "evidence\n"
