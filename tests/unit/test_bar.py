"""How far a download is: counted, drawn, and told to programs."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hermetic_rpm import bar
from hermetic_rpm.bar import Meter, State
from hermetic_rpm.progress import CLEAR, JSON, Progress
from hermetic_rpm.runner.lines import show, understand
from hermetic_rpm.units import clock, size

PROMISE = pytest.mark.promise("4.11", "a live bar on a terminal, plain lines in CI, JSON lines on request")


class Terminal(io.StringIO):
    """A terminal of 80 columns; what it shows is `screen`."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines as a terminal shows them, each cleared where the program cleared it."""
        return [line.rpartition(CLEAR)[2] for line in self.getvalue().split("\n")]


def state(**changes: Any) -> State:
    values: dict[str, Any] = {
        "files": 123, "files_total": 177, "size": 45_200_000, "size_total": 120_300_000, "rate": 1_200_000
    }  # fmt: skip
    return State(**(values | changes))


def clocked(*moments: float) -> Callable[[], float]:
    """A clock that shows one moment after the other."""
    return iter(moments).__next__


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal()


@PROMISE
def test_a_line_tells_bytes_rate_files_and_the_time_that_is_left() -> None:
    assert bar.line("fetcher", state(), width=100) == (
        "fetcher:  37 % [############---------------------] 123/177 files, 45.2/120.3 MB, 1.2 MB/s, 1:03 left"
    )


def test_no_line_is_wider_than_the_terminal_and_facts_go_from_the_end() -> None:
    for width in range(1, 200):
        assert len(bar.line("fetcher", state(), width=width)) <= width
    assert bar.line("fetcher", state(), width=70) == "fetcher:  37 % 123/177 files, 45.2/120.3 MB, 1.2 MB/s, 1:03 left"
    assert bar.line("fetcher", state(), width=50) == "fetcher:  37 % 123/177 files, 45.2/120.3 MB"
    assert bar.line("fetcher", state(), width=20) == "fetcher:  37 %"
    assert bar.line("fetcher", state(), width=5) == "fetch"


def test_a_total_that_nobody_knows_leaves_files_and_bytes() -> None:
    assert bar.sentence(state(size_total=None)) == "123/177 files, 45.2 MB, 1.2 MB/s"
    assert bar.line("fetcher", state(size_total=None), width=60).startswith("fetcher:  69 % [")


def test_no_time_is_left_where_it_is_anyone_s_guess() -> None:
    for rate in (None, 0, 1):
        assert state(rate=rate).seconds_left is None
    assert state(size=200_000_000).seconds_left == 0
    assert "left" not in bar.sentence(state(last=True))


