"""`hermetic-fetch --outdated`: what real servers would give today, and what they no longer give."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import ChecksumsMissing
from hermetic_rpm.image.manifest import Image
from tests.support import fetching
from tests.support.fetching import ROOT, Case, Room
from tests.support.server import free_port, serving

OUTDATED = pytest.mark.promise(
    "3.9", "lock outdated tells what the repositories would give today, and what can no longer be downloaded"
)
SPEC = """
Name: demo-epoch
Epoch: {epoch}
Version: 0.1
Release: {release}
Summary: A later one
License: MIT
BuildArch: noarch
%description
A later one.
%files
"""


@pytest.fixture
def case(tmp_path: Path, demo: Path, tiny: Image, tiny_layout: Path) -> Iterator[Case]:
    """A repository of a few packages on a server, and a lock of them."""
    (tmp_path / "served").mkdir()
    files = tuple(Path(shutil.copy(path, tmp_path / "served")) for path in fetching.rpms(fetching.FEW))
    index(tmp_path / "served")
    with serving(tmp_path / "served") as server:
        case = Case(room=Room(directory=tmp_path / "work"), server=server, files=files, image=tiny, layout=tiny_layout)
        case.lock()
        yield case


def index(directory: Path) -> None:
    subprocess.run(("createrepo_c", "--quiet", directory), check=True)


def ask(case: Case, *options: str) -> Any:
    """The answer, which is all that comes to standard output."""
    done = subprocess.run(
        case.room.command("--outdated", "--timeout=5", *options), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not any(case.room.repo.iterdir())
    return json.loads(done.stdout)["outdated"]


def newer(answer: Any) -> dict[str, Any]:
    return {row["name"]: row["newer"] for row in answer["packages"] if row["newer"] is not None}


def gone(answer: Any) -> dict[str, list[str]]:
    return {row["name"]: row["gone"] for row in answer["packages"] if row["gone"]}


def make(case: Case, epoch: int, release: int) -> None:
    place = case.room.directory / f"{epoch}-{release}"
    place.mkdir()
    (place / "x.spec").write_text(SPEC.format(epoch=epoch, release=release))
    rpms = ("--define", f"_topdir {place}/top", "--define", f"_rpmdir {case.server.directory}")
    subprocess.run(["rpmbuild", "-bb", "--quiet", *rpms, place / "x.spec"], check=True, capture_output=True)


@OUTDATED
def test_what_is_current_and_there(case: Case) -> None:
    answer = ask(case)
    assert (newer(answer), gone(answer), answer["repositories"]) == ({}, {}, {})
    assert len(answer["packages"]) == len(case.files)


@OUTDATED
def test_the_newest_of_what_is_newer(case: Case) -> None:
    for epoch, release in ((4, 9), (4, 10), (0, 99)):
        make(case, epoch, release)
    index(case.server.directory)
    assert newer(ask(case)) == {"demo-epoch": {"repository": "demo", "evr": "4:0.1-10"}}


@OUTDATED
def test_what_is_gone_or_of_another_size(case: Case) -> None:
    first, second, third, *_ = case.files
    first.unlink()
    second.write_bytes(second.read_bytes() + b"x")
    case.server.faults[third.name] = ("status:503",) * 9
    found = gone(ask(case))
    assert found.keys() == {fetching.FEW[0], fetching.FEW[1], fetching.FEW[2]}
    assert found[fetching.FEW[0]] == [f"{case.server.url}/{first.name}: HTTP 404"]
    assert "bytes instead of" in found[fetching.FEW[1]][0]
    assert "HTTP 503" in found[fetching.FEW[2]][0]


@OUTDATED
def test_a_mirror_that_has_it_is_enough(case: Case) -> None:
    case.lock(f"http://127.0.0.1:{free_port()}", case.server.url)
    answer = ask(case)
    assert (gone(answer), answer["repositories"]) == ({}, {})


@pytest.mark.parametrize("fault", ["missing", "wrong", "truncated", "endless"])
@pytest.mark.parametrize("name", ["repomd.xml", "primary.xml"])
def test_a_repository_that_gives_no_metadata_is_named(case: Case, fault: str, name: str) -> None:
    path = next((case.server.directory / "repodata").glob(f"*{name}*"))
    case.server.faults[path.name] = (fault,)
    answer = ask(case)
    assert list(answer["repositories"]) == ["demo"]
    assert case.server.url in answer["repositories"]["demo"]
    assert gone(answer) == {}


def test_no_other_origin_is_asked_not_even_by_a_redirect(case: Case, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving(tmp_path / "other") as other:
        name = case.files[0].name
        shutil.copy(case.files[0], tmp_path / "other")
        case.server.faults[name] = (f"redirect:{other.url}/{name}",)
        assert "an origin that nobody declared" in gone(ask(case))[fetching.FEW[0]][0]
        assert other.asked == []


def test_a_lock_without_sidecar_does_not_say_whom_to_ask(case: Case) -> None:
    case.lock(with_sidecar=False)
    assert case.room.fetch("--outdated").code == ChecksumsMissing.exit_code
