"""Limits of a build: time, processes and memory, and what the result says of those that hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from containers import Workspace
from hermetic_rpm import errors

LIMITS = pytest.mark.promise("5.5", "limits of processes and memory hold, and the result says which the host has")
SPEC = """
Name: greedy
Version: 1
Release: 1
Summary: Takes what it can get
License: MIT
BuildArch: noarch
%description
Greedy.
%build
{build}
%files
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""
EATS = "head --bytes=3G /dev/zero | tail > /dev/null"
"""A process that holds 3 GiB before it writes any of it."""


@pytest.fixture
def build(hello_copy: Workspace, tmp_path: Path) -> Callable[..., tuple[subprocess.CompletedProcess[str], Workspace]]:
    """Build a spec whose %build has these lines, with these arguments, in a container with these options."""
    (hello_copy.path / "lock/buildroot_lock.sources.json").unlink()  # it is bound to another source RPM
    shutil.rmtree(hello_copy.path / "repo/repodata")

    def run(
        lines: str, *arguments: str, options: tuple[str, ...] = ()
    ) -> tuple[subprocess.CompletedProcess[str], Workspace]:
        (tmp_path / "greedy.spec").write_text(SPEC.format(build=lines))
        command = ["rpmbuild", "-bs", "--quiet", "--define", f"_topdir {tmp_path}/top", tmp_path / "greedy.spec"]
        subprocess.run(command, check=True)
        engine = replace(hello_copy.engine, home=tmp_path)  # conmon leaves a file "oom" where podman was called
        workspace = Workspace(engine=engine, path=hello_copy.path, options=options, scratch=())
        return workspace.build(tmp_path / "top/SRPMS/greedy-1-1.src.rpm", *arguments), workspace

    return run


@LIMITS
def test_a_build_that_the_kernel_ends_for_memory_is_told_as_such(build) -> None:
    done, workspace = build(f"echo before\n{EATS}", options=("--memory=512m",))
    assert done.returncode == errors.OutOfMemory.exit_code, done.stderr[-3000:]
    result = workspace.result("results")
    assert result["error"]["kind"] == "OutOfMemory"
    assert result["facts"]["limits"]["container_memory"] == 512 << 20
    assert result["facts"]["memory_kills"] >= 1
    assert any("Killed" in line for line in result["error"]["log_tail"])


@LIMITS
def test_a_build_that_goes_on_after_that_succeeds_and_tells(build) -> None:
    done, workspace = build(f"! {EATS}", options=("--memory=512m",))
    assert done.returncode == 0, done.stderr[-3000:]
    assert workspace.result("results")["facts"]["memory_kills"] >= 1


@LIMITS
def test_memory_of_each_process_can_be_limited_where_no_cgroup_can(build) -> None:
    done, workspace = build(EATS, "--process-memory", "300m")
    assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-3000:]
    assert "memory exhausted" in (workspace.path / "results/build.log").read_text()
    facts = workspace.result("results")["facts"]
    assert facts["limits"]["process_memory"] == 300 << 20
    assert facts["limits"]["container_memory"] is None
    assert not facts["memory_kills"]


@LIMITS
def test_processes_of_the_build_can_be_limited(build) -> None:
    forks = """perl -e 'for (1..100) { my $p = fork; defined $p or die "after $_: $!\\n"; $p or sleep 1000 }'"""
    done, workspace = build(forks, "--processes", "60")
    assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-3000:]
    log = (workspace.path / "results/build.log").read_text()
    found = re.search(r"^after (\d+): Resource temporarily unavailable", log, re.MULTILINE)
    assert found is not None
    assert int(found[1]) < 60
    assert workspace.result("results")["facts"]["limits"]["processes"] == 60


@pytest.mark.promise("5.5", "a time limit ends every process of the build")
def test_the_time_limit_ends_what_hides_from_it(build) -> None:
    hidden = "(setsid sh -c 'trap \"\" TERM HUP INT; touch up.$$; sleep 1000' < /dev/null &)"
    lines = (
        f"for i in 1 2 3; do {hidden}; done",
        "until test $(ls up.* | wc -l) = 3; do sleep 0.1; done",
        "echo all-up; sleep 1000",
    )
    done, workspace = build("\n".join(lines), "--timeout", "15")
    assert done.returncode == errors.BuildTimeout.exit_code, done.stderr[-3000:]
    log = (workspace.path / "results/build.log").read_text()
    assert "\nall-up\n" in log
    ended = re.search(r"ended (\d+) processes", log)
    assert ended is not None
    assert int(ended[1]) >= 3
    assert workspace.result("results")["facts"]["limits"]["seconds"] == 15
