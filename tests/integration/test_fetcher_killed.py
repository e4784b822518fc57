"""The fetcher killed with SIGKILL, at moments that are spread over all that it does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermetic_rpm import cache_upkeep
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.manifest import Image
from tests.support.fetching import ROOT, Case, Room
from tests.support.server import serving

MOMENTS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A whole run: its tree, and the seconds from its start until it begins to work, and until its end."""

    case: Case
    tree: dict[str, str]
    started: float
    ended: float


@pytest.fixture(scope="module")
def whole(
    files: tuple[Path, ...], tiny: Image, tiny_layout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Measured]:
    """One server and one cache for all that are killed."""
    directory = tmp_path_factory.mktemp("killed") / "work"
    with serving(files[0].parent) as server:
        case = Case(room=Room(directory=directory), server=server, files=files, image=tiny, layout=tiny_layout)
        case.lock()
        for _ in range(2):  # the second one finds its code compiled
            shutil.rmtree(case.room.repo)
            shutil.rmtree(case.room.cache)
            room = Room(directory=directory)
            began = time.monotonic()
            ran = room.fetch(cache=True)
            ended = time.monotonic() - began
            assert ran.code == 0, ran.err
        worked = sum(room.result()["timings_seconds"].values())
        yield Measured(case=case, tree=room.tree(), started=ended - worked, ended=ended)


def killed(room: Room, cache: Path, seconds: float) -> bool:
    """Start a fetcher and kill it and its children after so long; False if it had ended by itself."""
    command = room.command("--cache", str(cache))
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True) as child:
        time.sleep(seconds)
        os.killpg(child.pid, signal.SIGKILL)
    return child.returncode == -signal.SIGKILL


def spoil(cache: Path, how: str) -> None:
    """What the next fetcher finds in the cache: all, nothing, or wrong bytes."""
    if how == "empty":
        cache_upkeep.collect(cache, 0)
    elif how == "corrupt":
        for entry in sorted(cache.glob("sha256/*/*"))[:2]:
            content = entry.read_bytes()
            entry.unlink()
            entry.write_bytes(content[:-1] + b"x")


@pytest.mark.promise(
    "2.4", "a fetcher killed at any moment leaves nothing that looks complete, and the next run ends right"
)
@pytest.mark.promise(
    "4.5", "a fetcher killed at 50 random moments leaves a cache and a repository that the next run ends right"
)
@pytest.mark.parametrize("seed", range(MOMENTS))
def test_after_a_kill_the_next_run_ends_right(whole: Measured, tmp_path: Path, seed: int) -> None:
    chance, case, cache = random.Random(seed), whole.case, whole.case.room.cache
    room = Room(directory=tmp_path / "work")
    shutil.copytree(case.room.directory / "lock", room.directory / "lock", dirs_exist_ok=True)
    how, case.server.delay = chance.choice(("full", "empty", "corrupt")), chance.choice((0.0, 0.1))
    worked = whole.ended - whole.started + case.server.delay
    moment = whole.started + worked * (seed + chance.random()) / MOMENTS
    spoil(cache, how)
    while not killed(room, cache, moment):
        moment *= 0.9
        shutil.rmtree(room.repo)
        room.repo.mkdir()
        spoil(cache, how)
    for path in room.repo.glob("*.rpm"):
        assert path.read_bytes() == (case.files[0].parent / path.name).read_bytes()
    if (room.repo / "result.json").exists():
        assert room.tree() == whole.tree
    if how != "corrupt":
        assert all(sha256_of(path) == path.name for path in cache.glob("sha256/*/[0-9a-f]*"))
    ran = room.fetch("--cache", str(cache))
    assert ran.code == 0, ran.err
    assert room.tree() == whole.tree
    assert room.incomplete() == []


def test_what_the_killed_ones_left_in_the_cache_is_removed(whole: Measured) -> None:
    cache = whole.case.room.cache
    cache_upkeep.verify(cache)
    assert list(cache.rglob(".incomplete-*")) == []
    assert cache_upkeep.verify(cache, dry_run=True).corrupt == ()
