"""From what was gathered to what the page says, in the order of the page: pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.lock import diff, options
from hermetic_rpm.lock.model import Lock, Package, RepositorySource
from hermetic_rpm.lock.why import Chain, Origin, every_chain
from hermetic_rpm.result import Output
from hermetic_rpm.runner import lock_diff
from hermetic_rpm.runner.lock_facts import evr, key, key_id
from hermetic_rpm.runner.lock_show import totals
from hermetic_rpm.runner.record import StageImage
from hermetic_rpm.runner.report.checks import Check, State, checks
from hermetic_rpm.runner.report.gather import FileState, Gathered, Log, Run

RPM, SOURCE_RPM = ".rpm", ".src.rpm"
LONGEST_HALF = 6
"""How many packages are named at each end of a long way to a package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltFile:
    """A file that the builder made, and whether it is still the same."""

    file: Output
    state: FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A phase of a stage: seconds and bytes, and how long their bars are, in percent of the longest."""

    name: str
    seconds: float
    seconds_bar: float
    peak: int | None
    peak_bar: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage: its phases, the longest first; where its part of the whole begins and ends, in percent."""

    kind: str
    seconds: float
    start: float
    share: float
    peak: int
    phases: tuple[Phase, ...]
    image: StageImage | None
    tool_version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A way to a package: what was asked for, and the packages from there down to it.

    ``left_out`` are so many in the middle of a long way, between ``start`` and ``end``.
    """

    origin: str
    name: str
    start: tuple[str, ...]
    left_out: int
    end: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """A row of the table of packages."""

    package: Package
    evr: str
    key: str
    ways: tuple[Way, ...]
    for_bootstrap: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository, and how much of the lock comes from it."""

    source: RepositorySource
    packages: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A key, as much of it as the lock knows, and how many packages it signed."""

    id: str
    packages: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What differs from the lock before."""

    summary: str
    sections: tuple[tuple[str, tuple[lock_diff.Row, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogText:
    """A log as lines without colours."""

    log: Log
    head: tuple[str, ...]
    tail: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """All that the page says; what is not known is None or empty."""

    title: str
    builder: Mapping[str, Any]
    lock: Lock | None
    options: str
    rpms: tuple[BuiltFile, ...]
    others: tuple[BuiltFile, ...]
    stages: tuple[Stage, ...]
    checks: tuple[Check, ...]
    totals: Mapping[str, Any]
    packages: tuple[LockedPackage, ...]
    repositories: tuple[Repository, ...]
    keys: tuple[SigningKey, ...]
    changes: Changes | None
    logs: tuple[LogText, ...]

    @property
    def seconds(self) -> float:
        """The time of all stages that are known."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.state is State.PASSED for check in self.checks)

    @property
    def edges_known(self) -> bool:
        """Whether the lock tells which package requires which."""
        return self.lock is not None and self.lock.sidecar is not None and self.lock.sidecar.edges is not None


def describe(found: Gathered) -> Page:
    """The page of a build."""
    lock = found.lock
    runs = tuple(run for run in (found.resolver, found.fetcher, found.builder) if run is not None)
    made = tuple(
        BuiltFile(file=file, state=found.files[file.path]) for file in found.builder.outputs if file.path in found.files
    )
    return Page(
        title=_title(found),
        builder=found.builder.result,
        lock=lock,
        options=_options(found),
        rpms=tuple(built for built in made if built.file.path.endswith(RPM)),
        others=tuple(built for built in made if not built.file.path.endswith(RPM)),
        stages=_stages(runs),
        checks=checks(found),
        totals={} if lock is None else totals(lock),
        packages=() if lock is None else tuple(_packages(lock)),
        repositories=() if lock is None else tuple(_repositories(lock)),
        keys=() if lock is None else tuple(_keys(lock)),
        changes=None if lock is None or found.previous is None else _changes(found.previous, lock),
        logs=tuple(_log_text(log) for run in reversed(runs) for log in run.logs),
    )


def _title(found: Gathered) -> str:
    sources = [file.path for file in found.builder.outputs if file.path.endswith(SOURCE_RPM)]
    if found.lock is not None and found.lock.sidecar is not None:
        sources.append(found.lock.sidecar.srpm.name)
    return sources[0].removesuffix(SOURCE_RPM) if sources else "A build"


def _options(found: Gathered) -> str:
    """The options that rpmbuild got, as a shell would read them."""
    given = found.builder.result["facts"].get("build_options")
    if isinstance(given, list):
        return shlex.join(map(str, given))
    sidecar = None if found.lock is None else found.lock.sidecar
    return "" if sidecar is None else shlex.join(options.command_line(sidecar.build_options))


def _stages(runs: Sequence[Run]) -> tuple[Stage, ...]:
    timings = [run.result["timings_seconds"] for run in runs]
    longest = max((seconds for each in timings for seconds in each.values()), default=0)
    largest = max((peak for run in runs for peak in run.result["peak_memory_bytes"].values()), default=0)
    total = sum(sum(each.values()) for each in timings)
    made, start = [], 0.0
    for run in runs:
        stage = _stage(run, start=start, total=total, longest=longest, largest=largest)
        start += stage.share
        made.append(stage)
    return tuple(made)


def _stage(run: Run, *, start: float, total: float, longest: float, largest: int) -> Stage:
    seconds, peaks = run.result["timings_seconds"], run.result["peak_memory_bytes"]
    phases = tuple(
        Phase(
            name=name, seconds=seconds[name], seconds_bar=_percent(seconds[name], longest),
            peak=peaks.get(name), peak_bar=_percent(peaks.get(name, 0), largest),
        )
        for name in sorted(seconds, key=lambda name: (-seconds[name], name))
    )  # fmt: skip
    return Stage(
        kind=run.kind, seconds=sum(seconds.values()), start=start, share=_percent(sum(seconds.values()), total),
        peak=max(peaks.values(), default=0), phases=phases, image=run.image, tool_version=run.result["tool_version"],
    )  # fmt: skip


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _packages(lock: Lock) -> Iterator[LockedPackage]:
    """The packages by name, each with the ways that lead to it; then those of the bootstrap image."""
    sidecar = lock.sidecar
    known = None if sidecar is None or sidecar.edges is None else every_chain(sidecar, sidecar.edges)
    rows = range(len(lock.packages))
    for row in sorted(rows, key=lambda row: _order(lock.packages[row])):
        ways = () if known is None else tuple(_way(lock, chain) for chain in known[row])
        yield _locked(lock.packages[row], ways, for_bootstrap=False)
    for package in sorted(lock.bootstrap_packages, key=_order):
        yield _locked(package, (), for_bootstrap=True)


def _order(package: Package) -> tuple[str, ...]:
    return (package.rpm.name, package.rpm.arch, package.rpm.nevra)


def _locked(package: Package, ways: tuple[Way, ...], *, for_bootstrap: bool) -> LockedPackage:
    return LockedPackage(
        package=package, evr=evr(package.rpm), key=key_id(package), ways=ways, for_bootstrap=for_bootstrap
    )


def _way(lock: Lock, chain: Chain) -> Way:
    left_out = max(0, len(chain.rows) - 2 * LONGEST_HALF)
    start = chain.rows[:LONGEST_HALF] if left_out else chain.rows
    end = chain.rows[-LONGEST_HALF:] if left_out else ()
    return Way(
        origin="minimal buildroot" if chain.origin is Origin.BUILDROOT else chain.origin.value,
        name=chain.name,
        start=tuple(lock.lockfile.rpms[row].name for row in start),
        left_out=left_out,
        end=tuple(lock.lockfile.rpms[row].name for row in end),
    )


def _repositories(lock: Lock) -> Iterator[Repository]:
    sources = [package.source for package in lock.every_package if package.source is not None]
    for repository in () if lock.sidecar is None else lock.sidecar.repositories:
        mine = [source.size for source in sources if source.repository == repository.id]
        yield Repository(source=repository, packages=len(mine), size=sum(mine))


def _keys(lock: Lock) -> Iterator[SigningKey]:
    found = [key(package) for package in lock.every_package]
    for name in sorted({name for name in found if name is not None}):
        yield SigningKey(id=name, packages=found.count(name))


def _changes(before: Lock, after: Lock) -> Changes:
    found = diff.difference(before, after)
    summary = lock_diff.summary(found, before, after) if found else lock_diff.EQUAL
    return Changes(summary=summary, sections=tuple(lock_diff.sections(found)))


def _log_text(log: Log) -> LogText:
    return LogText(log=log, head=_lines(log.head), tail=_lines(log.tail))


def _lines(content: bytes) -> tuple[str, ...]:
    return tuple(content.decode(errors="replace").removesuffix("\n").split("\n")) if content else ()
