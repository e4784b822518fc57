"""What package code finds around it, in containers that were started with everything odd, rootful and rootless."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from containers import Engine, Workspace, rpm_query, unpack_rpm
from hermetic_rpm import inputs
from hermetic_rpm.buildroot.rpmbuild import ENVIRONMENT

PINNED = pytest.mark.promise(
    "5.2", "environment, descriptors, keyrings, time zone, locale, umask and user are the same whoever starts a build"
)
LIBC_SIGNALS = 0b11 << 31
"""Signals 32 and 33, which glibc keeps for itself and lets nobody block, ignore or reset."""

INPUT = pytest.mark.promise("5.4", "further locked inputs are mounted read-only and recorded")

SPEC = r"""
Name: witness-inside
Version: 1
Release: 1
Summary: Writes down what package code finds
License: Apache-2.0
%global debug_package %{nil}
%description
Witness.
%build
mkdir seen
cat > keys.c <<'END'
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TRY(...) (errno = 0, syscall(__VA_ARGS__), puts(strerror(errno)))
int main(void) {
  TRY(SYS_add_key, "user", "witness", "secret", 6, -3);
  TRY(SYS_request_key, "user", "witness", 0, -3);
  TRY(SYS_keyctl, 0, -3, 1);
  TRY(SYS_keyctl, 0, -4, 1);
  TRY(SYS_keyctl, 1, 0);
}
END
gcc -o keys keys.c
./keys > seen/key-calls
cat /proc/keys > seen/keys
tr '\0' '\n' < /proc/$PPID/environ | sort > seen/environment
readlink /proc/$PPID/cwd > seen/directory
readlink /proc/$$/fd/0 > seen/input
find /proc/$PPID/fd /proc/$$/fd -type l -printf '%%l\n' > seen/descriptors
umask > seen/umask
echo $(id -u) $(id -g) $(id -G) > seen/ids
date +%%Z%%z > seen/zone
grep -E 'Sig(Ign|Blk)' /proc/self/status | cut -f 2 | sort -u > seen/signals
cut -d ' ' -f 7 /proc/$$/stat > seen/terminal
if (: < /dev/tty) 2> /dev/null; then echo reached >> seen/terminal; fi
cat /sys/devices/system/cpu/online > seen/processors
ulimit -c > seen/core
stat -c '%%a %%u' /hermetic_repo /hermetic_inputs /hermetic_inputs/deps > seen/modes
to=$PWD/seen
cd /hermetic_inputs/deps
grep ' /hermetic_inputs/deps ' /proc/self/mountinfo | cut -d ' ' -f 6 > $to/mount
{ touch new || chmod 777 tool || rm tool || echo refused; } > $to/writing 2> /dev/null
find . -printf '%%y %%m %%TY-%%Tm-%%Td %%p %%l\n' | sort -k 4 > $to/tree
cat secret > $to/secret
ls /hermetic_inputs > $to/inputs
%install
mkdir -p %{buildroot}/usr/share
cp -r seen %{buildroot}/usr/share/seen
%files
/usr/share/seen
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""

