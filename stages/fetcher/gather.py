"""Files whose sha256 and size the sidecar tells, brought in parallel: from the cache, or from their repository."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import cache as cache_store
from hermetic_rpm.bar import Meter
from hermetic_rpm.files import sync
from stages.fetcher import pool
from stages.fetcher.download import NobodyGivesError, Wanted
from stages.fetcher.packages import Supply, obtain


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file to bring: the name that it gets, its addresses in order, its bytes."""

    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int


def gather(supply: Supply, files: Collection[File], directory: Path) -> dict[File, str]:
    """Bring the files into ``directory`` and into the cache; returns the answers for each one that nobody gives."""
    if not files:
        return {}
    failed: dict[File, str] = {}
    meter = Meter(files=len(files), size=sum(file.size for file in files))
    with supply.progress.metered(meter), pool.threads(supply.workers, supply.downloader) as threads:
        futures = {file: threads.submit(_bring, supply, file, directory / file.name, meter) for file in files}
        for file, future in futures.items():
            try:
                future.result()
                meter.file_done()
            except NobodyGivesError as error:
                failed[file] = str(error)
    return failed


def _bring(supply: Supply, file: File, path: Path, meter: Meter) -> None:
    given = obtain(supply, Wanted(urls=file.urls, sha256=file.sha256, size=file.size), path, meter)
    if given is not None:
        sync((path,))
        if supply.cache is not None:
            cache_store.add(supply.cache, path, file.sha256)
