"""A lock written for Hermeto, and made again from that and the RPMs: with real packages, keys and image."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo import signing
from hermetic_rpm import rpmfile
from hermetic_rpm.errors import (
    ChecksumsMissing,
    LockInvalid,
    OriginRefused,
    OutputRefused,
    RepositoryIncomplete,
    TargetUnsupported,
    VerificationFailed,
)
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import join, lockfile
from hermetic_rpm.runner import prefetched
from tests.support import fetching
from tests.support.documents import commands
from tests.support.fetching import Ran, Room
from tests.support.server import FaultyServer, serving

PROMISE = pytest.mark.promise("4.7", "`hermetic-rpm lock import` and `export` read and write Hermeto's rpms.lock.yaml")
TARGET = """
version: 1
architecture: x86_64
image:
  reference: localhost/hermetic-rpm/tiny:latest
  locations: ["oci:{layout}:latest"]
package_manager: dnf5
repositories:
  - {{id: demo, baseurl: ["{url}"], gpgcheck: true, gpgkey: ["file://{key}"]}}
buildroot: [bash]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A lock of all demo packages, a server that has them, and a target that names both."""

    directory: Path
    room: Room
    server: FaultyServer
    image: Image
    layout: Path

    def call(self, *words: str) -> Ran:
        command = (sys.executable, "-m", "hermetic_rpm.runner", "lock", *words)
        done = subprocess.run(
            command, cwd=self.directory, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(fetching.ROOT)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Ran(code=done.returncode, err=done.stderr)

    def export(self) -> Ran:
        return self.call("export", "work/lock", "--format", "hermeto", "-o", "rpms.lock.yaml")

    def import_(self, *more: str, rpms: Path = fetching.PACKAGES) -> Ran:
        shutil.rmtree(self.directory / "again/lock", ignore_errors=True)
        return self.call(
            "import", "rpms.lock.yaml", "--rpms", str(rpms), "--target", "mine", "--srpm", "hello.src.rpm",
            "-o", "again/lock", *more,
        )  # fmt: skip

    def change(self, old: str, new: str, name: str = "rpms.lock.yaml") -> None:
        path = self.directory / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def paths(demo: Path) -> tuple[Path, ...]:
    """Every demo package, in the order of rpm's raw lines."""
    found = sorted(fetching.PACKAGES.glob("*.rpm"))
    command = ("rpm", "-qp", "--nosignature", "--qf", lockfile.QUERY_FORMAT, *found)
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(path for _, path in sorted(zip(lines, found, strict=True)))