def test_an_empty_download_is_complete() -> None:
    assert state(files=0, files_total=0, size=0, size_total=0).fraction == 1.0
    assert state(size=3, size_total=2).fraction == 1.0


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (45_200, "45.2 kB"), (120_300_000, "120.3 MB"), (3_400_000_000, "3.4 GB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (7.4, "0:07"), (65, "1:05"), (3723, "1:02:03")])
def test_times(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_rate_looks_back_a_few_seconds_and_at_the_end_over_all() -> None:
    meter = Meter(files=1, size=None, now=clocked(0, 1, 11, 12, 22))
    meter.received(1000)
    assert meter.read().rate == 1000
    meter.received(4000)
    assert meter.read().rate == 400
    assert meter.read().rate == 364
    assert meter.read(last=True).rate == round(5000 / 22)


def test_a_clock_that_stands_still_or_goes_back_gives_no_rate() -> None:
    meter = Meter(files=1, size=10, now=clocked(5, 5, 4, 5))
    meter.received(10)
    assert [meter.read().rate, meter.read().rate, meter.read(last=True).rate] == [None, None, None]


def test_what_was_thrown_away_or_there_already_says_nothing_of_the_rate() -> None:
    meter = Meter(files=2, size=100, now=clocked(0, 1, 2))
    meter.kept(60)
    meter.received(10)
    meter.received(-30)
    assert (meter.read().size, meter.read().rate) == (40, 0)


def test_many_threads_count_right() -> None:
    meter = Meter(files=400, size=None)

    def work() -> None:
        for _ in range(100):
            meter.received(3)
            meter.kept(2)
            meter.file_done()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.read().files, meter.read().size) == (400, 2000)


@PROMISE
def test_lines_stand_above_the_bar_and_nothing_of_it_is_left(terminal: Terminal) -> None:
    progress = Progress(stage="fetcher", stream=terminal)
    progress.download(state())
    progress.warn("a mirror lies")
    assert terminal.screen() == ["fetcher: warning: a mirror lies", bar.line("fetcher", state(), width=79)]
    progress.download(state(last=True))
    progress.say("done")
    assert terminal.screen()[1:] == [f"fetcher: {bar.sentence(state(last=True))}", "fetcher: done", ""]


def test_a_bar_that_did_not_come_to_its_end_is_taken_away(terminal: Terminal) -> None:
    progress = Progress(stage="fetcher", stream=terminal)
    progress.download(state())
    progress.clear()
    progress.error("no")
    assert terminal.screen() == ["fetcher: error: no", ""]


def test_nothing_to_fetch_is_nothing_to_show(terminal: Terminal) -> None:
    Progress(stage="fetcher", stream=terminal).download(state(files=0, files_total=0, last=True))
    assert terminal.getvalue() == ""


@PROMISE
@pytest.mark.parametrize(("kind", "term"), [(io.StringIO, "xterm"), (Terminal, "dumb"), (Terminal, None)])
def test_where_nobody_watches_a_line_comes_from_time_to_time(
    kind: type[io.StringIO], term: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    states = [state(size=percent * 1000, size_total=100_000) for percent in (0, 9, 10, 50, 60, 65, 69, 100)]
    stream = kind()
    progress = Progress(stage="fetcher", stream=stream, clock=clocked(0, 20, 21, 22, 36, 40, 60, 99))
    for each in states:
        progress.download(each)
    said = [states[index] for index in (2, 4, 7)]
    assert stream.getvalue().splitlines() == [f"fetcher: {bar.sentence(each)}" for each in said]


@PROMISE
def test_the_runner_shows_what_a_stage_tells_in_json(terminal: Terminal) -> None:
    stream = io.StringIO()
    stage = Progress(stage="fetcher", log_format=JSON, stream=stream)
    stage.say("177 packages")
    stage.download(state())
    stage.warn("a mirror lies")
    lines = tuple(stream.getvalue().splitlines())
    assert all(json.loads(line)["stage"] == "fetcher" for line in lines)

    assert show(lines, Progress(stage="hermetic-rpm", stream=terminal)) == (
        "fetcher: 177 packages", "fetcher: warning: a mirror lies",
    )  # fmt: skip
    assert terminal.screen()[-1] == bar.line("fetcher", state(), width=79)

    passed = io.StringIO()
    assert show(lines, Progress(stage="hermetic-rpm", log_format=JSON, stream=passed)) == lines
    assert passed.getvalue() == stream.getvalue()


ODD = [
    "", "making it", "{", "{}", '{"stage": "x"}', '{"stage": 1, "level": "info", "message": "m"}', "{" * 100_000,
    '{"a":' * 100_000, "[1]",
]  # fmt: skip


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_what_is_no_line_of_a_stage_is_shown_as_it_is(line: str) -> None:
    assert understand(line) == line


def test_what_a_stage_says_cannot_steer_the_terminal() -> None:
    line = json.dumps({"stage": "a\x1b[2J", "level": "\x07", "message": "b\x1b[2Jc"})
    assert understand(line) == "a\N{REPLACEMENT CHARACTER}[2J: b\N{REPLACEMENT CHARACTER}[2Jc"


@pytest.mark.parametrize(
    "change",
    [
        {"files": -1}, {"files": True}, {"files": 1.5}, {"files_total": None}, {"size": "1"}, {"size": 1 << 61},
        {"rate": -1}, {"last": 0}, {"last": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_state_that_nobody_could_have_told_is_a_line_like_any_other(change: dict[str, Any]) -> None:
    fields = {"stage": "fetcher", "level": "progress", "message": "half", **bar.event(state()), **change}
    assert understand(json.dumps(fields)) == "fetcher: half"


def test_the_width_is_the_terminals(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 24)))
    Progress(stage="fetcher", stream=terminal).download(state())
    assert terminal.screen() == [bar.line("fetcher", state(), width=39)]
