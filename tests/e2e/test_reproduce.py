"""The same bytes elsewhere: another user, date, host name and number of processors; and who says so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from containers import ROOT, Engine, Workspace, commands, runner, sample, with_runner
from hermetic_rpm import errors, rpmdiff, rpmfile
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.sidecar import SIDECAR_NAME

SAMPLES = ("hello", "tinyxml2", "python-markupsafe", "demo-oddities-user", "demo-dynamic")

WITNESS = "witness-1-1.x86_64.rpm"
SEEN = "/usr/share/witness"
SAME_BYTES = pytest.mark.promise(
    "5.6", "the samples give the same bytes with another date, host name and number of processors"
)
REPRODUCE = pytest.mark.promise("5.6", "`hermetic-rpm reproduce` builds again and compares")

SPEC = r"""
Name: witness
Version: 1
Release: 1
Summary: Writes down what it sees of the machine; its subpackage shows programs another date
License: Apache-2.0
%global debug_package %{nil}
%description
Witness.
%package another-date
Summary: Another date
%description another-date
Another date.
%build
cat > date.c <<'EOF'
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#define LATER (500 * 24 * 3600L + 12345)
int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += LATER;
  return failed;
}
time_t time(time_t *there) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (there) *there = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
EOF
gcc -O2 -fPIC -shared -o another-date.so date.c
%install
install -D another-date.so %{buildroot}/usr/lib/another-date.so
install -d %{buildroot}/etc %{buildroot}/usr/share/witness
echo /usr/lib/another-date.so > %{buildroot}/etc/ld.so.preload
cd %{buildroot}/usr/share/witness
cat /proc/uptime > uptime
date +%Y > year
uname -n > host
nproc > processors
echo steady > steady
%files
/usr/share/witness
%files another-date
/usr/lib/another-date.so
/etc/ld.so.preload
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""


@pytest.fixture(scope="session")
def witness_srpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("witness-srpm")
    (place / "witness.spec").write_text(SPEC)
    subprocess.run(
        ["rpmbuild", "-bs", "--quiet", "--define", f"_topdir {place}", place / "witness.spec"], check=True,
        capture_output=True,
    )  # fmt: skip
    return next((place / "SRPMS").glob("*.src.rpm"))


