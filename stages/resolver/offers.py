"""What a lock was made from outside the inputs: the image, each repository's index and the keys, then and now.

Where nothing of it changed, nor an input, another resolve has no reason to find anything else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import CommandFailed, ImageUnavailable, RepositoryUnavailable
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image import copy
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import OFFERS
from hermetic_rpm.target import keys, load, support
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Target
from stages.resolver import access, buildroot_cache, metadata, mirrors
from stages.resolver.access import Given


def used(target: Target, image: Image, found_keys: tuple[Key, ...], dnf_cache: Path) -> dict[str, Any]:
    """What a resolve used: the indexes are those that dnf itself kept."""
    indexes = {
        repository.id: sha256_of(metadata.index(dnf_cache, repository)) for repository in target.every_repository
    }
    return _offers(image.config.digest, indexes, found_keys)


def now(
    target: str, targets: Path, distribution_keys: Path, given: Given, progress: Progress
) -> dict[str, Any]:  # fmt: skip
    """What there is now, read without a resolve: the image's configuration, ``repomd.xml``, keys.

    Raises what a resolve would for a target or a repository that cannot be used.
    """
    found = load.load(load.find(target, targets))
    support.require(found)
    way = access.read(given, found)
    working = mirrors.expand(found, progress, way).working
    indexes = {
        repository.id: buildroot_cache.repomd_checksum(repository, way) for repository in working.every_repository
    }
    if None in indexes.values():
        raise RepositoryUnavailable("A repository of the target does not give its repomd.xml.")
    return _offers(_configuration(working), indexes, keys.collect(working, distribution_keys, way.opener))


def line(offers: dict[str, Any]) -> str:
    """What `now` found as a line of JSON."""
    return json.dumps({OFFERS: offers}, sort_keys=True)


def _offers(image: str, indexes: dict[str, Any], found_keys: tuple[Key, ...]) -> dict[str, Any]:
    return {"image": image, "repositories": indexes, "keys": {key.name: key.sha256 for key in found_keys}}


def _configuration(target: Target) -> str:
    """The digest of the image's configuration at the first location that answers."""
    for location in target.image_locations:
        try:
            return f"sha256:{hashlib.sha256(copy.configuration(location, target.architecture)).hexdigest()}"
        except CommandFailed:
            continue
    raise ImageUnavailable("The bootstrap image can be asked for at none of its locations.")
