"""Build options: as given, as recorded in the sidecar, as a hostile lock might have them, as `lock` shows them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from hermetic_rpm import document, edge
from hermetic_rpm.buildroot.commandlog import open_log
from hermetic_rpm.buildroot.rpmbuild import PackageRoom, rpmbuild_command
from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.lock import options, sidecar
from hermetic_rpm.lock.diff import difference
from hermetic_rpm.lock.model import NO_OPTIONS, BuildOptions
from hermetic_rpm.runner import lock_diff, lock_show
from tests.support import locks

pytestmark = pytest.mark.promise(
    "3.4", "`--with`, `--without`, `--define` and further requirements are recorded and repeated by the builder"
)
LOCK = locks.locked(locks.rpm("bash"))
GIVEN = BuildOptions(
    with_=("ssl", "tests"), without=("docs",), define=("dist .x", "opts -O2 'a b'"), requires=("gcc >= 4",)
)


def test_the_patterns_are_those_of_the_schema() -> None:
    schema = document.schema("sidecar")
    properties = schema["properties"]["build_options"]["properties"]
    assert schema["$defs"]["conditions"]["items"]["pattern"] == options.CONDITION
    assert properties["define"]["items"]["pattern"] == options.DEFINITION
    assert properties["requires"]["items"]["pattern"] == options.REQUIREMENT


@pytest.mark.parametrize(
    ("text", "found"),
    [("ssl", "ssl"), ("_x9", "_x9"), ("", None), ("a b", None), ("a-b", None), ("a\n", None), ("--define", None)],
)
def test_a_condition_is_a_name(text: str, found: str | None) -> None:
    assert options.condition(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dist .el9", "dist .el9"), ("dist   .el9", "dist .el9"), (" _x %{y} -O2  'z' ", "_x %{y} -O2  'z'"),
        ("packager J\u00fcrgen", "packager J\u00fcrgen"), ("dist", None), ("", None), ("9x y", None), ("a(b) c", None),
        ("a b\nc", None), ("a b\x1b[2J", None), ("a \u202eb", None), ("a " + "x" * 2001, None),
    ],
)  # fmt: skip
def test_a_definition_is_a_name_and_one_line(text: str, found: str | None) -> None:
    assert options.definition(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gcc", "gcc"), ("gcc>=4", "gcc >= 4"), (" gcc  <  5 ", "gcc < 5"), ("(a or b)", "(a or b)"),
        ("/usr/bin/x", "/usr/bin/x"), ("demo(x[y])", "demo(x[y])"), ("gcc make", None), ("", None), ("a\nb", None),
    ],
)  # fmt: skip
def test_a_requirement_is_one(text: str, found: str | None) -> None:
    assert options.requirement(text) == found


def test_rpmbuild_gets_them_in_an_order_of_their_own() -> None:
    given = options.options(with_=("tests", "ssl", "ssl"), without=("docs",), define=("b 2", "a 1"))
    assert options.arguments(given) == (
        "--with", "ssl", "--with", "tests", "--without", "docs", "--define", "a 1", "--define", "b 2",
    )  # fmt: skip


def test_they_are_words_of_their_own_in_rpmbuild_s_shell(tmp_path: Path) -> None:
    with open_log(tmp_path / "log") as log:
        room = PackageRoom(
            root=tmp_path, architecture="x86_64", log=log, options=("--define", "a $(id); --with x 'y'")
        )  # fmt: skip
        *_, line = rpmbuild_command(room, "x.spec", "-bb")
    assert shlex.split(line)[:4] == ["rpmbuild", "-bb", "--define", "a $(id); --with x 'y'"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((("ssl",), ("ssl",), ()), "ssl is wanted both"), (((), (), ("a 1", "a 2")), "the macro a has two values")],
)
def test_a_command_line_that_contradicts_itself_is_refused(arguments: Any, says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        edge.build_options(*arguments)


def test_they_are_recorded_and_read_again() -> None:
    content = sidecar.render(locks.beside(LOCK, build_options=GIVEN))
    assert sidecar.parse(content).build_options == GIVEN
    assert sidecar.render(sidecar.parse(content)) == content
    assert "build_options" not in json.loads(sidecar.render(locks.beside(LOCK)))


def test_a_sidecar_of_1_2_0_has_none() -> None:
    def older(document: Any) -> None:
        document["schema_version"] = "1.2.0"

    assert sidecar.parse(locks.edited(sidecar.render(locks.beside(LOCK)), older)).build_options == NO_OPTIONS


@pytest.mark.promise("2.4", "what only a forged lockfile can say is refused")
@pytest.mark.parametrize(
    "forged",
    [
        {"with": ["a --define=x"]},
        {"with": ["--undefine"]},
        {"with": "ssl"},
        {"without": ["a\nb"]},
        {"define": ["x"]},
        {"define": ["x y\n%evil z"]},
        {"define": ["x y\0"]},
        {"define": ["x y\n"]},
        {"define": [["x", "y"]]},
        {"define": ["x 1", "x 2"]},
        {"requires": ["a\nb"]},
        {"with": ["ssl"], "without": ["ssl"]},
        {"surprise": []},
        [],
    ],
)
def test_what_a_forged_sidecar_says_is_refused(forged: Any) -> None:
    def edit(document: Any) -> None:
        document["build_options"] = forged

    with pytest.raises(LockInvalid, match="build_options"):
        sidecar.parse(locks.edited(sidecar.render(locks.beside(LOCK)), edit))


def test_lock_diff_and_show_tell_them() -> None:
    package = (locks.rpm("bash"), locks.source("bash.rpm"))
    before = locks.joined(package)
    after = locks.joined(package, build_options=GIVEN)
    found = difference(before, after)
    assert [(setting.place, setting.after) for setting in found.settings] == [
        ("build_options.define[dist]", ".x"), ("build_options.define[opts]", "-O2 'a b'"),
        ("build_options.requires[gcc >= 4]", "gcc >= 4"), ("build_options.with[ssl]", "ssl"),
        ("build_options.with[tests]", "tests"), ("build_options.without[docs]", "docs"),
    ]  # fmt: skip
    assert "build options (6)" in tuple(lock_diff.text(found, before, after))
    told = "with the options --with ssl --with tests --without docs --define 'dist .x' "
    assert any(line.startswith(told) for line in lock_show.text(after, width=100))
    assert not any("options" in line for line in lock_show.text(before, width=100))
