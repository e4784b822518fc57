"""What the page tells of, read from where the stages left it: results, lock, offline repository.

All of it may have been written by hostile code: it is held against the schemas, no link is followed, and of a log
no more is read than is shown.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm.archive.index import LOCK, REPOSITORY
from hermetic_rpm.errors import LockMismatch, ResultsUnusable, StageFailed
from hermetic_rpm.lock import join
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.result import RESULT_NAME, Output
from hermetic_rpm.runner import outcome, record, workspaces
from hermetic_rpm.runner.pipeline import BUILDER, FETCHER, RESOLVER
from hermetic_rpm.runner.record import StageImage

MOST_LOGS = 20
"""How many logs of a stage are shown."""
LOG = ".log"
HEAD_BYTES, TAIL_BYTES = 8_000, 32_000
"""What is shown of a log that is longer."""


class FileState(enum.StrEnum):
    """What has become of a file since its stage wrote it."""

    SAME = "same"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """The start of a log and, where that is not all, its end; ``size`` is that of the whole, in bytes."""

    stage: str
    name: str
    size: int
    head: bytes
    tail: bytes = b""

    @property
    def left_out(self) -> int:
        """How many bytes lie between head and tail."""
        return self.size - len(self.head) - len(self.tail)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run of a stage: its valid ``result.json``, its image if a runner recorded it, and its logs."""

    kind: str
    result: Mapping[str, Any]
    image: StageImage | None
    logs: tuple[Log, ...]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it says it made, sorted by path."""
        return tuple(sorted((Output(**output) for output in self.result["outputs"]), key=lambda output: output.path))


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """A build with everything known of how it came about.

    ``files`` tells of each output of the builder that is no log whether it is still what the builder wrote.
    ``resolver`` and ``fetcher`` are None unless their results belong to the lock of this build.
    """

    builder: Run
    files: Mapping[str, FileState]
    lock: Lock | None
    resolver: Run | None
    fetcher: Run | None
    previous: Lock | None


def gather(results: Path, *, lock: Path | None, previous: Path | None) -> Gathered:
    """Read a build, its lock, and the results of the stages before it.

    Raises `ResultsUnusable`, `LockInvalid`, or `LockMismatch` for a lock that the build was not made with.
    """
    builder = _run(results, BUILDER, results)
    if builder is None:
        raise ResultsUnusable(f"{results} holds no {RESULT_NAME}.")
    path = lock or workspaces.named_or_of(None, results) / LOCK / LOCKFILE_NAME
    found = _load(path, builder) if lock is not None else _load_if_it_fits(path, builder)
    resolver = fetcher = None
    if found is not None:
        resolver = _resolver_of(found, _run(path.parent, RESOLVER, results))
        fetcher = _fetcher_of(found, _run(path.absolute().parent.parent / REPOSITORY, FETCHER, results))
    return Gathered(
        builder=builder,
        files={file.path: _state(results, file) for file in builder.outputs if not file.path.endswith(LOG)},
        lock=found,
        resolver=resolver,
        fetcher=fetcher,
        previous=None if previous is None else join.load(previous),
    )


def _run(directory: Path, kind: str, results: Path) -> Run | None:
    """The run of a stage that left its result in ``directory``; None if there is none."""
    try:
        found = outcome.read_result(directory, stage=kind, kind=kind)
        if found is None:
            return None
        image = record.image_of(results, outcome.result_sha256(directory))
    except (StageFailed, OSError) as error:
        raise ResultsUnusable(f"{directory / RESULT_NAME} cannot be used: {error}") from error
    return Run(kind=kind, result=found, image=image, logs=tuple(_logs(directory, kind)))


def _load_if_it_fits(path: Path, builder: Run) -> Lock | None:
    """The lock that nobody named, if it is there and that of the build."""
    try:
        return _load(path, builder) if path.is_file() else None
    except LockMismatch:
        return None


def _load(path: Path, builder: Run) -> Lock:
    """The lock, if the builder read these very files; raises `LockMismatch`."""
    found = join.load(path)
    join.expect(found, builder.result["inputs"])
    return found


def _resolver_of(lock: Lock, run: Run | None) -> Run | None:
    made = () if run is None else run.outputs
    return run if lock.lockfile_sha256 in (output.sha256 for output in made) else None


def _fetcher_of(lock: Lock, run: Run | None) -> Run | None:
    return run if run is not None and run.result["inputs"].get("lockfile") == lock.lockfile_sha256 else None


def _state(directory: Path, file: Output) -> FileState:
    try:
        digest = outcome.measure(directory, file.path).sha256
    except FileNotFoundError:
        return FileState.MISSING
    except StageFailed:
        return FileState.ALTERED
    return FileState.SAME if digest == file.sha256 else FileState.ALTERED


def _logs(directory: Path, stage: str) -> Iterator[Log]:
    """The logs that a stage left, sorted by name."""
    for path in sorted(directory.glob(f"*{LOG}"))[:MOST_LOGS]:
        with contextlib.suppress(FileNotFoundError, StageFailed):
            yield _log(directory, stage, path.name)


def _log(directory: Path, stage: str, name: str) -> Log:
    with outcome.open_below(directory, name) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= HEAD_BYTES + TAIL_BYTES:
            content = stream.read(size)
            return Log(stage=stage, name=name, size=len(content), head=content)
        head = _whole_lines(stream.read(HEAD_BYTES))
        stream.seek(size - TAIL_BYTES)
        tail = stream.read(TAIL_BYTES)
    return Log(stage=stage, name=name, size=size, head=head, tail=tail[_end_of_line(tail) :])


def _whole_lines(head: bytes) -> bytes:
    return head[: head.rfind(b"\n") + 1] or head


def _end_of_line(tail: bytes) -> int:
    """Where the first whole line begins, or 0 if there is but one."""
    return (tail.find(b"\n") + 1) % (len(tail) or 1)
