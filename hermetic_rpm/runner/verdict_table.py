"""What became of many packages, as a table for people and as events for programs: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hermetic_rpm.runner.many import Verdict
from hermetic_rpm.runner.summary import results
from hermetic_rpm.runner.table import Column, columns, fit, lines

NOTHING = "-"


def table(verdicts: Sequence[Verdict], *, width: int) -> tuple[str, ...]:
    """A line for each package below a line of titles; the log's path is never shortened."""
    rows = [_row(verdict) for verdict in verdicts]
    package, result, stage, code, seconds, rpms, log = zip(*rows, strict=True)
    kept, _ = fit(
        columns(
            Column(title="package", cells=package),
            Column(title="result", cells=result),
            Column(title="stage", cells=stage, spare=1),
            Column(title="code", cells=code, right=True),
            Column(title="time", cells=seconds, right=True, spare=2),
            Column(title="RPMs", cells=rpms, right=True, spare=3),
            Column(title="log", cells=log),
        ),
        width,
    )
    return lines(kept)


def _row(verdict: Verdict) -> tuple[str, ...]:
    error = verdict.error
    return (
        verdict.package,
        verdict.result,
        (error.stage if error is not None else None) or NOTHING,
        str(error.exit_code) if error is not None else NOTHING,
        f"{verdict.seconds:.1f} s" if verdict.seconds else NOTHING,
        str(len(results(verdict.report))) if verdict.report is not None else NOTHING,
        str(verdict.log) if verdict.log is not None else verdict.why,
    )


def events(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A message for each package, and its fields."""
    for verdict in verdicts:
        error = verdict.error
        yield (
            f"{verdict.package}: {verdict.result}",
            {
                "package": verdict.package,
                "result": verdict.result,
                "failed_stage": error.stage if error is not None else None,
                "exit_code": error.exit_code if error is not None else None,
                "reason": error.reason if error is not None else verdict.why or None,
                "seconds": round(verdict.seconds, 3),
                "rpms": [str(path) for path in results(verdict.report)] if verdict.report is not None else [],
                "log": str(verdict.log) if verdict.log is not None else None,
            },
        )
