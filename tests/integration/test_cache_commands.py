"""The cache under several fetchers at once, and looked after by `hermetic-rpm cache` while they run."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermetic_rpm import cache as cache_store
from hermetic_rpm import cache_upkeep
from hermetic_rpm.errors import OutputRefused
from hermetic_rpm.files import sha256_of
from tests.support.fetching import ROOT, Case, Room

TOGETHER = pytest.mark.promise("4.5", "two fetchers share a cache without harm")
COMMANDS = pytest.mark.promise(
    "4.5", "`hermetic-rpm cache ls`, `verify` and `gc --max-size` show, check and bound the cache"
)


def hermetic_rpm(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = (*prefix, sys.executable, "-m", "hermetic_rpm.runner", *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("sha256/??/*"))


# -- several at once ----------------------------------------------------------------------


def change(path: Path) -> None:
    """Wrong bytes in an entry, not in the files that shared its content."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))


@contextmanager
def again_and_again(work: Callable[[], object]) -> Iterator[None]:
    """Do something in a loop as long as the block takes; its error is raised."""
    ended = threading.Event()

    def loop() -> int:
        rounds = 0
        while not ended.is_set():
            work()
            rounds += 1
        return rounds

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(loop)
        try:
            yield
        finally:
            ended.set()
        assert future.result() > 0


def fetch_together(case: Case, tmp_path: Path, count: int = 2) -> list[Room]:
    """Several fetchers of one lock and one cache, each into a repository of its own."""
    rooms = [Room(directory=tmp_path / f"room-{number}") for number in range(count)]
    for room in rooms:
        shutil.copytree(case.room.directory / "lock", room.directory / "lock", dirs_exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for ran in pool.map(lambda room: room.fetch("--cache", str(case.room.cache)), rooms):
            assert ran.code == 0, ran.err
    return rooms


@pytest.fixture
def tree(case: Case) -> dict[str, str]:
    """What a fetcher makes that has neither cache nor company."""
    assert case.room.fetch().code == 0
    return case.room.tree()


@TOGETHER
@pytest.mark.parametrize("found", ["nothing", "all", "corrupt"])
def test_two_fetchers_at_once_both_end_right(case: Case, tree: dict[str, str], tmp_path: Path, found: str) -> None:
    if found != "nothing":
        for path in case.files:
            cache_store.add(case.room.cache, Path(shutil.copy(path, tmp_path)), sha256_of(path))
    if found == "corrupt":
        for path in entries(case.room.cache)[:3]:
            change(path)
    for room in fetch_together(case, tmp_path):
        assert room.tree() == tree
    assert cache_upkeep.verify(case.room.cache, dry_run=True).corrupt == ()
    assert len(entries(case.room.cache)) == len(case.files)


@TOGETHER
def test_what_is_removed_under_a_fetcher_is_fetched(case: Case, tree: dict[str, str], tmp_path: Path) -> None:
    """Entries come and go all the time, also between the moment one is found and the one it is taken."""
    stock = {sha256_of(path): Path(shutil.copy(path, tmp_path)) for path in case.files}

    def come_and_go() -> None:
        for sha256, path in stock.items():
            cache_store.add(case.room.cache, path, sha256)
        cache_upkeep.collect(case.room.cache, 0)
        cache_upkeep.verify(case.room.cache)

    with again_and_again(come_and_go):
        for room in fetch_together(case, tmp_path, count=3):
            assert room.tree() == tree


# -- the commands -------------------------------------------------------------------------


@COMMANDS
def test_after_a_fetch_the_cache_is_shown_checked_and_bounded(case: Case) -> None:
    assert case.room.fetch(cache=True).code == 0
    cache, files = str(case.room.cache), {sha256_of(path): path for path in case.files}
    total = sum(path.stat().st_size for path in case.files)
    listed = json.loads(hermetic_rpm("cache", "ls", "--json", "--cache", cache).stdout)
    packages = next(kind for kind in listed["kinds"] if kind["kind"] == "packages")
    assert (packages["number"], packages["bytes"], listed["bytes"]) == (len(files), total, total)
    assert packages["bytes_shared_with_repositories"] == total
    bad, oldest = entries(case.room.cache)[:2]
    change(bad)
    checked = hermetic_rpm("cache", "verify", "--check", "--cache", cache)
    assert checked.returncode == 1
    assert f"{bad}: its content is not what its name says\n" in checked.stdout
    healed = hermetic_rpm("cache", "verify", "--cache", cache)
    assert (healed.returncode, bad.exists()) == (0, False)
    assert f"{bad}: its content is not what its name says, removed\n" in healed.stdout
    assert healed.stdout.endswith(f"packages hashed: {len(files)}, corrupt: 1, half-made: 0\n")
    os.utime(oldest, ns=(0, oldest.stat().st_mtime_ns))
    limit = total - files[bad.name].stat().st_size - 1
    bounded = hermetic_rpm("cache", "gc", "--max-size", str(limit), "--cache", cache)
    assert bounded.returncode == 0
    assert bounded.stdout.startswith("removed packages: 1, ")
    assert {path.name for path in entries(case.room.cache)} == set(files) - {bad.name, oldest.name}
    assert case.sound()


@COMMANDS
def test_what_a_fetcher_used_last_is_kept_longest(case: Case) -> None:
    assert case.room.fetch(cache=True).code == 0
    for number, path in enumerate(entries(case.room.cache)):
        os.utime(path, ns=(number, path.stat().st_mtime_ns))
    before = {path: path.stat().st_mtime_ns for path in entries(case.room.cache)}
    used = case.files[2]
    (case.room.repo / used.name).unlink()
    assert case.room.fetch(cache=True).code == 0
    assert {path: path.stat().st_mtime_ns for path in entries(case.room.cache)} == before
    cache_upkeep.collect(case.room.cache, used.stat().st_size)
    assert [path.name for path in entries(case.room.cache)] == [sha256_of(used)]


@COMMANDS
def test_a_cache_of_somebody_else_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """As root without its privileges, who is another user than the owner."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files away")
    directory = tmp_path / "sha256" / "aa"
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    os.chown(directory, 65534, 65534)
    prefix = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    for words in (("ls",), ("verify",), ("gc", "--max-size", "1")):
        refused = hermetic_rpm("cache", *words, "--cache", str(tmp_path), prefix=prefix)
        assert refused.returncode == OutputRefused.exit_code
        assert f"{directory} belongs to another user." in refused.stderr
        assert "`podman unshare hermetic-rpm cache …`" in refused.stderr


@COMMANDS
def test_what_a_running_resolver_holds_is_not_removed(tmp_path: Path) -> None:
    """A process with the lock that resolvers take, and an entry that is the same file as a package of its dnf."""
    directory = tmp_path / "dnf/demo-1/repo-0/packages"
    directory.mkdir(parents=True)
    (directory / "a.rpm").write_bytes(b"a")
    (directory.parent / "primary.xml").write_bytes(b"p")
    cache_store.add(tmp_path, directory / "a.rpm", sha256_of(directory / "a.rpm"))
    with (tmp_path / "dnf/demo-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = hermetic_rpm("cache", "gc", "--max-size", "0", "--cache", str(tmp_path))
    assert held.returncode == 0
    assert held.stdout == "2 B left: 2 items\n"
    assert "warning: 2 B are more than wanted: 2 of what stays is used by a running stage." in held.stderr
    assert len(entries(tmp_path)) == 1
    hermetic_rpm("cache", "gc", "--max-size", "0", "--cache", str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []
