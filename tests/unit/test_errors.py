"""Errors: one exit code each, a reason, a solution, and documented."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from hermetic_rpm import document, edge, errors, result
from hermetic_rpm.errors import HermeticError, LockMismatch, VerificationFailed
from hermetic_rpm.progress import JSON, Progress, printable
from hermetic_rpm.result import Output, Result
from tests.support import exit_codes

CODES = pytest.mark.promise("2.bad", "exit codes are unique and documented")


def subclasses(cls: type[HermeticError]) -> set[type[HermeticError]]:
    return {found for sub in cls.__subclasses__() for found in ({sub} | subclasses(sub))}


@CODES
def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [error.exit_code for error in errors.every_error()]
    assert len(set(codes)) == len(codes)
    assert set(errors.every_error()) == subclasses(HermeticError)


@CODES
def test_no_exit_code_is_one_that_shells_python_or_click_use() -> None:
    for error in errors.every_error():
        assert error.exit_code not in {0, 1, 2, 125, 126, 127}
        assert error.exit_code < 126 or error is errors.Interrupted


@CODES
def test_the_documented_exit_codes_are_those_of_the_code() -> None:
    assert exit_codes.PATH.read_text() == exit_codes.render(), "run python -m tests.support.exit_codes"


@pytest.mark.parametrize("error", errors.every_error(), ids=lambda error: error.__name__)
def test_an_error_says_what_to_do(error: type[HermeticError]) -> None:
    assert error.__doc__
    assert error.default_solution or error is errors.CommandFailed
    assert error("x", solution="y").solution == "y"


# -- the edge -----------------------------------------------------------------------------


def outcome(directory: Path, error: HermeticError | None, **facts: object) -> dict[str, object]:
    def work(_progress: Progress, report: edge.Report) -> None:
        report.facts |= facts
        report.outputs = (Output(path="a", size=1, sha256="0" * 64),)
        report.summary = "made a"
        if error is not None:
            raise error

    if error is None:
        edge.run("fetcher", directory, JSON, work)
    else:
        with pytest.raises(SystemExit) as caught:
            edge.run("fetcher", directory, JSON, work)
        assert caught.value.code == error.exit_code
    document_ = json.loads((directory / "result.json").read_text())
    found = document.parse_json((directory / "result.json").read_bytes(), "result.json", HermeticError)
    assert document.problems(found, "result") == ()
    return document_


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_arguments: None)


def test_a_success_leaves_its_outputs_in_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(tmp_path, None, sidecar=True)
    assert (found["status"], found["error"], found["facts"]) == ("ok", None, {"sidecar": True})
    assert found["outputs"] == [{"path": "a", "size": 1, "sha256": "0" * 64}]
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err) == {"stage": "fetcher", "level": "info", "message": "made a"}


def test_a_failure_leaves_its_reason_and_no_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(tmp_path, VerificationFailed("it differs\nin two lines", log_tail=("the log",)))
    assert found["status"] == "failed"
    assert found["outputs"] == []
    error = found["error"]
    assert isinstance(error, dict)
    assert (error["kind"], error["exit_code"], error["log_tail"]) == ("VerificationFailed", 51, ["the log"])
    levels = [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]
    assert levels == ["output", "error", "error", "info"]


def test_an_older_result_does_not_outlive_a_bug(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")

    def work(_progress: Progress, _report: edge.Report) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        edge.run("fetcher", tmp_path, JSON, work)
    assert not (tmp_path / "result.json").exists()


def test_a_missing_output_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        edge.run("fetcher", tmp_path / "missing", JSON, lambda _progress, _report: None)
    assert caught.value.code == errors.OutputRefused.exit_code


def test_what_another_stage_made_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome(tmp_path, None)
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(SystemExit) as caught:
        edge.run("signer", tmp_path, JSON, lambda _progress, _report: pytest.fail("it works there"))
    assert caught.value.code == errors.OutputRefused.exit_code
    assert (tmp_path / "result.json").read_bytes() == before
    assert "holds what the fetcher made" in capsys.readouterr().err
    outcome(tmp_path, None)


def test_a_source_rpm_that_was_swapped_is_refused() -> None:
    edge.expect_srpm("0" * 64, {})
    edge.expect_srpm("0" * 64, {"srpm": "0" * 64})
    with pytest.raises(LockMismatch):
        edge.expect_srpm("0" * 64, {"srpm": "1" * 64})


@pytest.mark.parametrize("value", ["srpm", "srpm=", "srpm=abc", f"other={'0' * 64}", f"srpm={'A' * 64}"])
def test_an_expectation_is_role_and_checksum(value: str) -> None:
    with pytest.raises(Exception, match="is not ROLE=SHA256"):
        edge.Expectation().convert(value, None, None)


# -- what is said -------------------------------------------------------------------------


def test_package_code_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    Progress(stage="builder", stream=stream).output("a\x1b[2J\x07b\rc\td")
    assert stream.getvalue() == "  | a\ufffd[2J\ufffdb\ufffdc\td\n"
    assert printable("G\u00f6del \u2713") == "G\u00f6del \u2713"


def test_an_error_of_several_lines_is_told_in_several_lines() -> None:
    stream = io.StringIO()
    Progress(stage="builder", stream=stream).error("it differs:\n  a\x1b[2J\n  b")
    assert stream.getvalue() == "builder: error: it differs:\n  a\ufffd[2J\n  b\n"
    stream = io.StringIO()
    Progress(stage="builder", stream=stream, log_format=JSON).error("one\ntwo")
    assert json.loads(stream.getvalue())["message"] == "one\ntwo"


def test_a_phase_that_runs_twice_is_summed_up() -> None:
    progress = Progress(stage="resolver", stream=io.StringIO())
    for _ in range(2):
        with progress.phase("spec"):
            pass
    assert list(progress.timings) == ["spec"]


def test_a_reader_that_went_away_does_not_end_the_stage() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    Progress(stage="resolver", stream=Gone()).say("hello")


def test_outputs_are_listed_in_order_of_path(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    found = result.outputs_of(tmp_path, [tmp_path / "b", tmp_path / "a"])
    assert [entry.path for entry in found] == ["a", "b"]
    assert found[0].size == 1
    assert result.document(Result(stage="fetcher", inputs={}, timings={}))["tool_version"]
