"""How a run that succeeded is told: what was made, where, and how long each stage took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermetic_rpm.progress import printable
from hermetic_rpm.runner.execute import Report
from hermetic_rpm.runner.pipeline import FETCHER
from hermetic_rpm.units import size

_RPM = ".rpm"
_LOG = ".log"


def summary(report: Report) -> Iterator[str]:
    """The lines for people."""
    logs = [path for path, _ in report.outputs if path.suffix == _LOG]
    made = [(path, output) for path, output in report.outputs if path.suffix != _LOG]
    yield f"made in {report.directory}:"
    if report.kind == FETCHER:
        yield f"  {size(sum(output.size for _, output in made)):>9}  in {len(made)} files"
        made = []
    for _, output in made:
        yield f"  {size(output.size):>9}  {printable(output.path)}"
    if logs:
        yield f"logs: {', '.join(printable(str(path.relative_to(report.directory))) for path in logs)}"
    stages = ", ".join(f"{name} {_seconds(seconds)}" for name, seconds in report.seconds)
    yield f"done in {report.total:.1f} s ({stages})"


def _seconds(seconds: float | None) -> str:
    return "skipped" if seconds is None else f"{seconds:.1f} s"


def results(report: Report) -> tuple[Path, ...]:
    """The RPMs, for the next program; those of an offline repository are no results."""
    if report.kind == FETCHER:
        return ()
    return tuple(path for path, _ in report.outputs if path.suffix == _RPM)
