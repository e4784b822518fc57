"""The cache: what is taken from it, what lies in it, what goes first, and the commands over it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from hermetic_rpm import cache as store
from hermetic_rpm import cache_upkeep
from hermetic_rpm.cache_upkeep import BUILDROOTS, HALF_MADE, METADATA, PACKAGES, Item, beyond
from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner.cache_cli import Size
from hermetic_rpm.runner.cli import cli

SECOND = 10**9


def add(cache: Path, content: bytes, *, used: int = 0) -> Path:
    """An entry that was last of use so many seconds after 1970."""
    sha256 = hashlib.sha256(content).hexdigest()
    source = cache.parent / f"source-{sha256}"
    source.write_bytes(content)
    store.add(cache, source, sha256)
    source.unlink()
    path = store.entry(cache, sha256)
    os.utime(path, ns=(used * SECOND, 7 * SECOND))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    directory = tmp_path / "cache"
    directory.mkdir()
    return directory


# -- taking -------------------------------------------------------------------------------


def test_an_entry_that_is_taken_was_of_use_and_keeps_its_modification_time(cache: Path, tmp_path: Path) -> None:
    path = add(cache, b"a")
    assert store.take(cache, path.name, 1, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"a"
    assert path.stat().st_mtime_ns == 7 * SECOND
    assert path.stat().st_atime_ns > 7 * SECOND


def test_an_entry_that_is_added_again_was_of_use(cache: Path) -> None:
    path = add(cache, b"a")
    store.add(cache, path, path.name)
    assert path.stat().st_atime_ns > 7 * SECOND


def test_an_entry_that_vanishes_before_it_is_placed_is_none(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add(cache, b"a")
    monkeypatch.setattr(store, "lookup", lambda *_: path)
    path.unlink()
    assert not store.take(cache, path.name, 1, tmp_path / "taken")
    assert list(tmp_path.iterdir()) == [cache]


def test_a_file_that_vanishes_while_it_is_placed_is_copied_from_what_was_opened(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add(cache, b"a")
    monkeypatch.setattr(os, "link", lambda source, _: source.unlink() or source.lstat())
    store.place(path, tmp_path / "placed")
    assert (tmp_path / "placed").read_bytes() == b"a"


# -- looking ------------------------------------------------------------------------------


def kept_by_dnf(cache: Path, entry: Path) -> Path:
    """The same file as a package of dnf's cache, with metadata beside it."""
    package = cache / "dnf/demo-1/repo-0/packages/a.rpm"
    package.parent.mkdir(parents=True)
    os.link(entry, package)
    (package.parents[1] / "repodata").mkdir()
    (package.parents[1] / "repodata/primary.xml").write_bytes(b"12")
    (package.parents[1] / "repodata/repomd.xml").write_bytes(b"3")
    (cache / "dnf/demo-1.lock").touch()
    return package


def test_a_file_with_several_names_is_one_item(cache: Path, tmp_path: Path) -> None:
    entry = add(cache, b"abc", used=5)
    package = kept_by_dnf(cache, entry)
    lock = cache / "dnf/demo-1.lock"
    os.utime(lock, ns=(9 * SECOND, 9 * SECOND))
    item = Item(kind=PACKAGES, paths=(entry, package), size=3, used=5 * SECOND, locks=(lock,))
    repodata = package.parents[1] / "repodata"
    metadata = Item(
        kind=METADATA, paths=(repodata / "repomd.xml", repodata / "primary.xml"), size=3, used=9 * SECOND, locks=(lock,)
    )
    assert cache_upkeep.scan(cache) == (item, metadata)
    os.link(entry, tmp_path / "in a repository")
    assert cache_upkeep.scan(cache)[0].shared


def test_archives_and_half_made_files_are_told_apart(cache: Path) -> None:
    (cache / "buildroots/.incomplete-a").mkdir(parents=True)
    (cache / "buildroots/.incomplete-a/archive").write_bytes(b"12345")
    (cache / "buildroots/0.tar").write_bytes(b"1234")
    (cache / "sha256/00").mkdir(parents=True)
    (cache / "sha256/00/.incomplete-b").write_bytes(b"1")
    (cache / "sha256/00/strange").write_bytes(b"1")
    (cache / "strange").write_bytes(b"1")
    found = [(item.kind, item.size, item.paths[0].name) for item in cache_upkeep.scan(cache)]
    assert found == [(BUILDROOTS, 4, "0.tar"), (HALF_MADE, 1, ".incomplete-b"), (HALF_MADE, 5, ".incomplete-a")]


def test_an_empty_directory_is_an_empty_cache(cache: Path) -> None:
    assert cache_upkeep.scan(cache) == ()


