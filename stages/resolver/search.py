"""Where the installed packages and their source RPMs come from, looked for while the spec is read and evaluated.

What is found before the last package is installed counts only for the metadata it was found in.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hermetic_rpm.errors import HermeticError
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import MetadataFile, SourceRpm
from hermetic_rpm.target.model import Target
from stages.resolver import metadata, source_rpms
from stages.resolver.metadata import Catalog, Origin, Primaries


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The origin of each package, in order, and the comps and modules of their repositories."""

    packages: tuple[Origin, ...]
    files: tuple[MetadataFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Early:
    """Origins found beside other work, and the metadata that they were found in."""

    primaries: Primaries
    origins: dict[InstalledRow, Origin]


class Search:
    """Readers of the metadata of a target's repositories, and a thread that asks them beside other work."""

    def __init__(self, cache: Path, target: Target) -> None:
        self._packages = Catalog(cache, target.repositories)
        self._sources = Catalog(cache, target.source_repositories) if target.source_repositories else None
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._early: Future[Early] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for catalog in (self._packages, self._sources):
            if catalog is not None:
                catalog.end()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, rows: tuple[InstalledRow, ...]) -> None:
        """Look for packages that are installed already, once dnf has all metadata."""
        self._early = self._pool.submit(self._look, rows)

    def _look(self, rows: tuple[InstalledRow, ...]) -> Early:
        if self._sources is not None:
            self._sources.read()
        described = self._packages.describe(map(metadata.label, rows))
        found = metadata.origins(self._packages, described, rows)
        return Early(primaries=described.primaries, origins=dict(zip(rows, found, strict=True)))

    def packages(self, rows: tuple[InstalledRow, ...]) -> Found:
        """Where they come from; raises what `metadata.Catalog.describe` and `metadata.origins` do."""
        early = self._found_early()
        described = self._packages.describe(map(metadata.label, rows))
        known = dict(early.origins) if early is not None and early.primaries == described.primaries else {}
        missing = tuple(row for row in rows if row not in known)
        known |= zip(missing, metadata.origins(self._packages, described, missing), strict=True)
        return Found(packages=tuple(known[row] for row in rows), files=described.files)

    def _found_early(self) -> Early | None:
        """None also after an error: where it lasts, it comes again; else dnf took other metadata meanwhile."""
        try:
            return None if self._early is None else self._early.result()
        except (HermeticError, OSError):
            return None

    def sources(self, names: Iterable[str]) -> tuple[SourceRpm, ...]:
        """Those of the named source RPMs that a source repository has with a sha256, sorted by name."""
        return () if self._sources is None else source_rpms.find(self._sources, names)
