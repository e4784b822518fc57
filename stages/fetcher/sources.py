"""Where each locked package may come from, and which addresses may be asked at all: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from hermetic_rpm.errors import OriginRefused
from hermetic_rpm.lock.model import Lock, Package

SCHEMES = ("http", "https", "file")
PORTS = {"http": 80, "https": 443}
KEPT_CHARACTERS = "/%:+~^@=,;!$&'()*"
"""What is not quoted in a path: a percent sign in particular, since locations may be quoted already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A scheme, host and port; for ``file`` the directory below which files may be read."""

    scheme: str
    host: str
    port: int | None
    directory: str

    def __str__(self) -> str:
        return f"file://{self.directory}" if self.scheme == "file" else f"{self.scheme}://{self.host}:{self.port}"


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
    """The origins that the sidecar's repositories declare, and those the user named."""
    declared = () if lock.sidecar is None else lock.sidecar.repositories
    urls = [url for repository in declared for url in repository.base_urls if not url.startswith("ftp://")]
    return frozenset(origin_of(url) for url in (*urls, *named))


def urls(lock: Lock, package: Package) -> tuple[str, ...]:
    """Every address of a package, the canonical one first, without doubles."""
    if lock.sidecar is None or package.source is None:
        return (quote(package.rpm.url, safe=KEPT_CHARACTERS),)
    repository = lock.sidecar.repository(package.source.repository)
    location = quote(package.source.location, safe=KEPT_CHARACTERS)
    return tuple(dict.fromkeys(f"{base.rstrip('/')}/{location}" for base in repository.base_urls))


def refuse_undeclared(lock: Lock, allowed: frozenset[Origin]) -> None:
    """Before the first byte is fetched, name every address that lies outside; raises `OriginRefused`."""
    outside = sorted({url for package in lock.packages for url in urls(lock, package) if not is_allowed(url, allowed)})
    if outside:
        shown = "\n".join(f"  {url}" for url in outside[:10])
        more = f"\n  … and {len(outside) - 10} more" if len(outside) > 10 else ""
        raise OriginRefused(f"The lock names addresses that nobody declared:\n{shown}{more}")