# -- deciding -----------------------------------------------------------------------------


def item(name: str, size: int, used: int) -> Item:
    return Item(kind=PACKAGES, paths=(Path(name),), size=size, used=used)


@pytest.mark.parametrize(
    ("excess", "names"), [(-1, []), (0, []), (1, ["b"]), (5, ["b"]), (6, ["b", "a"]), (99, ["b", "a", "c"])]
)
def test_what_was_not_used_for_longest_goes_first(excess: int, names: list[str]) -> None:
    items = (item("a", 3, 2), item("b", 5, 1), item("c", 1, 3))
    assert [found.paths[0].name for found in beyond(items, excess)] == names


# -- acting -------------------------------------------------------------------------------


def test_what_has_been_removed_is_gone_under_all_its_names(cache: Path) -> None:
    package = kept_by_dnf(cache, add(cache, b"abc"))
    done = cache_upkeep.collect(cache, 0)
    assert done.kept == ()
    assert list(package.parents[1].rglob("*.*")) == []
    assert package.parents[2].is_dir()


def test_a_dry_run_removes_nothing(cache: Path) -> None:
    entry = add(cache, b"abc")
    assert cache_upkeep.collect(cache, 0, dry_run=True).removed == cache_upkeep.scan(cache)
    assert entry.exists()


def test_what_a_writer_makes_is_no_leftover(cache: Path) -> None:
    (cache / "sha256/00").mkdir(parents=True)
    half = cache / "sha256/00/.incomplete-b"
    half.write_bytes(b"1")
    with store.writing(cache):
        assert cache_upkeep.verify(cache).half_made == ()
        assert [found.kind for found in cache_upkeep.collect(cache, 0).held] == [HALF_MADE]
    assert half.exists()
    assert len(cache_upkeep.verify(cache).half_made) == 1
    assert not half.exists()


def test_what_nobody_will_finish_goes_although_there_is_room(cache: Path) -> None:
    (cache / "buildroots/.incomplete-a").mkdir(parents=True)
    add(cache, b"abc")
    done = cache_upkeep.collect(cache, 1000)
    assert [found.kind for found in done.removed] == [HALF_MADE]
    assert list((cache / "buildroots").iterdir()) == []


def test_a_check_is_no_use(cache: Path) -> None:
    entry = add(cache, b"abc", used=1)
    assert cache_upkeep.verify(cache).checked == 1
    assert entry.stat().st_atime_ns == SECOND


def test_the_lock_of_a_writer_ends_with_it(cache: Path) -> None:
    with store.writing(cache), store.writing(cache):
        pass
    with (cache / store.LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# -- the commands -------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["cache", *arguments], obj=Progress(stage="test"))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_ls_counts_by_kind(cache: Path) -> None:
    add(cache, b"abc", used=86400)
    add(cache, b"abcd", used=3 * 86400)
    lines = run("ls", "--cache", str(cache))[1].splitlines()
    assert lines[1].split() == ["packages", "2", "7", "B", "1970-01-04", "1970-01-02"]
    assert lines[-1].split() == ["all", "2", "7", "B", "1970-01-04", "1970-01-02"]
    found = json.loads(run("ls", "--cache", str(cache), "--json")[1])
    assert found["kinds"][0]["last_used"] == "1970-01-04T00:00:00+00:00"
    assert found["kinds"][1]["last_used"] is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("7B", 7),
        ("10GB", 10**10),
        ("1 KiB", 1024),
        ("1.5kb", 1500),
        ("9.5GiB", 19 << 29),
        ("2TB", 2 * 10**12),
    ],
)
def test_a_size_has_decimal_or_binary_units(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "10G", "-1", "1e3", "ten", "10 apples", "1.GB"])
def test_what_is_no_size_is_refused_with_the_units(cache: Path, text: str) -> None:
    status, output = run("gc", "--max-size", text, "--cache", str(cache))
    assert status == 2
    assert "the units are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB" in output


def test_without_a_name_the_cache_is_that_of_the_pipeline(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(cache, b"abc")
    text = (Path(__file__).resolve().parents[2] / "pipeline.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineInvalid):
        run("verify")
    (tmp_path / "pipeline.yaml").write_text(text.replace("build/workspace", "."))
    assert run("verify") == (0, "packages hashed: 1, corrupt: 0, half-made: 0\n")
    (tmp_path / "pipeline.yaml").write_text(text.replace("build/workspace", "nowhere"))
    assert run("verify")[0] == 2


def test_a_cache_that_does_not_exist_is_a_wrong_argument(tmp_path: Path) -> None:
    assert run("ls", "--cache", str(tmp_path / "nothing"))[0] == 2
