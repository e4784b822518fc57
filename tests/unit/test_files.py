"""Files that appear whole or not at all, trees that package code wrote, the cache and the notes of a run."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from hermetic_rpm import cache, files, made
from hermetic_rpm.errors import DiskFull, OutputRefused

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    files.write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208 - hidden names too


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_of_a_file_whose_writing_failed(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").write_text("old")

    def write_half() -> None:
        with files.atomic_writer(tmp_path / "a") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EROFS, OutputRefused), (errno.EACCES, OutputRefused),
     (errno.EPERM, OutputRefused), (errno.EIO, OSError)],
)  # fmt: skip
def test_what_a_file_system_refuses_is_told_with_its_path(number: int, error: type[Exception]) -> None:
    with pytest.raises(error) as caught, files.writing_errors(Path("/out/x")):
        raise OSError(number, os.strerror(number))
    assert not isinstance(caught.value, DiskFull | OutputRefused) or "/out/x" in caught.value.reason


@pytest.mark.parametrize("name", ["a.rpm", "g++-14~rc1^git.rpm", "0ad", "a%2Bb", "x" * 251])
def test_ordinary_names_are_safe(name: str) -> None:
    assert files.is_safe_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-rf", "a/b", "a b", "a\n", "a\0", "a\\b", "\u00e4", "x" * 252, "~x", "%2e%2e"]
)
def test_names_that_lead_elsewhere_are_not_safe(name: str) -> None:
    assert not files.is_safe_name(name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real/file").write_bytes(DATA)
    (root / "real/link").symlink_to("file")
    (root / "real/outside").symlink_to(tmp_path / "secret")
    (root / "directory-link").symlink_to("real")
    os.mkfifo(root / "real/pipe")
    (tmp_path / "secret").write_text("secret")
    return root


def test_a_regular_file_is_copied_out_of_a_tree(tree: Path, tmp_path: Path) -> None:
    files.copy_out(tree, "real/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize(
    "name", ["real/link", "real/outside", "directory-link/file", "real/pipe", "real", "real/missing", "real/file/x"]
)
def test_nothing_but_a_regular_file_behind_no_link_is_copied_out(tree: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the kernel's word for each differs
        files.copy_out(tree, name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_names_are_listed_behind_no_link(tree: Path) -> None:
    assert files.names_inside(tree, "real") == ("file", "link", "outside", "pipe")
    assert files.names_inside(tree, "directory-link") == ()
    assert files.names_inside(tree, "real/file") == ()
    assert files.names_inside(tree, "real/pipe") == ()
    assert files.names_inside(tree, "nothing") == ()


def test_documents_are_written_as_mock_writes_them() -> None:
    assert (
        files.canonical_json({"b": 1, "a": ["\u00e4"]}) == '{\n    "a": [\n        "\\u00e4"\n    ],\n    "b": 1\n}\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        "tar: ./usr/bin/x: Wrote only 512 of 10240 bytes: No space left on device",
        "installing package bash-5.2-1.x86_64 needs 5MB more space on the / filesystem",
        "error: unpacking of archive failed on file /x;1: cpio: write failed - No space left on device",
        "  At least 42MB more space needed on the / filesystem.",
    ],
)
def test_want_of_space_is_told_by_what_commands_say(tmp_path: Path, line: str) -> None:
    with pytest.raises(DiskFull) as caught:
        files.check_space(tmp_path, ("first", line, "last"))
    assert caught.value.log_tail == ("first", line, "last")
    files.check_space(tmp_path, ("error: Bad exit status from /var/tmp/rpm-tmp (%build)",))


# -- the cache ----------------------------------------------------------------------------


def test_the_cache_gives_back_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    cache.add(tmp_path / "cache", tmp_path / "a", SHA256)
    found = cache.lookup(tmp_path / "cache", SHA256, len(DATA))
    assert found is not None
    cache.place(found, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == DATA
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "a").stat().st_ino


@pytest.mark.promise("2.4", "a second fetch is a no-op, and a corrupt cache heals")
@pytest.mark.parametrize("content", [b"other byte", b"", b"some bytes and more"])
def test_a_corrupt_entry_is_removed_and_not_believed(tmp_path: Path, content: bytes) -> None:
    entry = cache.entry(tmp_path, SHA256)
    entry.parent.mkdir(parents=True)
    entry.write_bytes(content)
    assert cache.lookup(tmp_path, SHA256, len(DATA)) is None
    assert not entry.exists()


def test_an_entry_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert cache.lookup(tmp_path, SHA256, len(DATA)) is None


def test_where_no_link_can_be_made_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(DATA)
    cache.place(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]  # noqa: PTH208


def test_a_full_disk_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr("shutil.copyfileobj", full)
    (tmp_path / "a").write_bytes(DATA)
    with pytest.raises(DiskFull):
        cache.place(tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


# -- notes of what was made ---------------------------------------------------------------


def test_a_run_remembers_what_it_made(tmp_path: Path) -> None:
    made.note(tmp_path, ["b.rpm", "a.rpm"])
    assert made.earlier(tmp_path) == {"a.rpm", "b.rpm"}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "7", "null", '"a"', '["../../etc", ".bashrc", "/etc", 7, null]'])
def test_a_forged_note_removes_nothing_outside(tmp_path: Path, text: str) -> None:
    (tmp_path / ".made.json").write_text(text)
    assert made.earlier(tmp_path) == frozenset()


def test_only_what_is_named_is_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "out/link").symlink_to(tmp_path / "kept")
    (tmp_path / "out/directory/inner").mkdir(parents=True)
    (tmp_path / "out/mine").touch()
    made.remove(tmp_path / "out", ["link", "directory", "missing"])
    assert os.listdir(tmp_path / "out") == ["mine"]  # noqa: PTH208
    assert (tmp_path / "kept/file").exists()


def test_a_note_is_a_plain_list(tmp_path: Path) -> None:
    made.note(tmp_path, {"b", "a"})
    assert json.loads((tmp_path / ".made.json").read_text()) == ["a", "b"]
