"""Source RPMs that attack: each named for what it tries, contained, and gone when the stage ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hostile_packages
import pytest

from containers import Workspace
from hermetic_rpm import errors

pytestmark = [
    pytest.mark.promise("2.4", "a hostile spec is contained: what it starts ends with it, what it plants is refused"),
    pytest.mark.promise("5.bad", "a suite of hostile source RPMs and packages is contained in the builder"),
]


@pytest.fixture(params=["rootful", "rootless"])
def minimal(request: pytest.FixtureRequest, hello: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The lock and repository of a minimal buildroot, of either user."""
    with hostile_packages.bare_copy(hello, request.getfixturevalue(request.param), tmp_path / "minimal") as made:
        yield made


@pytest.mark.promise("3.bad", "a spec that does not parse, or does not end, is told")
def test_a_spec_that_loops_is_ended(workspace: Workspace, attack) -> None:
    srpm = attack(prep="%(if test -d /builddir; then sleep 1000; fi)")
    done = workspace.resolve(srpm, "demo-dnf5-x86_64", "--timeout", "3")
    assert done.returncode == errors.BuildTimeout.exit_code, done.stderr[-3000:]
    assert "was ended after 3 seconds" in done.stderr


@pytest.mark.promise("5.4", "the offline repository is in sight of the build, as with Mock, and cannot be written")
def test_the_offline_repository_can_be_read_only(minimal: Workspace, attack) -> None:
    spoil = "! touch /hermetic_repo/x && ! rm -f /hermetic_repo/bash-*.rpm"
    srpm = attack(build=f"rpm -qp --nosignature /hermetic_repo/bash-*.rpm\n{spoil}")
    done = minimal.build(srpm)
    assert done.returncode == 0, done.stderr[-3000:]
    assert list((minimal.path / "repo").glob("bash-*.rpm"))


@pytest.mark.promise("5.3", "another source RPM than the resolved one is built on request only, and recorded")
def test_another_source_rpm_can_be_allowed(hello_copy: Workspace, attack) -> None:
    srpm = attack()
    assert hello_copy.build(srpm).returncode == errors.LockMismatch.exit_code
    done = hello_copy.build(srpm, "--allow-other-srpm")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "is not the source RPM that was resolved" in done.stderr
    assert hello_copy.result("results")["facts"]["srpm_was_resolved"] is False


def test_daemons_end_with_the_build(minimal: Workspace, attack) -> None:
    # rpmbuild ends the jobs of its own shell, so these are nobody's jobs.
    daemon = """(setsid sh -c 'trap "" TERM HUP INT; exec sleep 1000' </dev/null &)"""
    srpm = attack(build=f"for i in 1 2 3; do {daemon}; done")
    done = minimal.build(srpm)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ended 3 processes that were left behind" in (minimal.path / "results/build.log").read_text()


def test_a_fork_bomb_is_ended_in_time(minimal: Workspace, attack) -> None:
    srpm = attack(build="bomb() { bomb | bomb & }; bomb; sleep 1000")
    done = minimal.build(srpm, "--timeout", "5")
    assert done.returncode in {errors.BuildTimeout.exit_code, errors.BuildFailed.exit_code}, done.stderr[-3000:]
    assert minimal.result("results")["status"] == "failed"


def test_a_build_that_kills_whoever_would_end_it_is_ended_in_time(minimal: Workspace, attack) -> None:
    srpm = attack(
        build="(for i in 1 2 3 4; do setsid sh -c 'trap \"\" TERM; while :; do kill -9 -1; done' & done) &\nsleep 1000"
    )
    started = time.monotonic()
    done = minimal.build(srpm, "--timeout", "5")
    assert done.returncode in {errors.BuildTimeout.exit_code, errors.BuildFailed.exit_code}, done.stderr[-3000:]
    assert time.monotonic() - started < 60


def test_a_build_that_fills_the_disk_is_told_so(minimal: Workspace, attack) -> None:
    """The disk is a small tmpfs of the container's own."""
    small = replace(minimal, scratch=("--mount=type=tmpfs,destination=/work,tmpfs-size=1g",))
    done = small.build(attack(build="dd if=/dev/zero of=filled bs=1M"))
    assert done.returncode == errors.DiskFull.exit_code, done.stderr[-3000:]
    assert "No space left in /work/" in done.stderr
    assert minimal.result("results")["error"]["kind"] == "DiskFull"
    assert minimal.rpms() == ()


