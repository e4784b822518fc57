"""RPM files that Hermeto fetched, as rows and sources of a lock: found by checksum, verified, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import OriginRefused, RepositoryIncomplete, VerificationFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.lockfile import QUERY_SEPARATOR, InstalledRow
from hermetic_rpm.lock.model import RpmSource
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.runner.hermeto import Entry
from hermetic_rpm.target.model import Repository, Target

NONE = "(none)"
"""How rpm prints what a package has not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of a known sha256."""

    path: Path
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package as `rpm -qa` would print it, and where it comes from."""

    row: InstalledRow
    source: RpmSource


def packages(entries: Sequence[Entry], directory: Path, target: Target, keys: Sequence[Path]) -> tuple[Package, ...]:
    """The package of each entry, in the order of a lockfile.

    Raises `OriginRefused` for addresses outside the target's repositories, `RepositoryIncomplete`
    for what is not below ``directory``, `VerificationFailed` for what is not what it should be.
    """
    places = located(entries, target.repositories)
    files = _found(entries, directory)
    headers = rpmfile.inspect([file.path for file in files], certificates=keys, payload=False)
    must_be_signed = {repository.id: repository.gpgcheck for repository in target.repositories}
    wrong: list[str] = []
    made: list[Package] = []
    for entry, (repository, location), file, header in zip(entries, places, files, headers, strict=True):
        found = problems(entry, header, size=file.size, signed=must_be_signed[repository])
        wrong += (f"  {entry.place}: {file.path}: {problem}" for problem in found)
        source = RpmSource(
            sha256=entry.sha256, size=file.size, repository=repository, location=location, key=_signer(header)
        )  # fmt: skip
        made.append(Package(row=row(header), source=source))
    if wrong:
        raise VerificationFailed("\n".join(("These packages cannot be locked:", *wrong)))
    return tuple(sorted(made, key=lambda package: QUERY_SEPARATOR.join(package.row)))


def located(entries: Sequence[Entry], repositories: Sequence[Repository]) -> tuple[tuple[str, str], ...]:
    """For each entry the target's repository that holds its address, and the location in it: pure."""
    places = [_place(entry.url, repositories) for entry in entries]
    outside = [f"  {entry.place}: {entry.url}" for entry, place in zip(entries, places, strict=True) if place is None]
    if outside:
        raise OriginRefused(
            "\n".join(("These addresses are in no repository of the target:", *outside)),
            solution="Name the repositories in the target as they stand in these addresses, if you trust them.",
        )
    return tuple(place for place in places if place is not None)


def _place(url: str, repositories: Sequence[Repository]) -> tuple[str, str] | None:
    for repository in repositories:
        for base in repository.baseurl:
            head = f"{base.rstrip('/')}/"
            if url.startswith(head):
                return repository.id, url.removeprefix(head)
    return None


def _found(entries: Sequence[Entry], directory: Path) -> tuple[File, ...]:
    """The file with the sha256 of each entry, wherever below the directory it lies."""
    if not directory.is_dir():
        raise RepositoryIncomplete(f"{directory} is no directory.", solution="Name Hermeto's output directory.")
    try:
        paths = {sha256_of(path): path for path in sorted(directory.rglob("*.rpm")) if path.is_file()}
    except OSError as error:
        raise RepositoryIncomplete(f"{error.filename} cannot be read: {error.strerror}.", solution="") from error
    missing = [f"  {entry.place}: {entry.url}" for entry in entries if entry.sha256 not in paths]
    if missing:
        raise RepositoryIncomplete(
            "\n".join((f"No file below {directory} has the sha256 of these packages:", *missing)),
            solution="Run `hermeto fetch-deps rpm` again and name its output directory.",
        )
    return tuple(File(path=paths[entry.sha256], size=paths[entry.sha256].stat().st_size) for entry in entries)


def problems(entry: Entry, header: Header, *, size: int, signed: bool) -> tuple[str, ...]:
    """Everything for which a file cannot be locked: pure."""
    if header.problem is not None:
        return (header.problem,)
    found = []
    if entry.size is not None and entry.size != size:
        found.append(f"it has {size} bytes instead of {entry.size}")
    if header.source:
        found.append("it is a source RPM")
    if header.sigmd5 is None:
        found.append("it has no sigmd5, which Mock's lockfile needs")
    if signed and header.verified_by is None:
        signers = ", ".join(header.signers) or "nobody"
        found.append(f"its repository demands a signature by a key of the target; signed by {signers}")
    return tuple(found)


def row(header: Header) -> InstalledRow:
    """What `rpm -qa` prints of a package, its signature as no more than the key's id: pure."""
    signature = _signer(header) if header.signed_whole else None
    return (
        header.name, header.arch, header.license, header.version, header.release, header.epoch or NONE,
        header.sigmd5 or NONE, signature or NONE,
    )  # fmt: skip


def _signer(header: Header) -> str | None:
    return max(header.signers, key=len, default=None)
