"""Which addresses may be asked at all: those the lock's repositories declare and those the user names.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from hermetic_rpm.errors import OriginRefused
from hermetic_rpm.lock.model import Lock, Package

SCHEMES = ("http", "https", "file")
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A scheme, host and port; for ``file`` the directory below which files may be read."""

    scheme: str
    host: str
    port: int | None
    directory: str

    def __str__(self) -> str:
        return f"file://{self.directory}" if self.scheme == "file" else f"{self.scheme}://{self.host}:{self.port}"


@lru_cache(maxsize=1024)
def origin_of(url: str) -> Origin:
    """The origin of a URL (for ``file`` the URL is a directory); raises `OriginRefused`."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise OriginRefused(f"{url!r} is no URL: {error}.") from error
    if parts.scheme not in SCHEMES or parts.username is not None or (parts.scheme != "file" and not parts.hostname):
        raise OriginRefused(f"{url!r} is no address that packages may come from.")
    if parts.scheme == "file":
        return Origin(scheme="file", host="", port=None, directory=unquote(parts.path).rstrip("/"))
    return Origin(scheme=parts.scheme, host=(parts.hostname or "").lower(), port=port, directory="")


def is_allowed(url: str, allowed: Iterable[Origin]) -> bool:
    """Whether a URL lies within one of the origins."""
    try:
        origin = origin_of(url)
    except OriginRefused:
        return False
    if origin.scheme != "file":
        return origin in frozenset(allowed)
    path = PurePosixPath(origin.directory)
    return ".." not in path.parts and any(
        entry.scheme == "file" and path.is_relative_to(entry.directory or "/") for entry in allowed
    )


def allowed_origins(lock: Lock, named: Iterable[str]) -> frozenset[Origin]:
    """The origins that the sidecar's repositories declare, and those the user named; registries aside."""
    declared = () if lock.sidecar is None else lock.sidecar.repositories
    urls = [url for repository in declared for url in repository.base_urls if not url.startswith("ftp://")]
    return frozenset(origin_of(url) for url in (*urls, *named) if not url.startswith("docker://"))


def declared_only(
    addresses: Mapping[Package, tuple[str, ...]], allowed: frozenset[Origin]
) -> dict[Package, tuple[str, ...]]:
    """Only the addresses within the origins; raises `OriginRefused` naming those of packages that have none left."""
    declared = {package: tuple(url for url in urls if is_allowed(url, allowed)) for package, urls in addresses.items()}
    outside = sorted({url for package, urls in addresses.items() if not declared[package] for url in urls})
    if outside:
        shown = "\n".join(f"  {url}" for url in outside[:10])
        more = f"\n  … and {len(outside) - 10} more" if len(outside) > 10 else ""
        raise OriginRefused(f"The lock names addresses that nobody declared:\n{shown}{more}")
    return declared
