"""Further inputs: what their digest tells, what is refused, and what the copy looks like that package code reads."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hermetic_rpm import inputs
from hermetic_rpm.errors import InputMismatch, InputRefused
from hermetic_rpm.inputs import Input

CONTENT = hashlib.sha256(b"int greet;\n").hexdigest()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small input with one of each kind."""
    root = tmp_path / "tree"
    (root / "deps/generic").mkdir(parents=True)
    (root / "deps/generic/greet.c").write_text("int greet;\n")
    (root / "deps/run").write_text("int greet;\n")
    (root / "deps/run").chmod(0o755)
    (root / "deps/current").symlink_to("generic/")
    return root


def test_the_digest_is_that_of_the_reference(tree: Path) -> None:
    """What docs/reference/inputs.md says, written down once more."""
    fields = (
        "hermetic-rpm input 1",
        "directory", "", "deps",
        "link", "generic/", "deps/current",
        "directory", "", "deps/generic",
        "file", CONTENT, "deps/generic/greet.c",
        "executable", CONTENT, "deps/run",
    )  # fmt: skip
    expected = hashlib.sha256("".join(f"{field}\0" for field in fields).encode()).hexdigest()
    assert inputs.digest(tree) == expected


def other_content(tree: Path) -> None:
    (tree / "deps/run").write_text("int greeT;\n")


def other_name(tree: Path) -> None:
    (tree / "deps/run").rename(tree / "deps/rum")


def not_executable(tree: Path) -> None:
    (tree / "deps/run").chmod(0o644)


def other_link(tree: Path) -> None:
    (tree / "deps/current").unlink()
    (tree / "deps/current").symlink_to("generic")


def a_file_for_a_link(tree: Path) -> None:
    (tree / "deps/current").unlink()
    (tree / "deps/current").write_text("generic/")


def an_empty_directory(tree: Path) -> None:
    (tree / "deps/empty").mkdir()


@pytest.mark.parametrize(
    "change", [other_content, other_name, not_executable, other_link, a_file_for_a_link, an_empty_directory]
)
def test_every_change_that_a_build_can_see_changes_the_digest(tree: Path, change: Callable[[Path], None]) -> None:
    before = inputs.digest(tree)
    change(tree)
    assert inputs.digest(tree) != before


def test_times_other_modes_and_the_place_do_not(tree: Path, tmp_path: Path) -> None:
    before = inputs.digest(tree)
    os.utime(tree / "deps/run", (1, 1))
    (tree / "deps/generic/greet.c").chmod(0o600)
    (tree / "deps").chmod(0o700)
    tree.rename(tmp_path / "elsewhere")
    assert inputs.digest(tmp_path / "elsewhere") == before


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    for name in (b"new\nline", b"\xff\xfe", "ü".encode()):
        Path(os.fsdecode(bytes(root) + b"/" + name)).write_text("x")
    found = inputs.take((Input(name="odd", directory=root),), tmp_path / "taken", {})
    assert sorted(os.listdir(bytes(tmp_path / "taken/odd"))) == sorted(os.listdir(bytes(root)))  # noqa: PTH208
    assert found == {"input:odd": inputs.digest(root)}


def a_pipe(tree: Path) -> None:
    os.mkfifo(tree / "odd")


def a_socket(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(tree / "odd"))


def an_absolute_link(tree: Path) -> None:
    (tree / "odd").symlink_to(tree / "deps/run")


def a_link_above(tree: Path) -> None:
    (tree / "deps/odd").symlink_to("../../elsewhere")


def a_link_above_through_a_link(tree: Path) -> None:
    """As text it stays inside; followed it does not."""
    (tree / "deps/generic/top").symlink_to("../..")
    (tree / "deps/generic/odd").symlink_to("top/../elsewhere")


@pytest.mark.parametrize("plant", [a_pipe, a_socket, an_absolute_link, a_link_above, a_link_above_through_a_link])
def test_what_is_no_content_of_the_input_is_refused(tree: Path, tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tree)
    with pytest.raises(InputRefused, match="odd"):
        inputs.digest(tree)
    with pytest.raises(InputRefused, match="odd"):
        inputs.take((Input(name="x", directory=tree),), tmp_path / "taken", {})


def test_links_that_lead_in_circles_or_nowhere_inside_are_kept(tree: Path) -> None:
    (tree / "circle").symlink_to("circle")
    (tree / "missing").symlink_to("deps/nothing")
    (tree / "deps/top").symlink_to("..")
    kinds = {entry.path: entry.kind for entry in inputs.entries(tree)}
    assert [kinds[name] for name in ("circle", "missing", "deps/top")] == ["link"] * 3


@pytest.mark.parametrize("name", ["nothing", "tree/deps/run"])
def test_what_is_no_directory_is_refused(tree: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputRefused, match="is no directory"):
        inputs.digest(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("closed", "mode"), [("", 0), ("deps", 0), ("deps", 0o600), ("deps/run", 0)])
def test_what_an_ordinary_user_cannot_read_is_refused(tree: Path, closed: str, mode: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        root = Path(shutil.copytree(tree, Path(place, "tree"), symlinks=True))
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)
        (root / closed).chmod(mode)
        os.seteuid(65534)
        try:
            with pytest.raises(InputRefused, match="cannot be read: Permission denied"):
                inputs.digest(root)
        finally:
            os.seteuid(0)


def test_what_is_taken_is_the_same_for_whoever_took_it(tree: Path, tmp_path: Path) -> None:
    (tree / "deps/generic/greet.c").chmod(0o600)
    (tree / "deps/run").chmod(0o4711)
    (tree / "deps").chmod(0o700)
    found = inputs.take((Input(name="deps", directory=tree),), tmp_path / "taken", {})
    assert found == {"input:deps": inputs.digest(tree)}
    copy = tmp_path / "taken/deps"
    assert {str(path.relative_to(copy)): oct(path.lstat().st_mode & 0o7777) for path in copy.rglob("*")} == {
        "deps": "0o755", "deps/generic": "0o755", "deps/generic/greet.c": "0o644", "deps/run": "0o755",
        "deps/current": "0o777",
    }  # fmt: skip
    assert {path.lstat().st_mtime for path in (copy, *copy.rglob("*"))} == {inputs.MODIFIED}


def test_an_input_that_was_pinned_is_the_right_one_or_none(tree: Path, tmp_path: Path) -> None:
    given, right = (Input(name="deps", directory=tree),), inputs.digest(tree)
    assert inputs.take(given, tmp_path / "a", {"input:deps": right, "srpm": "0" * 64}) == {"input:deps": right}
    with pytest.raises(InputMismatch, match=f"The input deps has the sha256 {right}, but 000"):
        inputs.take(given, tmp_path / "b", {"input:deps": "0" * 64})
    with pytest.raises(InputMismatch, match="The input wheels was not given"):
        inputs.take(given, tmp_path / "c", {"input:wheels": right})


def test_two_inputs_of_one_name_are_refused(tree: Path, tmp_path: Path) -> None:
    twice = (Input(name="deps", directory=tree), Input(name="deps", directory=tree / "deps"))
    with pytest.raises(InputRefused, match="Two inputs have the name deps"):
        inputs.take(twice, tmp_path / "taken", {})
