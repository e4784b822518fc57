"""Commands: how a failure reads, and logs of commands that never grow without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm import process
from hermetic_rpm.buildroot import commandlog


def test_programs_of_the_host_get_the_caller_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_CONF", "/x")
    found = process.host_environment(EXTRA="1")
    assert (found["CONTAINERS_CONF"], found["EXTRA"]) == ("/x", "1")


def test_a_log_holds_commands_that_can_be_pasted_and_their_lines(tmp_path: Path) -> None:
    with commandlog.open_log(tmp_path / "x.log") as log:
        log.command(("rpmbuild", "-ba", "a b.spec"))
        log.line("done")
    assert (tmp_path / "x.log").read_text() == "$ rpmbuild -ba 'a b.spec'\ndone\n"


def test_a_log_that_is_full_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commandlog, "MAX_LOG_BYTES", 1000)
    with commandlog.open_log(tmp_path / "x.log") as log:
        for _ in range(10_000):
            log.line("x" * 99)
    text = (tmp_path / "x.log").read_text()
    assert text.endswith("hermetic-rpm: this log is full, the rest is dropped\n")
    assert text.count("is full") == 1
    assert len(text) < 1200


def test_a_log_is_readable_while_it_grows(tmp_path: Path) -> None:
    with commandlog.open_log(tmp_path / "x.log") as log:
        log.line("now")
        assert (tmp_path / "x.log").read_text() == "now\n"
