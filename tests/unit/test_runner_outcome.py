"""What a stage left behind is read as something that hostile code may have written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import BuildFailed, HermeticError, OutOfMemory, StageFailed
from hermetic_rpm.runner import outcome
from hermetic_rpm.runner.plan import StagePlan

CONTENT = b"an RPM"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def stage(tmp_path: Path) -> StagePlan:
    output = tmp_path / "results"
    output.mkdir()
    (output / "hello.rpm").write_bytes(CONTENT)
    return StagePlan(
        name="builder", kind="builder", image="localhost/builder", arguments=(), network="none", capabilities=(),
        environment=(), binds=(), directories=(), expects=(), output=output,
    )  # fmt: skip


def result(place: StagePlan, *, path: str = "hello.rpm", **changes: Any) -> None:
    document: dict[str, Any] = {
        "schema_version": "1.0.0", "stage": "builder", "tool_version": "0", "status": "ok", "error": None,
        "inputs": {}, "outputs": [{"path": path, "size": len(CONTENT), "sha256": SHA256}],
        "timings_seconds": {}, "facts": {},
    }  # fmt: skip
    (place.output / "result.json").write_text(json.dumps({**document, **changes}))


def failure(**changes: Any) -> dict[str, Any]:
    error = {"kind": "BuildFailed", "exit_code": 64, "reason": "no", "solution": "read", "log_tail": ["make: ***"]}
    return {"status": "failed", "outputs": [], "error": {**error, **changes}}


def judged(stage: StagePlan, code: int = 0, **options: Any) -> outcome.Outcome:
    return outcome.judge(stage, code, **{"out_of_memory": False, "shown": (), **options})


def test_outputs_are_hashed_here(stage: StagePlan) -> None:
    result(stage)
    path = stage.output / "hello.rpm"
    done = judged(stage)
    assert [made for made, _ in outcome.made(stage, done)] == [path]
    assert outcome.verified(stage, done, [path]) == {path: SHA256}


@pytest.mark.promise("2.5", "an output that is not what the stage's result says is refused")
def test_an_output_that_changed_is_refused(stage: StagePlan) -> None:
    result(stage)
    done = judged(stage)
    (stage.output / "hello.rpm").write_bytes(b"ANOTHER")
    with pytest.raises(StageFailed, match=r"hello\.rpm is not what the builder says"):
        list(outcome.made(stage, done))


def test_an_output_that_is_not_there_is_refused(stage: StagePlan) -> None:
    result(stage, path="gone.rpm")
    with pytest.raises(StageFailed, match=r"names gone\.rpm, which is not there"):
        list(outcome.made(stage, judged(stage)))


def test_what_the_next_stage_needs_must_be_named(stage: StagePlan) -> None:
    result(stage)
    with pytest.raises(StageFailed, match=r"made no .*lock\.json"):
        outcome.verified(stage, judged(stage), [stage.output / "lock.json"])


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "linked/passwd", ".", "", "pipe", "a\0b"])
def test_no_output_leads_elsewhere(stage: StagePlan, path: str) -> None:
    (stage.output.parent / "secret").write_bytes(CONTENT)
    (stage.output / "link").symlink_to(stage.output / "hello.rpm")
    (stage.output / "linked").symlink_to("/etc")
    os.mkfifo(stage.output / "pipe")
    result(stage, path=path)
    with pytest.raises(StageFailed, match="no regular file below it"):
        list(outcome.made(stage, judged(stage)))


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _text(path: Path) -> None:
    path.write_text("{")


def _array(path: Path) -> None:
    path.write_text("[]")


def _other_stage(path: Path) -> None:
    path.write_text("{}")


def _huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(outcome.MAX_RESULT_BYTES + 1)


@pytest.mark.parametrize("make", [_link, _directory, _pipe, _text, _array, _other_stage, _huge])
def test_a_result_that_is_none_fails_the_stage(stage: StagePlan, make: Callable[[Path], None]) -> None:
    make(stage.output / "result.json")
    with pytest.raises(StageFailed):
        judged(stage)


def test_a_result_of_another_kind_of_stage_is_refused(stage: StagePlan) -> None:
    result(stage, stage="resolver")
    with pytest.raises(StageFailed, match="is of a resolver, but builder is a builder"):
        judged(stage)


def test_the_stages_own_error_comes_back_as_its_class(stage: StagePlan) -> None:
    result(stage, **failure())
    with pytest.raises(BuildFailed) as caught:
        judged(stage, 64)
    error = caught.value
    assert (error.reason, error.solution, error.log_tail) == ("no", "read", ("make: ***",))


def test_lines_the_user_has_just_seen_are_not_repeated(stage: StagePlan) -> None:
    result(stage, **failure())
    with pytest.raises(BuildFailed) as caught:
        judged(stage, 64, shown=("builder: building", "  | make: ***"))
    assert caught.value.log_tail == ()


def test_a_reported_error_cannot_steer_the_terminal(stage: StagePlan) -> None:
    result(stage, **failure(reason="a\x1b[2Jb", solution="c\x07", log_tail=["d\x9b"]))
    with pytest.raises(BuildFailed) as caught:
        judged(stage, 64)
    shown = (caught.value.reason, caught.value.solution, *caught.value.log_tail)
    assert all(text.isprintable() for text in shown)


def test_an_error_of_a_newer_stage_is_still_told(stage: StagePlan) -> None:
    result(stage, **failure(kind="Whatever", exit_code=99))
    with pytest.raises(StageFailed, match=r"Whatever \(status 99\): no"):
        judged(stage, 99)


@pytest.mark.parametrize("kind", ["HermeticError", "__import__", "SystemExit"])
def test_only_errors_of_ours_are_made(stage: StagePlan, kind: str) -> None:
    result(stage, **failure(kind=kind, exit_code=1))
    with pytest.raises(HermeticError) as caught:
        judged(stage, 1)
    assert type(caught.value) is StageFailed


@pytest.mark.parametrize(
    ("code", "changes"), [(1, {}), (0, failure()), (137, failure()), (0, {"error": failure()["error"]})]
)
def test_a_stage_that_contradicts_itself_fails(stage: StagePlan, code: int, changes: dict[str, Any]) -> None:
    result(stage, **changes)
    with pytest.raises(StageFailed, match=f"ended with status {code}, but"):
        judged(stage, code)


def test_a_stage_without_result_fails(stage: StagePlan) -> None:
    with pytest.raises(StageFailed, match=r"The builder ended with status 3 and left no result\.json"):
        judged(stage, 3)


def test_a_stage_that_was_killed_hears_of_memory(stage: StagePlan) -> None:
    with pytest.raises(StageFailed, match="most likely for lack of memory"):
        judged(stage, 137)


def test_memory_that_ran_out_is_named(stage: StagePlan) -> None:
    with pytest.raises(StageFailed, match="more memory than it may"):
        judged(stage, 137, out_of_memory=True)


def test_a_stage_that_tells_of_lack_of_memory_itself_is_believed(stage: StagePlan) -> None:
    """podman says so of the whole container, also where only a process of the build was ended."""
    result(stage, **failure(kind="OutOfMemory", exit_code=OutOfMemory.exit_code, reason="2 processes"))
    with pytest.raises(OutOfMemory, match="2 processes"):
        judged(stage, OutOfMemory.exit_code, out_of_memory=True)
