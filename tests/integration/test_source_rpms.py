"""``hermetic-fetch --sources``: the source RPMs of all locked packages, from a real server that misbehaves on order."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import (
    DownloadFailed,
    OutputRefused,
    RepositoryExtraFile,
    SourceRpmUnknown,
    VerificationFailed,
)
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.manifest import Image
from tests.support import fetching
from tests.support.fetching import Ran, Room
from tests.support.server import FaultyServer, serving

SOURCES = pytest.mark.promise("4.7", "`--sources` fetches the source RPMs of all locked packages")
NAMES = ("demo-epoch", "demo-tilde", "demo-tool")
EPOCH, TOOL = "demo-epoch-1.0-1.demo1.src.rpm", "demo-tool-1.2-3.demo1.src.rpm"
OF = (EPOCH, EPOCH, TOOL)
"""The source RPM of each package: two are of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A lock with source RPMs, the server that has them, and the directories of a run."""

    room: Room
    server: FaultyServer

    @property
    def directory(self) -> Path:
        return self.room.directory / "sources"

    def fetch(self, *more: str, cache: bool = False) -> Ran:
        return self.room.fetch("--sources", str(self.directory), *more, cache=cache)

    def edit(self, change: Callable[[Any], object]) -> None:
        path = self.room.directory / "lock/buildroot_lock.sources.json"
        side = json.loads(path.read_text())
        change(side)
        path.write_text(json.dumps(side))

    def declare(self, *, gpgcheck: bool = True) -> None:
        """Let the sidecar name the source RPMs as they lie on the server."""
        base = {"id": "demo-source", "base_urls": [f"{self.server.url}/source"], "gpgcheck": gpgcheck}
        entries = [
            {"name": name, "repository": "demo-source", "location": f"Packages/{name}", "sha256": sha256_of(path),
             "size": path.stat().st_size}
            for name in (EPOCH, TOOL)
            for path in (self.server.directory / "source/Packages" / name,)
        ]  # fmt: skip

        def change(side: Any) -> None:
            side["repositories"] = [entry for entry in side["repositories"] if entry["id"] == "demo"] + [base]
            side["sources"] = entries
            for rpm, source in zip(side["rpms"], OF, strict=True):
                rpm["source"] = source

        self.edit(change)

    def names(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}

    def sound(self) -> bool:
        served = self.server.directory / "source/Packages"
        return self.names() == {EPOCH, TOOL, ".made.json"} and all(
            (self.directory / name).read_bytes() == (served / name).read_bytes() for name in (EPOCH, TOOL)
        )


@pytest.fixture
def case(tmp_path: Path, demo: Path, tiny: Image, tiny_layout: Path) -> Iterator[Case]:
    served = tmp_path / "served"
    (served / "source/Packages").mkdir(parents=True)
    files = tuple(Path(shutil.copy(path, served)) for path in fetching.rpms(NAMES))
    for name in (EPOCH, TOOL):
        shutil.copy(demo / "repo-source/Packages" / name, served / "source/Packages")
    with serving(served) as server:
        case = Case(room=Room(directory=tmp_path / "work"), server=server)
        case.directory.mkdir()
        fetching.write_lock(case.room, files, (server.url,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
        case.declare()
        yield case


@SOURCES
def test_the_source_rpms_arrive_in_a_directory_of_their_own(case: Case) -> None:
    ran = case.fetch()
    assert ran.code == 0, ran.err
    assert ran.said("2 source RPMs, 2 to fetch")
    assert case.sound()
    assert case.room.result()["facts"]["source_rpms"] == 2
    assert not list(case.room.repo.rglob("*.src.rpm"))
    done = subprocess.run(
        ("rpm", "-qp", "--nosignature", "--qf", "%{name}\n", *case.directory.glob("*.rpm")),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == ["demo-epoch", "demo-tool"]


@SOURCES
def test_a_second_run_asks_for_nothing_and_so_does_one_with_a_cache(case: Case) -> None:
    assert case.fetch(cache=True).code == 0
    asked = len(case.server.asked)
    ran = case.fetch(cache=True)
    assert (ran.code, len(case.server.asked)) == (0, asked)
    assert ran.said("2 source RPMs, 0 to fetch")
    shutil.rmtree(case.directory)
    case.directory.mkdir()
    ran = case.fetch(cache=True)
    assert (ran.code, len(case.server.asked)) == (0, asked)
    assert case.sound()


@SOURCES
@pytest.mark.parametrize(
    ("fault", "word"), [("wrong", "its sha256 is"), ("missing", "HTTP 404"), ("endless", "larger")]
)
def test_a_source_rpm_that_nobody_gives_is_an_error(case: Case, fault: str, word: str) -> None:
    case.server.faults[EPOCH] = (fault,)
    ran = case.fetch()
    assert ran.code == DownloadFailed.exit_code, ran.err
    assert ran.said(f"{EPOCH}: {case.server.url}/source/Packages/{EPOCH}: ", word)
    assert case.names() == {".made.json"}
    case.server.faults.clear()
    assert case.fetch().code == 0
    assert case.sound()


@SOURCES
def test_all_unknown_source_rpms_are_listed_before_anything_is_downloaded(case: Case) -> None:
    def forget(side: Any) -> None:
        side["sources"] = []
        side["rpms"][2]["source"] = None

    case.edit(forget)
    ran = case.fetch()
    assert ran.code == SourceRpmUnknown.exit_code, ran.err
    assert ran.said(f"{EPOCH} is in no source repository (demo-epoch-3:1.0-1.demo1.noarch, demo-tilde-")
    assert ran.said("demo-tool-1.2-3.demo1.noarch: its repository does not name its source RPM")
    assert case.server.asked == []


@SOURCES
def test_a_lock_of_an_older_version_is_told(case: Case) -> None:
    def older(side: Any) -> None:
        side["schema_version"] = "1.1.0"
        for name in ("sources", "metadata"):
            del side[name]

    case.edit(older)
    ran = case.fetch()
    assert ran.code == SourceRpmUnknown.exit_code, ran.err
    assert ran.err.count("the lock has no sidecar of 1.2.0 or later") == len(NAMES)
    assert case.room.fetch().code == 0


def replaced(case: Case, name: str, path: Path) -> None:
    shutil.copy(path, case.server.directory / "source/Packages" / name)


def test_a_binary_rpm_in_its_place_is_refused(case: Case) -> None:
    replaced(case, TOOL, fetching.rpms(["demo-tool"])[0])
    case.declare()
    ran = case.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert ran.said(f"{TOOL}: it is a binary RPM")
    assert case.names() == {".made.json"}


def test_another_source_rpm_in_its_place_is_refused(case: Case) -> None:
    replaced(case, TOOL, case.server.directory / "source/Packages" / EPOCH)
    case.declare()
    ran = case.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert ran.said(f"{TOOL}: it is demo-epoch-1.0-1.demo1")


@pytest.mark.parametrize("gpgcheck", [True, False])
def test_an_unsigned_one_is_refused_where_its_repository_demands_signatures(case: Case, *, gpgcheck: bool) -> None:
    path = case.server.directory / "source/Packages" / TOOL
    subprocess.run(("rpmsign", "--delsign", path), check=True, capture_output=True)
    case.declare(gpgcheck=gpgcheck)
    ran = case.fetch()
    assert ran.code == (VerificationFailed.exit_code if gpgcheck else 0), ran.err
    assert ran.said(f"{TOOL}: its repository demands a signature") == gpgcheck


def test_one_that_lies_there_already_is_held_to_its_signature_too(case: Case) -> None:
    path = case.server.directory / "source/Packages" / TOOL
    subprocess.run(("rpmsign", "--delsign", path), check=True, capture_output=True)
    case.declare()
    shutil.copy(path, case.directory)
    ran = case.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert ran.said(f"{TOOL}: its repository demands a signature")


def test_a_directory_and_a_mirror_of_the_user_s_help_as_with_packages(case: Case, tmp_path: Path) -> None:
    source = case.server.directory / "source/Packages"
    for place, name in (("elsewhere", EPOCH), ("mirror/Packages", TOOL)):
        (case.server.directory / place).mkdir(parents=True)
        (source / name).rename(case.server.directory / place / name)
    ran = case.fetch(
        "--from", str(case.server.directory / "elsewhere"),
        "--mirror", f"{case.server.url}/source/={case.server.url}/mirror/",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert {EPOCH, TOOL} < case.names()


def test_what_an_older_run_brought_goes_and_what_nobody_brought_stays(case: Case) -> None:
    assert case.fetch().code == 0

    def fewer(side: Any) -> None:
        side["sources"] = [entry for entry in side["sources"] if entry["name"] == TOOL]
        for rpm in side["rpms"]:
            rpm["source"] = TOOL

    case.edit(fewer)
    assert case.fetch().code == 0
    assert case.names() == {TOOL, ".made.json"}
    (case.directory / "notes.txt").write_text("mine")
    ran = case.fetch()
    assert ran.code == RepositoryExtraFile.exit_code
    assert ran.said("holds what no fetcher put there: notes.txt")
    assert case.names() == {TOOL, ".made.json", "notes.txt"}


def test_a_damaged_one_is_fetched_again(case: Case) -> None:
    assert case.fetch().code == 0
    (case.directory / TOOL).write_bytes(b"damaged")
    ran = case.fetch()
    assert ran.code == 0
    assert ran.said("2 source RPMs, 1 to fetch")
    assert case.sound()


@pytest.mark.parametrize("place", ["repo", "repo/sources", "nowhere", "work"])
def test_a_directory_that_cannot_take_them_is_refused_before_anything_is_downloaded(case: Case, place: str) -> None:
    assert case.room.fetch().code == 0
    (case.room.directory / "work").write_text("a file")
    before, asked = case.room.tree(), len(case.server.asked)
    (case.room.repo / "sources").mkdir()
    ran = case.room.fetch("--sources", str(case.room.directory / place))
    assert ran.code in {OutputRefused.exit_code, RepositoryExtraFile.exit_code}, ran.err
    assert (case.room.tree(), len(case.server.asked)) == (before, asked)


def test_another_offline_repository_is_no_directory_for_source_rpms(case: Case) -> None:
    assert case.room.fetch().code == 0
    shutil.copytree(case.room.repo, case.directory, dirs_exist_ok=True)
    before = case.names()
    assert case.fetch().code == RepositoryExtraFile.exit_code
    assert case.names() == before
