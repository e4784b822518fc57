"""What the repositories say of the installed packages: sha256, size and location.

Read from the metadata that dnf itself downloaded and verified, and confirmed on the bytes
that it installed.
"""

from __future__ import annotations

import glob
import json
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
from hermetic_rpm.target.model import Repository

MEMORY_BYTES = 4 << 30

Nevra = tuple[str, str, str, str, str]
"""name, epoch ("0" where there is none), version, release, architecture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A package as a repository describes it; ``sha256`` is None where it uses another checksum."""

    repository: str
    location: str
    sha256: str | None
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where an installed package came from: its file's sha256, size and signer, and the file itself."""

    repository: str
    location: str
    sha256: str
    size: int
    key: str | None
    path: Path


def nevra(row: InstalledRow) -> Nevra:
    """The NEVRA of a row of ``rpm -qa``."""
    name, arch, _license, version, release, epoch, *_ = row
    return (name, "0" if epoch == "(none)" else epoch, version, release, arch)


def local_path(url: str) -> Path:
    """The directory that a ``file://`` URL names."""
    return Path(unquote(urlsplit(url).path))


def candidates(
    cache: Path, repositories: Iterable[Repository], wanted: frozenset[Nevra]
) -> dict[Nevra, list[Candidate]]:
    """For each wanted package every place where a repository offers it, in the target's order."""
    request = {
        "primaries": [(repository.id, str(_primary(cache, repository))) for repository in repositories],
        "wanted": sorted(wanted),
    }
    done = process.run_worker(__file__, request)
    if done.returncode != 0:
        raise RepositoryUnavailable("The metadata of a repository cannot be parsed.", log_tail=done.tail)
    offers: dict[Nevra, list[Candidate]] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        name, epoch, version, release, arch = row.pop("nevra")
        offers.setdefault((name, epoch, version, release, arch), []).append(Candidate(**row))
    return offers


def _print_offers(primaries: list[tuple[str, str]], wanted: frozenset[Nevra]) -> None:
    """In the subprocess: print what the repositories say of the wanted packages, a JSON line each."""
    import createrepo_c  # noqa: PLC0415 - a native parser of what came from the network, under limits

    for repository, primary in primaries:

        def take(package: createrepo_c.Package, repository: str = repository) -> None:
            key = (package.name, package.epoch or "0", package.version, package.release, package.arch)
            if key in wanted:
                sha256 = package.pkgId if package.checksum_type == "sha256" else None
                row = {
                    "nevra": key, "repository": repository, "location": package.location_href, "sha256": sha256,
                    "size": package.size_package,
                }  # fmt: skip
                sys.stdout.write(json.dumps(row) + "\n")

        createrepo_c.xml_parse_primary(primary, pkgcb=take, do_files=False)


def _cached(cache: Path, repository: Repository, pattern: str) -> Iterable[Path]:
    """What dnf keeps of a repository: below its id and 16 hex digits, since another id may start with this one."""
    return cache.glob(f"{glob.escape(repository.id)}-{'[0-9a-f]' * 16}/{pattern}")


def _primary(cache: Path, repository: Repository) -> Path:
    found = sorted(_cached(cache, repository, "repodata/*primary.xml*"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RepositoryUnavailable(f"dnf left no metadata of repository {repository.id}.")
    return found[-1]


def origins(cache: Path, repositories: tuple[Repository, ...], rows: tuple[InstalledRow, ...]) -> tuple[Origin, ...]:
    """The origin of each row, in order.

    Raises `SourceUnknown` for a package that no repository offers, `VerificationFailed` if the
    installed bytes are not those that the repository describes.
    """
    offers = candidates(cache, repositories, frozenset(nevra(row) for row in rows))
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


def _origin(cache: Path, repositories: dict[str, Repository], row: InstalledRow, offers: list[Candidate]) -> Origin:
    label = "-".join((row[0], row[3], row[4]))
    if not offers:
        raise SourceUnknown(f"{label} is installed, but no repository of the target offers it.")
    answers = []
    for offer in offers:
        path = _file(cache, repositories[offer.repository], offer)
        if path is None:
            answers.append(f"its file from {offer.repository} was not kept")
            continue
        size, sha256 = path.stat().st_size, sha256_of(path)
        if size == offer.size and offer.sha256 in (None, sha256):
            return Origin(
                repository=offer.repository, location=offer.location, sha256=sha256, size=size, key=None, path=path
            )
        answers.append(f"{offer.repository} describes other bytes than dnf used")
    raise VerificationFailed(f"The origin of {label} cannot be confirmed: {'; '.join(answers)}.")


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
    name, epoch, version, release, arch = range(5)
    wanted = frozenset((row[name], row[epoch], row[version], row[release], row[arch]) for row in request["wanted"])
    _print_offers(request["primaries"], wanted)


if __name__ == "__main__":
    main()
