"""The OpenPGP keys of the target's repositories: taken once, given to dnf, sent with the lock."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import OpenerDirector

from hermetic_rpm.errors import RepositoryUnavailable
from hermetic_rpm.target.model import Repository, Target

DISTRIBUTION_KEYS = "/usr/share/distribution-gpg-keys"
"""Where the package distribution-gpg-keys has its keys: targets made of Mock's configurations name them there."""

MAX_KEY_BYTES = 1 << 20
TIMEOUT_SECONDS = 30
KEYS_ELSEWHERE = (
    "Install the package distribution-gpg-keys, or unpack it and name its directory of keys "
    "(`hermetic-resolve --keys DIR`, `hermetic-rpm run -p keys=DIR`)."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key file: the name it gets, its bytes."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hex sha256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def key_name(repository: Repository, index: int) -> str:
    """The file name under which a repository's key travels with the lock."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", f"{repository.id}-{index + 1}.asc")


def _plain(_repository: Repository) -> OpenerDirector:
    return urllib.request.build_opener()


def collect(
    target: Target,
    distribution_keys: Path = Path(DISTRIBUTION_KEYS),
    opener: Callable[[Repository], OpenerDirector] = _plain,
) -> tuple[Key, ...]:
    """Every key that the target names, sorted by name; raises `RepositoryUnavailable`.

    Keys below `DISTRIBUTION_KEYS` are read from the directory ``distribution_keys`` instead;
    ``opener`` says how the addresses of a repository are reached.
    """
    return tuple(
        sorted(
            (
                Key(name=key_name(repository, index), content=_read(url, distribution_keys, opener(repository)))
                for repository in target.every_repository
                for index, url in enumerate(repository.gpgkey)
            ),
            key=lambda key: key.name,
        )
    )


def _read(url: str, distribution_keys: Path, opener: OpenerDirector) -> bytes:
    try:
        if url.startswith("file://"):
            content = _path(unquote(urlsplit(url).path), distribution_keys).read_bytes()
        else:
            # The schema lets only http, https, ftp and file pass.
            with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
                content = answer.read(MAX_KEY_BYTES + 1)
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        solution = KEYS_ELSEWHERE if f"{DISTRIBUTION_KEYS}/" in url else None
        raise RepositoryUnavailable(f"The key {url} cannot be read: {error}.", solution=solution) from error
    if len(content) > MAX_KEY_BYTES or b"-----BEGIN PGP PUBLIC KEY BLOCK-----" not in content:
        raise RepositoryUnavailable(f"{url} is no armored OpenPGP public key.")
    return bytes(content)


def _path(path: str, distribution_keys: Path) -> Path:
    inside = path.removeprefix(f"{DISTRIBUTION_KEYS}/")
    return Path(path) if inside == path else distribution_keys / inside
