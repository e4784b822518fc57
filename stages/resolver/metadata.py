"""What the repositories say of the installed packages: sha256, size, location and source RPM; their comps and modules.

Read from the metadata that dnf itself downloaded and verified, and confirmed on the bytes
that it installed.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from hermetic_rpm import cache as cache_store
from hermetic_rpm import process, rpmfile
from hermetic_rpm.errors import RepositoryUnavailable, SourceUnknown, VerificationFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import MetadataFile
from hermetic_rpm.target.model import Repository

WORKER = Path(__file__).with_name("metadata_worker.py")

Primaries = tuple[tuple[str, str], ...]
"""The metadata of repositories as they are kept: each one's id, and the path, with a checksum in it, of its file."""

Nevra = tuple[str, str, str, str, str]
"""name, epoch ("0" where there is none), version, release, architecture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A package as a repository describes it; ``sha256`` is None where it uses another checksum.

    ``source`` is the file name of its source RPM, None where there is none (or no name for a file).
    """

    repository: str
    location: str
    sha256: str | None
    size: int
    source: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What repositories say: every place of the wanted packages, in the target's order, and their other files.

    ``primaries`` is the metadata that says so.
    """

    primaries: Primaries
    offers: dict[Nevra, list[Candidate]]
    files: tuple[MetadataFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where an installed package came from: its file's sha256, size and signer, its source RPM, the file itself."""

    repository: str
    location: str
    sha256: str
    size: int
    key: str | None
    source: str | None
    path: Path


def nevra(row: InstalledRow) -> Nevra:
    """The NEVRA of a row of ``rpm -qa``."""
    name, arch, _license, version, release, epoch, *_ = row
    return (name, "0" if epoch == "(none)" else epoch, version, release, arch)


def label(row: InstalledRow) -> str:
    """``name-version-release.arch`` of a row."""
    name, _, version, release, arch = nevra(row)
    return f"{name}-{version}-{release}.{arch}"


def local_path(url: str) -> Path:
    """The directory that a ``file://`` URL names."""
    return Path(unquote(urlsplit(url).path))


class Catalog:
    """What repositories say of their packages: read by a subprocess, which starts beside other work.

    It reads again where dnf has taken other metadata since it was last asked.
    """

    def __init__(self, cache: Path, repositories: tuple[Repository, ...]) -> None:
        self.cache = cache
        self.repositories = repositories
        self._worker = process.Worker(WORKER, None)
        self._read: Primaries | None = None
        self._files: tuple[MetadataFile, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the subprocess; whoever waits for it gets `RepositoryUnavailable`."""
        self._worker.end()

    def read(self) -> Primaries:
        """Read what dnf keeps, unless that was read last; raises `RepositoryUnavailable`."""
        primaries = tuple((repository.id, str(_primary(self.cache, repository))) for repository in self.repositories)
        if primaries != self._read:
            self._read = None
            self._files = tuple(MetadataFile(**row) for row in self._ask({"primaries": primaries}))
            self._read = primaries
        return primaries

    def describe(self, wanted: Iterable[str]) -> Described:
        """What they say of the wanted packages (``name-version-release.arch``), and their comps and modules.

        Raises `RepositoryUnavailable`.
        """
        primaries = self.read()
        offers: dict[Nevra, list[Candidate]] = {}
        for package in sorted(set(wanted)):
            for row in self._ask({"package": package}):
                name, epoch, version, release, arch = row.pop("nevra")
                offers.setdefault((name, epoch, version, release, arch), []).append(Candidate(**row))
        return Described(primaries=primaries, offers=offers, files=self._files)

    def _ask(self, request: object) -> list[dict[str, Any]]:
        answer = self._worker.ask(request)
        found = {"problem": "its parser died"} if answer is None else json.loads(answer)
        if isinstance(found, dict):
            raise RepositoryUnavailable(
                "The metadata of a repository cannot be parsed.", log_tail=(str(found["problem"]),)
            )
        return list(found)


def _cached(cache: Path, repository: Repository, pattern: str) -> Iterable[Path]:
    """What dnf keeps of a repository: below its id and 16 hex digits, since another id may start with this one."""
    return cache.glob(f"{glob.escape(repository.id)}-{'[0-9a-f]' * 16}/{pattern}")


def _primary(cache: Path, repository: Repository) -> Path:
    found = sorted(_cached(cache, repository, "repodata/*primary.xml*"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RepositoryUnavailable(f"dnf left no metadata of repository {repository.id}.")
    return found[-1]


def index(cache: Path, repository: Repository) -> Path:
    """The index of a repository that dnf used last."""
    return _index(_primary(cache, repository))


def _index(primary: Path) -> Path:
    """The index that names a file: dnf keeps both in one directory."""
    return primary.with_name("repomd.xml")


def origins(catalog: Catalog, described: Described, rows: tuple[InstalledRow, ...]) -> tuple[Origin, ...]:
    """The origin of each row, in order.

    Raises `SourceUnknown` for a package that no repository offers, `VerificationFailed` if the
    installed bytes are not those that the repository describes.
    """
    by_id = {repository.id: repository for repository in catalog.repositories}
    found = [_origin(catalog.cache, by_id, row, described.offers.get(nevra(row), [])) for row in rows]
    headers = rpmfile.inspect([origin.path for origin in found], payload=False)
    return tuple(
        replace(origin, key=max(header.signers, key=len, default=None))
        for origin, header in zip(found, headers, strict=True)
    )


def keep(cache: Path, dnf_cache: Path, origins: tuple[Origin, ...]) -> None:
    """Offer what dnf downloaded to the fetcher, by its sha256; what lies in place needs no copy."""
    for origin in origins:
        if origin.path.is_relative_to(dnf_cache):
            cache_store.add(cache, origin.path, origin.sha256)


def keep_files(cache: Path, dnf_cache: Path, repositories: Iterable[Repository], files: Iterable[MetadataFile]) -> None:
    """Offer comps and modules as well: a repository drops them with its next change."""
    indexes = {repository.id: index(dnf_cache, repository) for repository in repositories}
    for file in files:
        path = indexes[file.repository].with_name(Path(file.location).name)
        if path.is_file() and sha256_of(path) == file.sha256:
            cache_store.add(cache, path, file.sha256)


def _origin(cache: Path, repositories: dict[str, Repository], row: InstalledRow, offers: list[Candidate]) -> Origin:
    if not offers:
        raise SourceUnknown(f"{label(row)} is installed, but no repository of the target offers it.")
    answers = []
    for offer in offers:
        path = _file(cache, repositories[offer.repository], offer)
        if path is None:
            answers.append(f"its file from {offer.repository} was not kept")
            continue
        size, sha256 = path.stat().st_size, sha256_of(path)
        if size == offer.size and offer.sha256 in (None, sha256):
            return Origin(
                repository=offer.repository, location=offer.location, sha256=sha256, size=size, key=None,
                source=offer.source, path=path,
            )  # fmt: skip
        answers.append(f"{offer.repository} describes other bytes than dnf used")
    raise VerificationFailed(f"The origin of {label(row)} cannot be confirmed: {'; '.join(answers)}.")


def _file(cache: Path, repository: Repository, offer: Candidate) -> Path | None:
    """The file that dnf used: kept in its cache, or in place in a repository on this file system."""
    name = Path(unquote(offer.location)).name
    kept = sorted(_cached(cache, repository, f"packages/{glob.escape(name)}"))
    local = [local_path(base) / offer.location for base in repository.baseurl if base.startswith("file://")]
    return next((path for path in (*kept, *local) if path.is_file()), None)
