"""Commands: how a failure reads, and logs of commands that never grow without end."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import process
from hermetic_rpm.buildroot import commandlog
from hermetic_rpm.errors import CommandFailed, ToolMissing


def ended(monkeypatch: pytest.MonkeyPatch, status: int, stdout: bytes = b"", stderr: bytes = b"") -> list[Any]:
    calls: list[Any] = []

    def run(argv: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append((argv, options))
        return subprocess.CompletedProcess(argv, status, stdout, stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_a_command_gets_no_environment_but_the_scrubbed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "evil.so")
    calls = ended(monkeypatch, 0, b"out\n")
    assert process.run(("true", Path("/x"))).stdout == "out\n"
    assert calls[0][0] == ("true", "/x")
    assert calls[0][1]["env"] == process.SCRUBBED
    assert "shell" not in calls[0][1]


def test_a_failure_can_be_pasted_and_has_the_end_of_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    ended(monkeypatch, 3, stderr=b"\n".join(b"line %d \xff" % number for number in range(100)))
    with pytest.raises(CommandFailed) as caught:
        process.run(("false", "a b", "$x"))
    assert caught.value.reason.endswith("  false 'a b' '$x'")
    assert "status 3" in caught.value.reason
    assert len(caught.value.log_tail) == process.TAIL_LINES
    assert caught.value.log_tail[-1].startswith("line 99 ")


def test_a_failure_that_is_expected_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    ended(monkeypatch, 1, stdout=b"said on stdout")
    done = process.run(("test",), check=False)
    assert (done.returncode, done.tail) == (1, ("said on stdout",))


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(ToolMissing, match="skopeo is not installed"):
        process.run(("skopeo",))


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
