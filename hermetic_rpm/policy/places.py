"""Whether an address lies below another: of packages by URL, of images by registry or directory.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

PORTS = {"http": 80, "https": 443, "ftp": 21}
DOCKER_HUB = "docker.io"
DOCKER = "docker://"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Scheme, host, port and the components of a path, nothing quoted in them."""

    scheme: str
    host: str
    port: int | None
    path: tuple[str, ...]


def split(url: str) -> Address | None:
    """The address, or None for what nobody should compare: credentials, ``..``, quoted separators."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    path = tuple(unquote(part) for part in parts.path.split("/") if part)
    odd = any(part in (".", "..") or "/" in part or "\\" in part for part in path)
    if odd or "@" in parts.netloc or (parts.scheme == "file") != (parts.netloc == ""):
        return None
    return Address(scheme=parts.scheme, host=(parts.hostname or "").lower().rstrip("."), port=port, path=path)


def is_below(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a URL lies at or below one of the allowed ones, component by component."""
    found = split(url)
    if found is None:
        return False
    return any(
        (found.scheme, found.host, found.port) == (entry.scheme, entry.host, entry.port)
        and found.path[: len(entry.path)] == entry.path
        for entry in map(split, allowed)
        if entry is not None
    )


def repository(reference: str) -> tuple[str, ...]:
    """The components of an image reference, registry first, without tag and digest, as skopeo completes it."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    parts = tuple(f"{head}{slash}{tail.partition(':')[0]}".split("/"))
    if len(parts) > 1 and (parts[0] == "localhost" or "." in parts[0] or ":" in parts[0]):
        return parts if parts[0] != DOCKER_HUB or len(parts) > 2 else (DOCKER_HUB, "library", *parts[1:])
    return (DOCKER_HUB, "library", *parts) if len(parts) == 1 else (DOCKER_HUB, *parts)


def image_is_below(location: str, registries: tuple[str, ...], directories: tuple[str, ...]) -> bool:
    """Whether an image location (of skopeo's transports) or a bare reference is in an allowed place."""
    transport, _, place = location.partition(":")
    if transport in ("oci", "dir", "oci-archive", "docker-archive"):
        return any(_path_is_below(place, directory) for directory in directories)
    found = repository(location.removeprefix(DOCKER))
    return any(found[: len(entry)] == entry for entry in (tuple(text.split("/")) for text in registries))


def _path_is_below(path: str, directory: str) -> bool:
    parts = tuple(part for part in path.split("/") if part)
    above = tuple(part for part in directory.split("/") if part)
    return path.startswith("/") and not {".", ".."} & {*parts} and parts[: len(above)] == above
