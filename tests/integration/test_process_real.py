"""Commands of the real system: what they get, how their failure reads, and what a flood of them costs."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed, ToolMissing


def test_a_command_gets_no_environment_but_the_scrubbed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_IS_NOT_INHERITED", "evil.so")
    found = dict(line.split("=", 1) for line in process.run(("env", "-u", "PWD")).stdout.splitlines())
    assert found == process.SCRUBBED


def test_a_failure_can_be_pasted_and_has_the_end_of_its_output() -> None:
    with pytest.raises(CommandFailed) as caught:
        process.run(("sh", "-c", "seq 100 >&2; exit 3", "a b", "$x"))
    assert caught.value.reason.endswith("  sh -c 'seq 100 >&2; exit 3' 'a b' '$x'")
    assert "status 3" in caught.value.reason
    assert caught.value.log_tail == tuple(str(number) for number in range(61, 101))


def test_a_failure_that_is_expected_is_an_answer() -> None:
    done = process.run(("sh", "-c", "echo said on stdout; exit 1"), check=False)
    assert (done.returncode, done.tail) == (1, ("said on stdout",))


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-program is not installed"):
        process.run(("no-such-program",))


def test_standard_input_arrives_whole(tmp_path: Path) -> None:
    given = b"x" * (3 << 20)
    assert len(process.run(("cat",), stdin=given, cwd=tmp_path).stdout) == len(given)


def test_a_worker_answers_until_it_dies_or_says_too_much(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, sys\nprefix = sys.stdin.readline().strip()\nfor line in sys.stdin:\n"
        "    if 'die' in line: os._exit(9)\n"
        "    sys.stdout.write(prefix + (line if 'much' not in line else 'x' * 200_000))\n    sys.stdout.flush()\n"
    )
    worker = process.Worker(script, 1)
    assert [worker.ask("a"), worker.ask("b"), worker.ask("die"), worker.ask("c")] == [b'1"a"', b'1"b"', None, None]
    worker = process.Worker(script, 2)
    assert [worker.ask("a"), worker.ask("much"), worker.ask("b")] == [b'2"a"', None, None]
    worker.end()


def test_a_flood_is_ended_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_CAPTURE_BYTES", 1 << 20)
    with pytest.raises(CommandFailed, match="printed more than 1 MiB"):
        process.run(("yes",))
    quiet = process.run(("sh", "-c", "head -c 9000000 /dev/zero >&2"))
    assert quiet.stdout == ""


def test_the_largest_process_is_that_of_the_commands_since_it_was_last_asked() -> None:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # what a child has at first, too
    size = own + (100 << 20)
    large = (sys.executable, "-c", f"block = bytearray(b'x') * {size}")
    process.largest_process()
    process.run((sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)", *large))
    process.run(("true",), on_line=lambda _: None)
    assert process.largest_process() > size
    process.run(("true",))
    assert 0 < process.largest_process() < size
    assert process.largest_process() == 0
