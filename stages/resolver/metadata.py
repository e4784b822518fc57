"""What the repositories say of the installed packages: sha256, size, location and source RPM; their comps and modules.

Read from the metadata that dnf itself downloaded and verified, and confirmed on the bytes
that it installed.
"""

from __future__ import annotations

import glob
import json
import re
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hermetic_rpm import cache as cache_store
from hermetic_rpm import process, rpmfile
from hermetic_rpm.errors import RepositoryUnavailable, SourceUnknown, VerificationFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import MetadataFile
from hermetic_rpm.target.model import Repository

MEMORY_BYTES = 4 << 30
RECORDS = {"group": ("group_gz", "group"), "modules": ("modules",)}
"""The kinds of other files that are locked, each with the types under which an index may name it, best first."""

SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^:%{}@=,-]{0,230}\.(no)?src\.rpm")

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
    """What repositories say: every place of the wanted packages, in the target's order, and their other files."""

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


def describe(cache: Path, repositories: Iterable[Repository], wanted: Iterable[str]) -> Described:
    """What the repositories say of the wanted packages (``name-version-release.arch``), and their comps and modules."""
    request = {
        "primaries": [(repository.id, str(_primary(cache, repository))) for repository in repositories],
        "wanted": sorted(set(wanted)),
    }
    done = process.run_worker(__file__, request)
    if done.returncode != 0:
        raise RepositoryUnavailable("The metadata of a repository cannot be parsed.", log_tail=done.tail)
    offers: dict[Nevra, list[Candidate]] = {}
    files: list[MetadataFile] = []
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if "kind" in row:
            files.append(MetadataFile(**row))
            continue
        name, epoch, version, release, arch = row.pop("nevra")
        offers.setdefault((name, epoch, version, release, arch), []).append(Candidate(**row))
    return Described(offers=offers, files=tuple(files))


def _print_offers(primaries: list[tuple[str, str]], wanted: frozenset[str]) -> None:
    """In the subprocess: print what the repositories say of the wanted packages, a JSON line each."""
    import createrepo_c  # noqa: PLC0415 - a native parser of what came from the network, under limits

    for repository, primary in primaries:

        def take(package: createrepo_c.Package, repository: str = repository) -> None:
            if f"{package.name}-{package.version}-{package.release}.{package.arch}" in wanted:
                sha256 = package.pkgId if package.checksum_type == "sha256" else None
                source = package.rpm_sourcerpm or ""
                row = {
                    "nevra": (package.name, package.epoch or "0", package.version, package.release, package.arch),
                    "repository": repository, "location": package.location_href, "sha256": sha256,
                    "size": package.size_package, "source": source if SOURCE_NAME.fullmatch(source) else None,
                }  # fmt: skip
                sys.stdout.write(json.dumps(row) + "\n")

        createrepo_c.xml_parse_primary(primary, pkgcb=take, do_files=False)


def _print_files(primaries: list[tuple[str, str]]) -> None:
    """In the subprocess: print which comps and modules the indexes name with sha256 and size, a JSON line each."""
    import createrepo_c  # noqa: PLC0415 - see above

    for repository, primary in primaries:
        records = {record.type: record for record in createrepo_c.Repomd(str(_index(Path(primary)))).records}
        for kind, types in RECORDS.items():
            record = next((records[name] for name in types if name in records), None)
            if record is not None and record.checksum_type == "sha256" and record.size > 0:
                row = {
                    "kind": kind, "repository": repository, "location": record.location_href,
                    "sha256": record.checksum, "size": record.size,
                }  # fmt: skip
                sys.stdout.write(json.dumps(row) + "\n")


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


def origins(
    cache: Path,
    repositories: tuple[Repository, ...],
    rows: tuple[InstalledRow, ...],
    offers: dict[Nevra, list[Candidate]],
) -> tuple[Origin, ...]:
    """The origin of each row, in order.

    Raises `SourceUnknown` for a package that no repository offers, `VerificationFailed` if the
    installed bytes are not those that the repository describes.
    """
    by_id = {repository.id: repository for repository in repositories}
    found = [_origin(cache, by_id, row, offers.get(nevra(row), [])) for row in rows]
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


def main() -> None:
    """The subprocess that parses metadata."""
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _print_offers(request["primaries"], frozenset(request["wanted"]))
    _print_files(request["primaries"])


if __name__ == "__main__":
    main()
