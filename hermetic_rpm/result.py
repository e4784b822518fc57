"""``result.json``: what a stage did, for the next program rather than for people.

The schema is ``schemas/result.schema.json``.  It is written last and atomically, on success
and on failure, so that a reader never meets half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hermetic_rpm import __version__
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.files import canonical_json, sha256_of, write_atomically

RESULT_NAME = "result.json"
SCHEMA_VERSION = "1.0.0"
OFFERS = "offers"
"""The fact of a resolver: what image, repositories and keys of its target were."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A file that a stage made: path relative to its output directory, bytes, sha256 (hex)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The outcome of one run of a stage."""

    stage: str
    inputs: Mapping[str, str]
    outputs: tuple[Output, ...] = ()
    timings: Mapping[str, float]
    peaks: Mapping[str, int] = field(default_factory=dict)
    error: HermeticError | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def output_of(directory: Path, path: Path, sha256: str | None = None) -> Output:
    """Describe a finished file below ``directory``, whose sha256 may be known."""
    return Output(path=str(path.relative_to(directory)), size=path.stat().st_size, sha256=sha256 or sha256_of(path))


def outputs_of(
    directory: Path, paths: Iterable[Path], known: Mapping[Path, str] = MappingProxyType({})
) -> tuple[Output, ...]:
    """Describe finished files below ``directory``, sorted by path; ``known`` has the sha256 of those just hashed."""
    found = (output_of(directory, path, known.get(path)) for path in paths)
    return tuple(sorted(found, key=lambda output: output.path))


def document(result: Result) -> dict[str, Any]:
    """The JSON document of a result."""
    return {
        "schema_version": SCHEMA_VERSION,
        "stage": result.stage,
        "tool_version": __version__,
        "status": "ok" if result.error is None else "failed",
        "error": None if result.error is None else _error(result.error),
        "inputs": dict(result.inputs),
        "outputs": [{"path": o.path, "size": o.size, "sha256": o.sha256} for o in result.outputs],
        "timings_seconds": dict(result.timings),
        "peak_memory_bytes": dict(result.peaks),
        "facts": dict(result.facts),
    }


def _error(error: HermeticError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "exit_code": error.exit_code,
        "reason": error.reason,
        "solution": error.solution,
        "log_tail": list(error.log_tail),
    }


def write(directory: Path, result: Result) -> None:
    """Write ``result.json`` below ``directory``."""
    write_atomically(directory / RESULT_NAME, canonical_json(document(result)))
