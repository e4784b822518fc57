"""One verdict of a preflight, as a value and as a line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.errors import PreflightFailed
from hermetic_rpm.progress import printable

OK, WARNING, REFUSED = "ok", "warning", "refused"
STATES = (OK, WARNING, REFUSED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What was looked at, its state (of `STATES`), what was found, why so, and the setting by kind of host."""

    name: str
    state: str
    found: str
    cause: str = ""
    settings: tuple[tuple[str, str], ...] = ()


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name=name, state=OK, found=found)


def refused(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Those without which nothing works."""
    return tuple(check for check in checks if check.state == REFUSED)


def require(checks: tuple[Check, ...]) -> None:
    """Raise `PreflightFailed` with the names of those that are refused."""
    if names := ", ".join(check.name for check in refused(checks)):
        raise PreflightFailed(f"The host refuses: {names}.")


def lines(checks: tuple[Check, ...]) -> Iterator[str]:
    """The checks for people: what is well takes a line, and what helps is said once."""
    said: set[str] = set()
    for check in checks:
        yield f"{check.state:8} {check.name}: {printable(check.found)}"
        if check.cause not in said:
            said.add(check.cause)
            yield from (f"{'':8} {printable(line)}" for line in (check.cause, *setting_lines(check)) if line)


def setting_lines(check: Check) -> tuple[str, ...]:
    """The settings by kind of host; one line where the same helps everywhere."""
    different = dict.fromkeys(setting for _, setting in check.settings)
    if len(different) == 1:
        return tuple(different)
    return tuple(f"{host}: {setting}" for host, setting in check.settings)


def document(check: Check) -> dict[str, Any]:
    """A check as JSON has it: settings by kind of host."""
    return dataclasses.asdict(check) | {"settings": dict(check.settings)}


def line(stage: str, check: Check) -> str:
    """A check as one line of a stage's JSON log."""
    message = f"{check.name}: {check.found}"
    level = "info" if check.state == OK else "warning" if check.state == WARNING else "error"
    return json.dumps({"stage": stage, "level": level, "message": message, "check": document(check)})


def parse(text: str) -> Check | None:
    """The check in a line of a stage's log, or None if it holds none."""
    try:
        found = json.loads(text)["check"]
        check = Check(**found | {"settings": tuple(found["settings"].items())})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    texts = (check.name, check.found, check.cause, *(part for pair in check.settings for part in pair))
    return check if check.state in STATES and all(isinstance(part, str) for part in texts) else None