@pytest.fixture
def case(tmp_path: Path, paths: tuple[Path, ...], tiny: Image, tiny_layout: Path) -> Iterator[Case]:
    with serving(fetching.PACKAGES) as server:
        made = Case(
            directory=tmp_path, room=Room(directory=tmp_path / "work"), server=server, image=tiny, layout=tiny_layout
        )  # fmt: skip
        fetching.write_lock(made.room, paths, (server.url,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
        (tmp_path / "targets").mkdir()
        text = TARGET.format(layout=tiny_layout, url=server.url, key=fetching.KEY)
        (tmp_path / "targets/mine.yaml").write_text(text)
        shutil.copy(next((fetching.DEMO / "srpms").glob("hello-*.src.rpm")), tmp_path / "hello.src.rpm")
        yield made


@PROMISE
def test_a_lock_goes_to_hermeto_and_comes_back_and_is_fetched(case: Case, paths: tuple[Path, ...]) -> None:
    ran = case.export()
    assert (ran.code, ran.err) == (0, "")
    ran = case.import_()
    assert ran.code == 0, ran.err
    before = join.load(case.directory / "work/lock/buildroot_lock.json")
    after = join.load(case.directory / "again/lock/buildroot_lock.json")
    assert after.lockfile.rpms == before.lockfile.rpms
    assert after.lockfile.bootstrap == before.lockfile.bootstrap
    assert before.sidecar is not None
    assert after.sidecar is not None
    assert after.sidecar.rpms == before.sidecar.rpms
    assert [key.sha256 for key in after.sidecar.keys] == [key.sha256 for key in before.sidecar.keys]
    assert case.call("check", "again/lock").code == 0
    fetched = Room(directory=case.directory / "again").fetch()
    assert fetched.code == 0, fetched.err
    assert len(list((case.directory / "again/repo").glob("*.rpm"))) == len(paths)


@PROMISE
def test_the_commands_of_the_how_to(case: Case) -> None:
    (case.directory / "lock").symlink_to("work/lock")
    (case.directory / "hermeto-output").symlink_to(fetching.PACKAGES)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(fetching.ROOT)}
    for name in ("export", "import"):
        script = commands("docs/how-to/work-with-hermeto.md", name)
        done = subprocess.run(
            ("bash", "-euc", script), cwd=case.directory, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        if name == "export":
            (case.directory / "lock").unlink()
    assert case.call("check", "lock").code == 0


@PROMISE
def test_a_target_with_nothing_but_a_list_of_mirrors_is_refused(case: Case) -> None:
    case.export()
    case.change(f'baseurl: ["{case.server.url}"]', f"metalink: {case.server.url}/metalink", "targets/mine.yaml")
    ran = case.import_()
    assert ran.code == TargetUnsupported.exit_code
    assert "The target mine names no baseurl for demo" in ran.err
    assert not (case.directory / "again/lock").exists()


@PROMISE
def test_the_same_lock_gives_the_same_bytes(case: Case) -> None:
    files = [case.directory / name for name in ("rpms.lock.yaml", "again/lock/buildroot_lock.sources.json")]
    seen = []
    for _ in range(2):
        assert case.export().code == 0
        assert case.import_().code == 0
        seen.append([path.read_bytes() for path in files])
    assert seen[0] == seen[1]


@PROMISE
def test_the_image_may_come_from_elsewhere(case: Case) -> None:
    case.export()
    assert case.import_("--image", "oci:here:latest").code == 21
    assert case.import_("--image", "oci:/nowhere:latest").code == 42
    ran = case.import_("--image", f"dir:{case.image.directory}")
    assert ran.code == 0, ran.err
    sidecar = join.load(case.directory / "again/lock/buildroot_lock.json").sidecar
    assert sidecar is not None
    assert sidecar.image.locations == (f"dir:{case.image.directory}",)


def test_a_header_gives_the_row_that_rpm_prints(paths: tuple[Path, ...]) -> None:
    command = ("rpm", "-qp", "--nosignature", "--qf", lockfile.QUERY_FORMAT, *paths)
    printed = lockfile.installed_rows(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    read = sorted(prefetched.row(header) for header in rpmfile.inspect(paths, payload=False))
    assert [lockfile.locked_rpm(row, url="") for row in read] == [
        lockfile.locked_rpm(row, url="") for row in sorted(printed)
    ]


@PROMISE
def test_what_is_not_sound_is_refused_and_nothing_is_written(case: Case, tmp_path: Path) -> None:
    case.export()
    text = (case.directory / "rpms.lock.yaml").read_text()
    size = next(line for line in text.splitlines() if "size:" in line)
    some = tmp_path / "some"
    shutil.copytree(fetching.PACKAGES, some)
    next(some.glob("demo-epoch-*")).write_bytes(b"other")

    def refused(code: int, *words: str, rpms: Path = fetching.PACKAGES) -> None:
        ran = case.import_(rpms=rpms)
        assert ran.code == code, ran.err
        assert all(word in ran.err for word in words), ran.err
        assert list((case.directory / "again").rglob("*lock*.json")) == []
        (case.directory / "rpms.lock.yaml").write_text(text)

    refused(RepositoryIncomplete.exit_code, "rpms.lock.yaml:", "demo-epoch", "hermeto fetch-deps", rpms=some)
    refused(RepositoryIncomplete.exit_code, "is no directory", rpms=tmp_path / "none")
    case.change(size, "    size: 1")
    refused(VerificationFailed.exit_code, "bytes instead of 1")
    case.change(case.server.url, "http://127.0.0.1:1")
    refused(OriginRefused.exit_code, "rpms.lock.yaml:7:5: http://127.0.0.1:1/")
    case.change("x86_64", "aarch64")
    refused(LockInvalid.exit_code, "there is aarch64")
    with signing.opened_key(tmp_path / "secret.asc") as key:
        key.export(tmp_path / "other.asc")
    case.change(str(fetching.KEY), str(tmp_path / "other.asc"), "targets/mine.yaml")
    refused(VerificationFailed.exit_code, "demands a signature by a key of the target")


def test_a_lock_that_is_there_is_kept(case: Case) -> None:
    case.export()
    words = ("import", "rpms.lock.yaml", "--rpms", ".", "--target", "mine", "--srpm", "hello.src.rpm", "-o")
    ran = case.call(*words, "work/lock")
    assert ran.code == OutputRefused.exit_code
    assert "buildroot_lock.json" in ran.err
    (case.directory / "again").mkdir()
    (case.directory / "again/lock").touch()
    assert "a file is in its place" in case.call(*words, "again/lock").err


def test_a_lock_of_mock_s_has_nothing_for_hermeto(case: Case, paths: tuple[Path, ...]) -> None:
    (case.directory / "work/lock/buildroot_lock.sources.json").unlink()
    assert case.export().code == ChecksumsMissing.exit_code
