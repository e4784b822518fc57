"""What a stage left behind: ``result.json``, read as something that hostile code may have written."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hermetic_rpm.document import parse_json, problems
from hermetic_rpm.errors import HermeticError, StageFailed
from hermetic_rpm.progress import printable
from hermetic_rpm.result import RESULT_NAME, Output
from hermetic_rpm.runner.plan import StagePlan

MAX_RESULT_BYTES = 16 << 20
MAX_TAIL_LINES = 60
MAX_LINE = 2000
_KILLED = 128 + signal.SIGKILL
_MEMORY = "Give it more (`resources: {memory: …}` in the pipeline file), or find out what takes so much."
_UNTRUSTED = "Do not use what it left; its logs are beside it. Run the stage again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A stage that did its work: what it says it made, sorted by path, the sha256 of what says so, and its facts."""

    outputs: tuple[Output, ...]
    result: str
    facts: Mapping[str, Any]


def judge(stage: StagePlan, code: int, *, out_of_memory: bool, shown: tuple[str, ...]) -> Outcome:
    """The outcome of a stage that exited with ``code``; ``shown`` are the last lines the user saw of it.

    Raises the stage's own error, or `StageFailed` if it left none or contradicts itself; neither
    repeats lines that the user has just seen.
    """
    result = read_result(stage.output, stage=stage.name, kind=stage.kind)
    if result is None and out_of_memory:
        raise StageFailed(f"The {stage.name} was killed: it used more memory than it may.", solution=_MEMORY)
    if result is None and code == _KILLED:
        # Not every host tells podman when the kernel ran out of memory.
        raise StageFailed(f"The {stage.name} was killed (SIGKILL), most likely for lack of memory.", solution=_MEMORY)
    if result is None:
        raise StageFailed(f"The {stage.name} ended with status {code} and left no {RESULT_NAME}.")
    if result["status"] == "failed" and result["error"] and result["error"]["exit_code"] == code:
        raise _reported(result["error"], shown)
    if result["status"] != "ok" or result["error"] is not None or code != 0:
        raise StageFailed(f"The {stage.name} ended with status {code}, but its {RESULT_NAME} says {result['status']}.")
    return _outcome(stage, result)


def earlier(stage: StagePlan) -> Outcome | None:
    """What an earlier run left, if it says that all went well; raises `StageFailed` or OSError."""
    result = read_result(stage.output, stage=stage.name, kind=stage.kind)
    return None if result is None or result["status"] != "ok" else _outcome(stage, result)


def _outcome(stage: StagePlan, result: dict[str, Any]) -> Outcome:
    outputs = (Output(**output) for output in result["outputs"])
    return Outcome(
        outputs=tuple(sorted(outputs, key=lambda output: output.path)),
        result=result_sha256(stage.output),
        facts=result["facts"],
    )


def read_result(output: Path, *, stage: str, kind: str) -> dict[str, Any] | None:
    """The valid ``result.json`` in a stage's output directory, or None if there is none; raises `StageFailed`."""
    path = output / RESULT_NAME
    try:
        content = read_below(output, RESULT_NAME, MAX_RESULT_BYTES)
    except FileNotFoundError:
        return None
    document = parse_json(content, str(path), StageFailed)
    if found := problems(document, "result"):
        shown = "\n  ".join(printable(line)[:MAX_LINE] for line in found[:20])
        raise StageFailed(f"{path} is not valid:\n  {shown}", solution=_UNTRUSTED)
    data: dict[str, Any] = document.data
    if data["stage"] != kind:
        raise StageFailed(f"{path} is of a {data['stage']}, but {stage} is a {kind}.", solution=_UNTRUSTED)
    return data


def result_sha256(output: Path) -> str:
    """The sha256 of the ``result.json`` in a stage's output directory; raises `StageFailed`."""
    return measure(output, RESULT_NAME).sha256