@pytest.fixture(scope="session")
def witness(hello: Workspace, witness_srpm: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What the witness saw here, built from the lock of hello, which without its sidecar is bound to no source RPM."""
    made = Workspace(engine=hello.engine, path=tmp_path_factory.mktemp("witness") / "workspace")
    copy_inputs(hello, made.path)
    done = made.build(witness_srpm)
    assert done.returncode == 0, done.stderr[-4000:]
    return made


def copy_inputs(workspace: Workspace, path: Path) -> None:
    """Lock and repository, without the sidecar and what it alone vouches for, so that they may be changed."""
    for name in ("lock", "repo"):
        shutil.copytree(workspace.path / name, path / name, symlinks=True)
    shutil.rmtree(path / "repo/repodata", ignore_errors=True)
    (path / "lock" / SIDECAR_NAME).unlink(missing_ok=True)
    (path / "results").mkdir()


def lock_in(package: Path, workspace: Path) -> None:
    """Make a package part of a lock and its repository."""
    header = rpmfile.inspect((package,))[0]
    lockfile = workspace / "lock" / LOCKFILE_NAME
    document = json.loads(lockfile.read_text())
    entry = {name: getattr(header, name) for name in ("name", "epoch", "version", "release", "arch", "license")}
    url = f"file:///distribution/{package.name}"
    document["buildroot"]["rpms"].append({**entry, "sigmd5": header.sigmd5, "signature": None, "url": url})
    lockfile.write_text(json.dumps(document))
    shutil.copy(package, workspace / "repo")


@pytest.fixture
def elsewhere(rootless: Engine, witness: Workspace) -> Callable[[Workspace, Path], Workspace]:
    """Build again as an ordinary user, on one processor, on another host, 500 days later."""

    def build(workspace: Workspace, srpm: Path) -> Workspace:
        one = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
        engine = Engine(
            name="elsewhere", prefix=(*rootless.prefix, *one), environment=rootless.environment, home=rootless.home
        )
        made = Workspace(engine=engine, path=rootless.home / "elsewhere")
        shutil.rmtree(made.path, ignore_errors=True)
        copy_inputs(workspace, made.path)
        lock_in(next(path for path in witness.rpms() if "another-date" in path.name), made.path)
        inputs = made.path / "input"
        inputs.mkdir()
        shutil.copy(srpm, inputs)
        owner = rootless.home.stat()
        for path in (made.path, *made.path.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        done = made.stage(
            "builder", "--srpm", f"/input/{srpm.name}", options=("--network=none", "--hostname=another-host"),
            mounts=tuple(f"{made.path}/{name}:/{name}" for name in ("input", "lock", "repo", "results")),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return made

    return build


@SAME_BYTES
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_the_same_elsewhere(
    built: Callable[[str], Workspace], elsewhere: Callable[[Workspace, Path], Workspace], name: str
) -> None:
    here = built(name)
    there = elsewhere(here, sample(name))
    assert [path.name for path in here.rpms()] == [path.name for path in there.rpms()]
    for before, after in zip(here.rpms(), there.rpms(), strict=True):
        assert before.read_bytes() == after.read_bytes(), rpmdiff.compare(before, after)


@SAME_BYTES
def test_elsewhere_is_another_place_to_package_code(
    witness: Workspace, witness_srpm: Path, elsewhere: Callable[[Workspace, Path], Workspace]
) -> None:
    there = elsewhere(witness, witness_srpm)
    found, _ = rpmdiff.compare(*(made.path / "results" / WITNESS for made in (witness, there)))
    names = [difference.name for difference in found]
    several = len(os.sched_getaffinity(0)) > 1
    seen = ("host", *(("processors",) if several else ()), "uptime", "year")
    assert [name for name in names if name.endswith(": digest")] == [f"{SEEN}/{name}: digest" for name in seen]
    assert all(name.startswith(f"{SEEN}/") for name in names)


@pytest.mark.promise("2.2", "the sample source RPMs build: C with autotools, C++ with CMake, Python, every oddity")
@pytest.mark.parametrize("name", ["tinyxml2", "python-markupsafe", "demo-oddities-user"])
def test_the_samples_build(built: Callable[[str], Workspace], name: str) -> None:
    assert any(not path.name.endswith(".src.rpm") for path in built(name).rpms())


@pytest.mark.promise("2.4", "the same inputs give the same RPMs, bit for bit, also on a second machine's workspace")
@pytest.mark.parametrize("name", ["hello", "demo-dynamic"])  # with a changelog and without
def test_a_second_build_gives_the_same_bytes(
    workspace: Workspace, built: Callable[[str], Workspace], name: str
) -> None:
    first_time, again = built(name), workspace
    again.whole(sample(name))
    for directory, pattern in (("lock", "buildroot_lock*.json"), ("results", "*.rpm")):
        first = {path.name: path.read_bytes() for path in (first_time.path / directory).glob(pattern)}
        second = {path.name: path.read_bytes() for path in (again.path / directory).glob(pattern)}
        assert first.keys() == second.keys()
        assert [name for name in first if first[name] != second[name]] == []


@REPRODUCE
def test_a_sample_is_reproduced_as_the_how_to_says(rootful: Engine, hello: Workspace, tmp_path: Path) -> None:
    here = with_runner(rootful, tmp_path)
    (tmp_path / "workspace").symlink_to(hello.path)
    (tmp_path / "srpms").mkdir()
    shutil.copy(sample("hello"), tmp_path / "srpms")
    shutil.copy(ROOT / "pipeline.yaml", tmp_path)
    done = here.run("bash", "-euc", commands("reproduce-a-build.md", "reproduce"), check=True)
    assert done.stdout.splitlines() == [
        f"{path.name}: the same, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in hello.rpms()
    ]
    assert not list(hello.path.glob(".incomplete*"))


@REPRODUCE
def test_what_is_not_reproducible_is_named(witness: Workspace, witness_srpm: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = runner(
        "reproduce", witness.path / "results", "--srpm", witness_srpm, "--keep", kept,
        environment=witness.engine.environment,
    )  # fmt: skip
    assert done.returncode == errors.NotReproducible.exit_code, done.stderr[-4000:]
    assert "1 of 3 packages are not the same: witness-1-1.x86_64.rpm." in done.stderr
    told = done.stdout.splitlines()
    assert [line.split(",")[0] for line in told if not line.startswith(" ")] == [
        "witness-1-1.src.rpm: the same", f"{WITNESS}: different", "witness-another-date-1-1.x86_64.rpm: the same",
    ]  # fmt: skip
    differing = [line.split()[:3] for line in told if line.startswith(" ")]
    assert ["file", f"{SEEN}/uptime:", "digest:"] in differing
    assert {(kind, name) for kind, name, _ in differing} == {("file", f"{SEEN}/uptime:")}
    assert (kept / WITNESS).is_file()
    assert not list(witness.path.glob(".incomplete*"))
