"""The source RPMs of the locked packages, in a directory of their own: for those who must offer them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hermetic_rpm import made, rpmfile
from hermetic_rpm.errors import DownloadFailed, OutputRefused, RepositoryExtraFile, SourceRpmUnknown, VerificationFailed
from hermetic_rpm.files import is_file_with, writing_errors
from hermetic_rpm.lock.model import Lock, RepositorySource, SourceRpm
from hermetic_rpm.rpmfile import Header
from stages.fetcher import sources
from stages.fetcher.gather import File, gather
from stages.fetcher.packages import Supply
from stages.fetcher.sources import Alternatives

WAITING = ".incomplete-sources"
SUFFIXES = (".src.rpm", ".nosrc.rpm")


def check(lock: Lock, directory: Path, output: Path) -> None:
    """Before anything is downloaded: that all source RPMs are known, and that the directory can take them.

    Raises `SourceRpmUnknown`, `OutputRefused` or `RepositoryExtraFile`.
    """
    if problems := unknown(lock):
        raise SourceRpmUnknown("\n".join(("The lock does not tell where these source RPMs are:", *problems)))
    if not directory.is_dir():
        raise OutputRefused(f"The directory {directory} for the source RPMs does not exist.")
    if directory.resolve().is_relative_to(output.resolve()):
        raise OutputRefused(
            f"{directory} lies in the offline repository, which holds what is locked and nothing else.",
            solution="Name another directory for the source RPMs.",
        )
    if strangers := _strangers(lock, directory):
        raise RepositoryExtraFile(
            f"{directory} holds what no fetcher put there: {', '.join(strangers[:5])}.",
            solution="Remove it, or name an empty directory for the source RPMs.",
        )


def unknown(lock: Lock) -> tuple[str, ...]:
    """What keeps the source RPMs from being fetched, a line for each package or source RPM: pure."""
    if lock.sidecar is None or lock.sidecar.sources is None:
        return tuple(
            f"  {package.rpm.nevra}: the lock has no sidecar of 1.2.0 or later" for package in lock.every_package
        )
    known = {entry.name for entry in _sources(lock)}
    found: list[str] = []
    missing: dict[str, list[str]] = {}
    for package in lock.every_package:
        name = None if package.source is None else package.source.source
        if name is None:
            found.append(f"  {package.rpm.nevra}: its repository does not name its source RPM")
        elif name not in known:
            missing.setdefault(name, []).append(package.rpm.nevra)
    rows = (f"  {name} is in no source repository ({', '.join(users)})" for name, users in sorted(missing.items()))
    return (*found, *rows)


def fetch(supply: Supply, alternatives: Alternatives, directory: Path) -> int:
    """Bring all source RPMs of a checked lock into ``directory``, verified; returns how many there are."""
    lock = supply.lock
    wanted = {entry.name: entry for entry in _sources(lock)}
    made.note(directory, _older(directory) | wanted.keys())
    made.remove(directory, sorted(_names(directory) - wanted.keys() - {made.MADE}))
    missing = {entry for entry in wanted.values() if not is_file_with(directory / entry.name, entry.sha256)}
    supply.progress.say(f"{len(wanted)} source RPMs, {len(missing)} to fetch")
    waiting = directory / WAITING
    paths = {entry: (waiting if entry in missing else directory) / entry.name for entry in wanted.values()}
    with writing_errors(waiting):
        waiting.mkdir()
    try:
        files = sources.index(alternatives.directories)
        failed = gather(
            supply, [_file(lock, entry, alternatives, files) for entry in paths if entry in missing], waiting
        )
        if failed:
            lines = (f"  {file.name}: {answer}" for file, answer in failed.items())
            raise DownloadFailed("\n".join(("Nobody gives:", *lines)))
        _verify(lock, paths, supply.keys)
        with writing_errors(directory):
            for entry in missing:
                (waiting / entry.name).replace(directory / entry.name)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return len(wanted)


def _sources(lock: Lock) -> tuple[SourceRpm, ...]:
    return () if lock.sidecar is None else lock.sidecar.sources or ()


def _repository(lock: Lock, entry: SourceRpm) -> RepositorySource:
    assert lock.sidecar is not None
    return lock.sidecar.repository(entry.repository)


def _names(directory: Path) -> frozenset[str]:
    return frozenset(path.name for path in directory.iterdir())


def _older(directory: Path) -> frozenset[str]:
    """The source RPMs of an earlier run; what else a note names is not ours."""
    return frozenset(name for name in made.earlier(directory) if name.endswith(SUFFIXES))


def _strangers(lock: Lock, directory: Path) -> list[str]:
    """What neither this lock names nor an earlier run left."""
    ours = {made.MADE, *_older(directory), *(entry.name for entry in _sources(lock))}
    return sorted(name for name in _names(directory) - ours if not name.startswith(".incomplete-"))


def _file(
    lock: Lock, entry: SourceRpm, alternatives: Alternatives, files: Mapping[str, tuple[Path, ...]]
) -> File:  # fmt: skip
    urls = sources.urls_of_file(_repository(lock, entry), entry.location, alternatives, files)
    return File(name=entry.name, urls=urls, sha256=entry.sha256, size=entry.size)


def _verify(lock: Lock, paths: Mapping[SourceRpm, Path], keys: tuple[Path, ...]) -> None:
    headers = rpmfile.inspect(tuple(paths.values()), certificates=keys, payload=False)
    wrong = [
        f"{entry.name}: {problem}"
        for entry, header in zip(paths, headers, strict=True)
        for problem in problems(entry, header, signed=_repository(lock, entry).gpgcheck)
    ]
    if wrong:
        raise VerificationFailed("\n".join(("These source RPMs are not what was locked:", *wrong)))


def problems(entry: SourceRpm, header: Header, *, signed: bool) -> tuple[str, ...]:
    """Everything in which a file is not the source RPM of its name: pure."""
    if header.problem is not None:
        return (header.problem,)
    found = []
    label = f"{header.name}-{header.version}-{header.release}"
    if not header.source:
        found.append("it is a binary RPM")
    if entry.name not in {f"{label}{suffix}" for suffix in SUFFIXES}:
        found.append(f"it is {label}")
    if signed and header.verified_by is None:
        signers = ", ".join(header.signers) or "nobody"
        found.append(f"its repository demands a signature by a key of the lock; signed by {signers}")
    return tuple(found)