def measure(directory: Path, relative: str) -> Output:
    """A regular file below ``directory`` as it is now; raises FileNotFoundError, or `StageFailed` for anything else."""
    with open_below(directory, relative) as stream:
        size = os.fstat(stream.fileno()).st_size
        return Output(path=relative, size=size, sha256=hashlib.file_digest(stream, "sha256").hexdigest())


def read_below(directory: Path, relative: str, limit: int) -> bytes:
    """The content of a regular file below ``directory``; raises FileNotFoundError, or `StageFailed` if it is larger."""
    with open_below(directory, relative) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise StageFailed(f"{directory / relative} is larger than {limit >> 20} MiB.", solution=_UNTRUSTED)
    return content


def verified(stage: StagePlan, outcome: Outcome, paths: Iterable[Path]) -> dict[Path, str]:
    """The sha256 of files that the stage made, each hashed here and compared with what the stage says."""
    named = {stage.output / output.path: output for output in outcome.outputs}
    checked = {}
    for path in paths:
        output = named.get(path)
        if output is None:
            raise StageFailed(f"The {stage.name} made no {path}, but the next stages need it.", solution=_UNTRUSTED)
        checked[path] = _verify(stage, output)
    return checked


def made(stage: StagePlan, outcome: Outcome) -> Iterator[tuple[Path, Output]]:
    """Every output of the stage with its path on this host, verified."""
    for output in outcome.outputs:
        _verify(stage, output)
        yield stage.output / output.path, output


def _verify(stage: StagePlan, output: Output) -> str:
    name = printable(output.path)
    try:
        found = measure(stage.output, output.path)
    except FileNotFoundError as error:
        raise StageFailed(f"The {stage.name} names {name}, which is not there.", solution=_UNTRUSTED) from error
    if found != output:
        raise StageFailed(
            f"{stage.output / name} is not what the {stage.name} says: {found.size} bytes, sha256 {found.sha256}, "
            f"instead of {output.size} bytes, sha256 {output.sha256}.",
            solution=_UNTRUSTED,
        )
    return found.sha256


def open_below(directory: Path, relative: str) -> io.BufferedReader:
    """A regular file below ``directory``, reached without following any link; raises `StageFailed`."""
    parts = PurePosixPath(relative).parts
    refused = StageFailed(f"{directory / printable(relative)} is no regular file below it.", solution=_UNTRUSTED)
    if not parts or any(part in ("/", "..") or "\0" in part for part in parts):
        raise refused
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, part in enumerate(parts):
            kind = os.O_DIRECTORY if index < len(parts) - 1 else os.O_NONBLOCK
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=handle)
            os.close(handle)
            handle = inner
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise refused
        return os.fdopen(os.dup(handle), "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refused from error
    finally:
        os.close(handle)


def _reported(error: dict[str, Any], shown: tuple[str, ...]) -> HermeticError:
    """The error a stage wrote down, as the class of that name; its text is made harmless."""
    classes = {cls.__name__: cls for cls in HermeticError.__subclasses__()}
    found = classes.get(error["kind"], StageFailed)
    exact = found.exit_code == error["exit_code"]
    reason = _harmless(error["reason"]) or "It gave no reason."
    if not exact:
        found = StageFailed
        reason = f"{printable(error['kind'])} (status {error['exit_code']}): {reason}"
    tail = tuple(printable(line)[:MAX_LINE] for line in error["log_tail"][-MAX_TAIL_LINES:])
    return found(reason, solution=_harmless(error["solution"]), log_tail=_unseen(tail, shown))


def _unseen(tail: tuple[str, ...], shown: tuple[str, ...]) -> tuple[str, ...]:
    """``tail``, or nothing if its lines are among the last ones that the user has just seen."""
    return () if all(any(line in seen for seen in shown) for line in tail) else tail


def _harmless(text: str) -> str:
    return "\n".join(printable(line) for line in text[: 10 * MAX_LINE].splitlines())
