"""The preflight of one container: read the facts, try what the sandbox does, judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hermetic_rpm import process
from hermetic_rpm.buildroot import sandbox
from hermetic_rpm.errors import SandboxRefused
from hermetic_rpm.files import scratch_directory, writing_errors
from hermetic_rpm.preflight import attempts as script
from hermetic_rpm.preflight import facts
from hermetic_rpm.preflight.check import Check
from hermetic_rpm.preflight.judge import Attempt, Attempts, judge

SCRIPT = Path(script.__file__)


def examine(scratch: Path, *, network_expected: bool) -> tuple[Check, ...]:
    """Every check of this container; ``scratch`` is where the stage would unpack and build.

    Raises `OutputRefused` if nothing can be written there.
    """
    with writing_errors(scratch):
        place = scratch_directory(scratch, "preflight-")
    try:
        _prepare(place)
        tried = _try(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return judge(
        facts.read(), tried, scratch=scratch, free=facts.free_bytes(scratch), network_expected=network_expected
    )


def _prepare(place: Path) -> None:
    for name in ("root", "lower/directory", "upper", "index", "merged"):
        (place / name).mkdir(parents=True)
    (place / "owned").touch()


def _try(place: Path) -> Attempts:
    outside = _answer((), {"what": "namespaces"})
    steps = _in_sandbox(place)
    return Attempts(
        namespaces=_attempts(outside),
        steps=_attempts(steps),
        filtered=tuple(dict.fromkeys((*outside.get("filtered", ()), *steps.get("filtered", ())))),
        inner_label=outside.get("attempts", {}).get("user", {}).get("label", ""),
        unshare=outside.get("refused") or steps.get("refused", ""),
    )


def _in_sandbox(place: Path) -> dict[str, Any]:
    try:
        sandbox.require_namespaces()
    except SandboxRefused as error:
        return {"refused": error.reason}
    return _answer(sandbox.unshare_command(network=False, pid=True), {"what": "sandbox", "scratch": str(place)})


def _answer(below: tuple[str, ...], request: dict[str, str]) -> dict[str, Any]:
    """What the script answers in a process of its own; ``refused`` if it never came to that."""
    done = process.run_worker(SCRIPT, request, below=below)
    if done.returncode != 0:
        return {"refused": " ".join(done.tail[-1:]) or f"ended with status {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _attempts(answer: dict[str, Any]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(name=name, errno=found["errno"], message=found["message"])
        for name, found in answer.get("attempts", {}).items()
    )
