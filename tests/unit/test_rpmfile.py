"""RPM files: what the worker's answers mean, a dead worker included."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import BinaryRpm, DamagedRpm, NotAnRpm, SrpmMissing


def worker(monkeypatch: pytest.MonkeyPatch, answers: dict[str, dict[str, Any]], *, crash: str = "") -> list[Any]:
    """Workers that answer from a table and die at the path ``crash``; returns what each was asked."""
    asked: list[Any] = []

    class Worker:
        def __init__(self, _script: object, _request: object) -> None:
            self.seen: list[str] = []
            self.ended = False
            asked.append(self)

        def ask(self, path: str) -> bytes | None:
            self.seen.append(path)
            self.ended = self.ended or path == crash
            return None if self.ended else json.dumps({"path": path, **answers.get(path, {})}).encode()

        def end(self) -> None:
            self.ended = True

    monkeypatch.setattr(rpmfile, "Worker", Worker)
    return asked


def test_headers_come_in_the_order_of_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(f"/{number}.rpm") for number in range(500)]
    workers = worker(monkeypatch, {str(path): {"name": path.stem} for path in paths})
    assert [header.name for header in rpmfile.inspect(paths)] == [path.stem for path in paths]
    assert len(workers) <= (os.cpu_count() or 1)
    assert all(one.ended for one in workers)


def test_a_file_that_kills_its_worker_is_unreadable_and_its_neighbours_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(f"/{number}.rpm") for number in range(5)]
    workers = worker(monkeypatch, {}, crash="/2.rpm")
    with rpmfile.Readers() as readers:
        assert [readers.read(path).result().problem for path in paths] == [None, None, "unreadable", None, None]
    assert [one.seen for one in workers] == [
        ["/0.rpm", "/1.rpm", "/2.rpm"],
        ["/2.rpm", "/3.rpm"],  # one of its own for the killer, which the next file finds dead
        ["/3.rpm", "/4.rpm"],
    ]


def test_after_the_end_no_worker_is_left_and_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = worker(monkeypatch, {})
    with rpmfile.Readers() as readers:
        assert readers.read(Path("/0.rpm")).result().problem is None
    with pytest.raises(RuntimeError):
        readers.read(Path("/1.rpm"))
    assert [one.ended for one in workers] == [True]


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
