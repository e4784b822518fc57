"""Lines, signals, and what podman needs in its environment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hermetic_rpm.errors import Interrupted
from hermetic_rpm.runner.interrupt import Events, listening
from hermetic_rpm.runner.lines import MAX_LINE_BYTES, LineSplitter
from hermetic_rpm.runner.service import podman_environment


def test_chunks_become_whole_lines() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\ntw") == ("one",)
    assert splitter.feed(b"o\r\nthree") == ("two",)
    assert splitter.end() == ("three",)
    assert splitter.end() == ()


def test_a_character_cut_by_a_chunk_stays_whole() -> None:
    splitter = LineSplitter()
    assert splitter.feed("é".encode()[:1]) == ()
    assert splitter.feed("é".encode()[1:] + b"\n") == ("é",)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert LineSplitter().feed(b"\x1b[31mred\x07\n") == ("\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}",)


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    splitter = LineSplitter()
    assert len(splitter.feed(b"x" * (MAX_LINE_BYTES + 1))) == 1
    assert splitter.end() == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_an_event_and_comes_back_however_often(number: signal.Signals) -> None:
    earlier = signal.signal(number, signal.SIG_DFL)  # who runs the tests may have it ignored, as nohup does
    try:
        with listening() as events:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            for _ in range(2):
                with pytest.raises(Interrupted, match=number.name):
                    events.take(timeout=1)
    finally:
        signal.signal(number, earlier)


def test_earlier_handlers_come_back() -> None:
    earlier = signal.getsignal(signal.SIGINT)
    with listening():
        assert signal.getsignal(signal.SIGINT) is not earlier
    assert signal.getsignal(signal.SIGINT) is earlier


def test_an_ignored_signal_stays_ignored() -> None:
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_waiting_ends_in_time() -> None:
    with pytest.raises(TimeoutError):
        Events().take(timeout=0.01)


def test_the_hosts_podman_settings_are_used_unless_the_caller_has_some(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    assert podman_environment(tmp_path, {}) == {}
    (tmp_path / "build" / "host.env").write_text("# made by setup\nOTHER=1\nCONTAINERS_CONF=build/containers.conf\n")
    assert podman_environment(tmp_path, {}) == {"CONTAINERS_CONF": str(tmp_path / "build/containers.conf")}
    assert podman_environment(tmp_path, {"CONTAINERS_CONF": "/mine"}) == {}