def test_a_spec_cannot_write_outside_its_tree(minimal: Workspace, attack) -> None:
    """As mockbuild it may write where anybody may, in the buildroot; nothing of it is outside."""
    places = "/ /etc /usr /hermetic_repo /proc/1/root /proc/1/cwd /proc/sys/kernel /sys /results /repo /work"
    srpm = attack(build=f"for p in {places}; do if touch $p/escaped 2> /dev/null; then echo ESCAPED $p; fi; done")
    done = minimal.build(srpm)
    assert done.returncode == 0, done.stderr[-3000:]
    log = (minimal.path / "results/build.log").read_text().splitlines()
    assert [line for line in log if line.startswith("ESCAPED")] == []
    assert list(minimal.path.rglob("escaped")) == []


PROBE = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  int families[] = {1, 2, 10, 16, 17, 29, 30, 31, 40, 42, 44};
  for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
    int fd = socket(families[i], SOCK_DGRAM, 0);
    printf("family %d %s\n", families[i], fd >= 0 ? "made" : errno == EAFNOSUPPORT ? "unsupported" : "denied");
  }
  printf("io_uring %s\n", syscall(425, 1, 0) < 0 && errno == ENOSYS ? "refused" : "made");
}
"""


def test_only_sockets_of_the_network_namespace_can_be_made(minimal: Workspace, attack) -> None:
    """AF_VSOCK (40) would reach the hypervisor from any network namespace."""
    srpm = attack(build=f"cat > probe.c <<'EOF'\n{PROBE.replace('%', '%%')}\nEOF\ngcc -o probe probe.c\n./probe\n")
    done = minimal.build(srpm)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = (minimal.path / "results/build.log").read_text().splitlines()
    made = {int(line.split()[1]) for line in lines if line.startswith("family ") and line.endswith(" made")}
    assert made == {1, 2, 10, 16}
    assert "family 40 unsupported" in lines
    assert "io_uring refused" in lines


def test_killing_everything_in_reach_kills_only_the_build(minimal: Workspace, attack) -> None:
    srpm = attack(build="kill -9 1 $PPID 2>&1 || :; kill -9 -1")
    done = minimal.build(srpm)
    assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-3000:]
    assert minimal.result("results")["error"]["kind"] == "BuildFailed"


@pytest.mark.parametrize("minimal", ["rootful"], indirect=True)
@pytest.mark.parametrize(
    "plant",
    [
        "ln -s /etc/passwd /builddir/build/RPMS/evil-1-1.noarch.rpm",
        "mkfifo /builddir/build/RPMS/evil-1-1.noarch.rpm",
        "mkdir /builddir/build/RPMS/evil-1-1.noarch.rpm",
        "echo no rpm > /builddir/build/RPMS/evil-1-1.noarch.rpm",
        "touch '/builddir/build/RPMS/-evil 1-1.noarch.rpm'",
    ],
)
def test_what_is_planted_among_the_results_is_refused(minimal: Workspace, attack, plant: str) -> None:
    srpm = attack(install=plant)
    done = minimal.build(srpm)
    assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert list((minimal.path / "results").glob("*.rpm")) == []


def test_a_link_in_place_of_the_results_directory_leads_nowhere(minimal: Workspace, attack) -> None:
    srpm = attack(install="mv /builddir/build/RPMS /builddir/build/moved; ln -s /etc /builddir/build/RPMS")
    assert minimal.build(srpm).returncode == errors.BuildFailed.exit_code


def test_the_stage_and_its_secrets_cannot_be_looked_at(minimal: Workspace, attack) -> None:
    """/proc shows other processes of the container, but nothing of what is theirs."""
    look = (
        "for p in /proc/[0-9]*; do test $(stat -c %u $p) = 1000 && continue; "
        "for f in environ root/etc cwd/. fd/0 mem maps; do "
        "if cat $p/$f > /dev/null 2>&1 || ls $p/$f/ > /dev/null 2>&1; then echo SEEN $p/$f; fi; done; done; echo LOOKED"
    )
    srpm = attack(build=look)
    assert minimal.build(srpm).returncode == 0
    log = (minimal.path / "results/build.log").read_text().splitlines()
    assert "LOOKED" in log
    assert [line for line in log if line.startswith("SEEN")] == []


def test_nothing_of_an_attack_is_left_on_the_host(minimal: Workspace, attack) -> None:
    srpm = attack(build="sleep 1000 & echo x > /tmp/attack-was-here || :; touch /var/tmp/attack-was-here || :")
    minimal.build(srpm)
    assert not Path("/tmp/attack-was-here").exists()
    assert not Path("/var/tmp/attack-was-here").exists()
    left = minimal.engine.run("podman", "ps", "--all", "--quiet", "--filter", f"volume={minimal.path}/results")
    assert left.stdout == ""