ODD = (
    "--tty", "--interactive", "--umask=0077", "--hostname=odd-host", "--preserve-fds=2", "--env=TZ=Asia/Tokyo",
    "--env=LANG=tr_TR.UTF-8", "--env=LC_ALL=tr_TR.UTF-8", "--env=TOKEN=secret", "--env=SOURCE_DATE_EPOCH=1",
    "--env=BASH_ENV=/etc/passwd", "--workdir=/tmp",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Witness:
    """What was seen inside, and the workspace of that build."""

    workspace: Workspace
    said: str
    given: Path
    seen: Path

    def lines(self, name: str) -> list[str]:
        return (self.seen / name).read_text().splitlines()


@pytest.fixture(scope="module")
def srpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("witness-inside")
    (place / "witness.spec").write_text(SPEC)
    define = ("--define", f"_topdir {place}")
    subprocess.run(["rpmbuild", "-bs", "--quiet", *define, place / "witness.spec"], check=True, capture_output=True)
    return next((place / "SRPMS").glob("*.src.rpm"))


def make_input(root: Path) -> None:
    """A further input as somebody's umask and habits left it."""
    root.mkdir()
    (root / "tool").write_text("#!/bin/sh\n")
    (root / "tool").chmod(0o4750)
    (root / "secret").write_text("readable all the same\n")
    (root / "secret").chmod(0o600)
    (root / "current").symlink_to("tool")
    root.chmod(0o700)


def make_workspace(hello: Workspace, srpm: Path, engine: Engine, path: Path) -> Workspace:
    """The lock of hello, which without its sidecar is bound to no source RPM, and an input."""
    for name in ("lock", "repo"):
        shutil.copytree(hello.path / name, path / name, symlinks=True)
    shutil.rmtree(path / "repo/repodata")
    (path / "lock/buildroot_lock.sources.json").unlink()
    for name in ("results", "srpm"):
        (path / name).mkdir()
    shutil.copy(srpm, path / "srpm")
    make_input(path / "given")
    owner = engine.home.stat()
    for entry in (path, *path.rglob("*")):
        os.chown(entry, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return Workspace(engine=engine, path=path)


@pytest.fixture(scope="module", params=["rootful", "rootless"])
def witness(
    request: pytest.FixtureRequest, hello: Workspace, srpm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Witness:
    base: Engine = request.getfixturevalue(request.param)
    descriptors = ("bash", "-c", 'exec 3< /etc/passwd 4< /etc/group; exec "$@"', "bash")
    engine = Engine(name="odd", prefix=(*base.prefix, *descriptors), environment=base.environment, home=base.home)
    home = tmp_path_factory.mktemp("witness") if request.param == "rootful" else base.home
    made = make_workspace(hello, srpm, engine, home / "environment")
    sha256 = inputs.digest(made.path / "given")
    done = made.stage(
        "builder", "--srpm", f"/input/{srpm.name}", "--input", "deps=/given", "--expect", f"input:deps={sha256}",
        options=(*ODD, "--network=none"),
        mounts=(*(f"{made.path}/{name}:/{name}:ro" for name in ("lock", "repo", "given")),
                f"{made.path}/srpm:/input:ro", f"{made.path}/results:/results",
                "/usr/share/zoneinfo/Asia/Tokyo:/etc/localtime:ro"),
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    package = next(path for path in made.rpms() if path.name.endswith(".x86_64.rpm"))
    seen = unpack_rpm(package, tmp_path_factory.mktemp("seen") / "x") / "usr/share/seen"
    return Witness(workspace=made, said=said, given=made.path / "given", seen=seen)


@PINNED
def test_the_environment_is_the_documented_one(witness: Witness) -> None:
    of_the_shell = ("PWD=", "SHLVL=", "_=", "OLDPWD=")
    found = [line for line in witness.lines("environment") if not line.startswith(of_the_shell)]
    assert found == sorted(f"{name}={value}" for name, value in ENVIRONMENT)
    assert witness.lines("directory") == ["/builddir"]


@PINNED
def test_user_umask_zone_signals_and_limits_are_fixed(witness: Witness) -> None:
    assert witness.lines("ids") == ["1000 135 135"]
    assert witness.lines("umask") == ["0022"]
    assert witness.lines("zone") == ["UTC+0000"]
    assert [int(mask, 16) & ~LIBC_SIGNALS for mask in witness.lines("signals")] in ([0], [0, 0])
    assert witness.lines("core") == ["0"]


@PINNED
def test_no_descriptor_and_no_terminal_is_inherited(witness: Witness) -> None:
    assert witness.lines("input") == ["/dev/null"]
    assert witness.lines("terminal") == ["0"]
    found = witness.lines("descriptors")
    assert "/dev/null" in found
    assert [line for line in found if line.startswith(("/etc/", "/dev/pts", "/dev/tty", "socket:"))] == []


@PINNED
def test_no_keyring_is_in_reach(witness: Witness) -> None:
    """The keyrings of user 1000 would be those of that user of the host."""
    assert witness.lines("keys") == []
    assert witness.lines("key-calls") == ["Function not implemented"] * 5


@PINNED
def test_what_the_stage_makes_is_in_sight_whatever_its_umask(witness: Witness) -> None:
    assert witness.lines("processors") == Path("/sys/devices/system/cpu/online").read_text().splitlines()
    assert [line.split()[0] for line in witness.lines("modes")] == ["755"] * 3


@pytest.mark.promise("5.2", "what was found inside and outside is recorded")
def test_another_host_name_is_recorded_and_not_in_the_packages(witness: Witness) -> None:
    assert witness.workspace.result("results")["facts"]["host_name_outside"] == "odd-host"
    assert "may see the host name odd-host; `podman run --hostname=hermetic-rpm` hides it" in witness.said
    assert {rpm_query(path, "%{buildhost}") for path in witness.workspace.rpms()} == {"hermetic-rpm"}


@INPUT
def test_an_input_is_read_only_and_the_same_for_everybody(witness: Witness) -> None:
    assert {"ro", "nosuid", "nodev"} <= set(witness.lines("mount")[0].split(","))
    assert witness.lines("writing") == ["refused"]
    assert witness.lines("inputs") == ["deps"]
    assert witness.lines("secret") == ["readable all the same"]
    assert [line.rstrip() for line in witness.lines("tree")] == [
        "d 755 1980-01-01 .", "l 777 1980-01-01 ./current tool", "f 644 1980-01-01 ./secret",
        "f 755 1980-01-01 ./tool",
    ]  # fmt: skip


@INPUT
def test_an_input_is_recorded_by_its_hash(witness: Witness) -> None:
    recorded = witness.workspace.result("results")["inputs"]
    assert recorded["input:deps"] == inputs.digest(witness.given)
