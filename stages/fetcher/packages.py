"""The locked packages in the offline repository: from cache or servers, each verified before it gets its name."""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import cache as cache_store
from hermetic_rpm.bar import Meter
from hermetic_rpm.errors import DownloadFailed, VerificationFailed
from hermetic_rpm.files import is_file_with, sync, writing_errors
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.progress import Progress
from hermetic_rpm.rpmfile import Header, Readers
from stages.fetcher import pool, verify
from stages.fetcher.download import Downloader, NobodyGivesError, Wanted

INCOMPLETE = ".incomplete-rpms"

Urls = Mapping[Package, tuple[str, ...]]
"""The addresses that packages may still come from, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """Where packages come from, and by which keys they must be signed."""

    lock: Lock
    urls: Urls
    keys: tuple[Path, ...]
    cache: Path | None
    downloader: Downloader
    workers: int
    progress: Progress


def missing(output: Path, lock: Lock) -> tuple[Package, ...]:
    """The packages that are not there with the locked bytes; without sha256 all are fetched again."""
    return tuple(
        package
        for package in lock.every_package
        if package.source is None or not is_file_with(output / package.file_name, package.source.sha256)
    )


def bring(supply: Supply, output: Path, wanted: Collection[Package]) -> None:
    """Give the wanted packages their names in ``output`` once all of them, and those already there, are verified.

    Raises `DownloadFailed` or `VerificationFailed` with everything that is wrong; what is sound
    is in the cache then.
    """
    waiting = output / INCOMPLETE
    with writing_errors(waiting):
        shutil.rmtree(waiting, ignore_errors=True)
        for place in {waiting, *((waiting / package.file_name).parent for package in wanted)}:
            place.mkdir(parents=True, exist_ok=True)
    try:
        paths = {package: waiting / package.file_name for package in wanted}
        present = {package: output / package.file_name for package in supply.lock.every_package if package not in paths}
        problems, failed = _arrive(supply, paths, present)
        sound = {package: path for package, path in paths.items() if package not in problems | failed}
        sync(sound.values())
        if supply.cache is not None:
            _keep(supply.cache, sound)
        _refuse(failed, problems)
        with writing_errors(output):
            for package, path in paths.items():
                final = output / package.file_name
                final.parent.mkdir(exist_ok=True)
                path.replace(final)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _arrive(
    supply: Supply, paths: Mapping[Package, Path], present: Mapping[Package, Path]
) -> tuple[dict[Package, tuple[str, ...]], dict[Package, str]]:
    """Get the files of ``paths`` and verify all; returns what is wrong with some, and why nobody gives others."""
    problems: dict[Package, tuple[str, ...]] = {}
    failed: dict[Package, str] = {}
    meter = _meter(paths)
    with (
        supply.progress.metered(meter),
        Readers(supply.keys, payload=supply.lock.sidecar is None) as readers,
        pool.threads(supply.workers, supply.downloader) as threads,
    ):
        headers = {package: readers.read(path) for package, path in present.items()}
        futures = {threads.submit(_get, supply, readers, meter, *item): item[0] for item in paths.items()}
        for done in concurrent.futures.as_completed(futures):
            try:
                headers[futures[done]] = done.result()
            except NobodyGivesError as error:
                failed[futures[done]] = str(error)
        for package, header in headers.items():
            if lines := _problems(supply, package, header.result()):
                problems[package] = lines
    return problems, failed


def _meter(packages: Collection[Package]) -> Meter:
    """What counts the downloads; without a sidecar nobody knows how many bytes there will be."""
    sizes = [package.source.size for package in packages if package.source is not None]
    return Meter(files=len(packages), size=sum(sizes) if len(sizes) == len(packages) else None)


def _get(supply: Supply, readers: Readers, meter: Meter, package: Package, path: Path) -> Future[Header]:
    """Get a package; returns its header, to be read while others arrive.

    Without a sha256 only the header tells that a server gave another package; then the next one is asked.
    """
    source, urls = package.source, supply.urls[package]
    sha256, size = (None, None) if source is None else (source.sha256, source.size)
    while True:
        given = obtain(supply, Wanted(urls=urls, sha256=sha256, size=size), path, meter)
        header = readers.read(path)
        urls = () if given is None or source is not None else urls[urls.index(given) + 1 :]
        if not urls or not (wrong := _problems(supply, package, header.result())):
            meter.file_done()
            return header
        supply.progress.warn(f"{given}: {'; '.join(wrong)}")


def _problems(supply: Supply, package: Package, header: Header) -> tuple[str, ...]:
    return verify.problems(supply.lock, package, header, keys=bool(supply.keys))


def obtain(supply: Supply, wanted: Wanted, path: Path, meter: Meter) -> str | None:
    """Bring one file under ``path``; returns the address that gave it, or None if the cache had it.

    Raises `NobodyGivesError`.
    """
    cache, sha256, size = supply.cache, wanted.sha256, wanted.size
    if cache is not None and sha256 is not None and size is not None and cache_store.take(cache, sha256, size, path):
        meter.kept(size)
        return None
    return supply.downloader.fetch(wanted, path, meter.received)


def _keep(cache: Path, paths: Mapping[Package, Path]) -> None:
    """Add sound packages to the cache."""
    for package, path in paths.items():
        if package.source is not None:
            cache_store.add(cache, path, package.source.sha256)


def _refuse(failed: Mapping[Package, str], problems: Mapping[Package, tuple[str, ...]]) -> None:
    wrong = sorted(line for lines in problems.values() for line in lines)
    nowhere = sorted(f"  {package.file_name}: {answers}" for package, answers in failed.items())
    if wrong:
        more = ("Nobody gives:", *nowhere) if nowhere else ()
        raise VerificationFailed("\n".join(("These packages are not what was locked:", *wrong, *more)))
    if nowhere:
        raise DownloadFailed("\n".join(("Nobody gives:", *nowhere)))
