"""What an offline repository of a lock holds at its top, and in its metadata: the contract of fetcher and builder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import RepositoryAltered
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.layout import image_directory
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.made import MADE
from hermetic_rpm.result import RESULT_NAME

REPODATA = "repodata"
KEYS = "keys"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
SBOMS = (CYCLONEDX, SPDX)
METADATA_KINDS = {"group": "comps.xml", "modules": "modules.yaml"}
"""What else than packages the metadata may describe, and the file it is in."""

INDEX = "repomd.xml"
RECORD = re.compile(r'<data type="([^"<>]*)"')
LISTED = re.compile(rf'href="{REPODATA}/([^"/<>]*)"')
SHA256_DIGITS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Repodata:
    """What lies in ``repodata/``: the index's text, the kinds it lists, the names that it should not or should hold."""

    index: str
    kinds: frozenset[str]
    strays: tuple[str, ...]
    missing: tuple[str, ...]


def read_repodata(repository: Path) -> Repodata:
    """Hold each file of ``repodata/`` against the index, and against the sha256 in its name if there is one.

    Raises `RepositoryAltered` for an index that nobody would write.
    """
    directory = repository / REPODATA
    index = directory / INDEX
    text = read_bytes(index, RepositoryAltered).decode(errors="replace") if is_plain(index) else ""
    listed = frozenset(LISTED.findall(text))
    present = tuple(sorted(directory.iterdir())) if directory.is_dir() and not directory.is_symlink() else ()
    return Repodata(
        index=text,
        kinds=frozenset(RECORD.findall(text)),
        strays=tuple(path.name for path in present if not _is_sound(path, listed)),
        missing=tuple(sorted(listed - {path.name for path in present})),
    )


def is_plain(path: Path) -> bool:
    """Whether it is a regular file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _is_sound(path: Path, listed: frozenset[str]) -> bool:
    checksum, dash, _ = path.name.partition("-")
    named = bool(dash) and len(checksum) == SHA256_DIGITS
    return is_plain(path) and path.name in {INDEX, *listed} and (not named or sha256_of(path) == checksum)


def expected_names(lock: Lock) -> frozenset[str]:
    """The names directly below the repository; an image lies in a directory of its registry's name."""
    image = image_directory(lock.lockfile.config.bootstrap_image, lock.lockfile.bootstrap.pull_digest)
    packages = (PurePath(package.file_name).parts[0] for package in lock.every_package)
    return frozenset((*packages, image.parts[0], REPODATA, KEYS, *SBOMS, RESULT_NAME, MADE))
