"""The OpenPGP keys of the target's repositories: taken once, given to dnf, sent with the lock."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hermetic_rpm.errors import RepositoryUnavailable
from hermetic_rpm.target.model import Repository, Target

MAX_KEY_BYTES = 1 << 20
TIMEOUT_SECONDS = 30


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


def collect(target: Target) -> tuple[Key, ...]:
    """Every key that the target names, sorted by name; raises `RepositoryUnavailable`."""
    return tuple(
        sorted(
            (
                Key(name=key_name(repository, index), content=_read(url))
                for repository in target.every_repository
                for index, url in enumerate(repository.gpgkey)
            ),
            key=lambda key: key.name,
        )
    )


def _read(url: str) -> bytes:
    try:
        if url.startswith("file://"):
            content = Path(unquote(urlsplit(url).path)).read_bytes()
        else:
            # The schema lets only http, https, ftp and file pass.
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                content = answer.read(MAX_KEY_BYTES + 1)
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        raise RepositoryUnavailable(f"The key {url} cannot be read: {error}.") from error
    if len(content) > MAX_KEY_BYTES or b"-----BEGIN PGP PUBLIC KEY BLOCK-----" not in content:
        raise RepositoryUnavailable(f"{url} is no armored OpenPGP public key.")
    return bytes(content)
