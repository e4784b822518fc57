"""RPM files: what the worker's answers mean, a dead worker included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import process, rpmfile
from hermetic_rpm.errors import BinaryRpm, DamagedRpm, NotAnRpm, SrpmMissing
from hermetic_rpm.process import Completed


def worker(monkeypatch: pytest.MonkeyPatch, answers: dict[str, dict[str, Any]], *, crash: str = "") -> list[Any]:
    """A worker that answers from a table and dies at the path ``crash``."""
    requests: list[Any] = []

    def run(_script: object, request: dict[str, Any]) -> Completed:
        requests.append(request)
        lines = []
        for path in request["paths"]:
            if path == crash:
                return Completed(argv=(), returncode=-6, stdout="\n".join(lines))
            lines.append(json.dumps({"path": path, **answers.get(path, {})}))
        return Completed(argv=(), returncode=0, stdout="\n".join(lines))

    monkeypatch.setattr(process, "run_worker", run)
    return requests


def test_headers_come_in_the_order_of_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(f"/{number}.rpm") for number in range(rpmfile.FILES_PER_WORKER * 2 + 1)]
    requests = worker(monkeypatch, {str(path): {"name": path.stem} for path in paths})
    assert [header.name for header in rpmfile.inspect(paths)] == [path.stem for path in paths]
    assert len(requests) == 3


def test_a_file_that_kills_its_worker_is_unreadable_and_its_neighbours_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(f"/{number}.rpm") for number in range(5)]
    requests = worker(monkeypatch, {}, crash="/2.rpm")
    problems = [header.problem for header in rpmfile.inspect(paths)]
    assert problems == [None, None, "unreadable", None, None]
    assert [len(request["paths"]) for request in requests] == [5, 1, 2]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "x.src.rpm"
    path.write_bytes(rpmfile.LEAD_MAGIC + b"\0" * 200)
    return path


def test_a_sound_source_rpm_is_described(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(monkeypatch, {str(package): {"name": "hello", "source": True, "signers": ["a"]}})
    found = rpmfile.check_source_rpm(package)
    assert (found.name, found.signers) == ("hello", ("a",))


def test_a_binary_rpm_is_named_as_one(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(monkeypatch, {str(package): {"name": "hello", "arch": "x86_64"}})
    with pytest.raises(BinaryRpm, match="hello, x86_64"):
        rpmfile.check_source_rpm(package)


def test_a_damaged_rpm_says_how(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(monkeypatch, {str(package): {"problem": "truncated", "source": True}})
    with pytest.raises(DamagedRpm, match="truncated"):
        rpmfile.check_source_rpm(package)


@pytest.mark.parametrize("content", [b"", b"\xed\xab", b"PK\x03\x04", b"<html>"])
def test_what_has_no_lead_is_no_rpm(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.src.rpm").write_bytes(content)
    with pytest.raises(NotAnRpm):
        rpmfile.check_source_rpm(tmp_path / "x.src.rpm")


def test_a_missing_source_rpm_or_a_directory_is_said_so(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.src.rpm", tmp_path):
        with pytest.raises(SrpmMissing):
            rpmfile.check_source_rpm(path)
