"""What a user sees of a real download from a slow server: on a terminal, in CI, and as JSON lines."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermetic_rpm.image.manifest import Image
from tests.support import fetching, terminal
from tests.support.fetching import ROOT, Room
from tests.support.server import serving

pytestmark = pytest.mark.promise("4.11", "a live bar on a terminal, plain lines in CI, JSON lines on request")

COLOURS = pytest.mark.promise(
    "6.6", "colours and progress appear only on a terminal, colours not where NO_COLOR is set"
)
WARNING = "\x1b[33mwarning:\x1b[0m"

NAMES = ("demo-caret", "demo-epoch", "demo-tilde")
LYING = "demo-epoch-1.0-1.demo1.noarch.rpm"
END = re.compile(r"fetcher: 3/3 files, \d+\.\d/\d+\.\d kB, .*B/s")


@pytest.fixture
def room(tmp_path: Path, demo: Path, tiny: Image, tiny_layout: Path) -> Iterator[Room]:
    """A lock of three packages on a server that takes two seconds for each; a second address of one lies."""
    made = Room(directory=tmp_path / "work")
    files = [Path(shutil.copy(path, tmp_path)) for path in fetching.rpms(NAMES)]
    with serving(tmp_path) as server, serving(tmp_path) as liar:
        server.faults = {path.name: ("slow",) for path in files}
        server.delay = 1.5
        liar.faults = {path.name: ("missing",) for path in files} | {LYING: ("wrong",)}
        fetching.write_lock(
            made, files, (liar.url, server.url), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",)
        )
        yield made


@COLOURS
def test_a_bar_is_drawn_on_a_terminal_and_taken_away(room: Room) -> None:
    seen = terminal.run(room.command(), cwd=ROOT, env={**os.environ, "NO_COLOR": ""})
    assert seen.code == 0, seen.written
    assert len(seen.drawn) >= 3
    assert all(re.match(r"fetcher: +\d+ % ", bar) and len(bar) < 80 for bar in seen.drawn)
    assert any("0/3 files, " in bar and "kB" in bar for bar in seen.drawn)
    assert not [line for line in seen.screen if "\r" in line or "%" in line]
    assert any(line.startswith(f"fetcher: {WARNING} ") and LYING in line for line in seen.screen)
    assert [line for line in seen.screen if END.fullmatch(line)]
    assert seen.screen[-2:] == [f"fetcher: 3 packages and the bootstrap image in {room.repo}", ""]


@COLOURS
def test_without_colours_the_bar_is_drawn_all_the_same(room: Room) -> None:
    seen = terminal.run(room.command(), cwd=ROOT, env={**os.environ, "NO_COLOR": "1"})
    assert seen.code == 0, seen.written
    assert any(line.startswith("fetcher: warning: ") and LYING in line for line in seen.screen)
    assert seen.drawn
    assert set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", seen.written)) == {"\x1b[K"}


def test_a_dumb_terminal_gets_lines(room: Room) -> None:
    seen = terminal.run(room.command(), cwd=ROOT, term="dumb")
    assert seen.code == 0
    assert not {"\r", "\x1b", "%"} & set(seen.written)


@COLOURS
def test_ci_gets_plain_lines(room: Room) -> None:
    ran = room.fetch()
    assert ran.code == 0
    assert not {"\r", "\x1b", "%"} & set(ran.err)
    assert [line for line in ran.err.splitlines() if END.fullmatch(line)]


def test_programs_get_json_lines(room: Room) -> None:
    ran = room.fetch("--log-format", "json")
    assert ran.code == 0
    lines = [json.loads(line) for line in ran.err.splitlines()]
    states = [line for line in lines if line["level"] == "progress"]
    assert len(states) >= 2
    assert {state["files_total"] for state in states} == {3}
    assert [state["last"] for state in states] == [False] * (len(states) - 1) + [True]
    assert states[-1]["files"] == 3
    assert (
        states[-1]["size"] == states[-1]["size_total"] == sum(path.stat().st_size for path in room.repo.glob("*.rpm"))
    )


def test_a_second_run_has_nothing_to_show(room: Room) -> None:
    assert room.fetch().code == 0
    assert "files" not in room.fetch().err
