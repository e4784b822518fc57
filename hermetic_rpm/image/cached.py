"""Images of registries in the cache, blob by blob: what was pulled once is not pulled again."""

from __future__ import annotations

import shutil
from pathlib import Path

from hermetic_rpm import cache as cache_store
from hermetic_rpm.errors import ImageInvalid
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.image import manifest
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock.model import Blob

VERSION = "Directory Transport Version: 1.1\n"
"""What skopeo writes into ``version`` of its ``dir:`` layout."""


def take(cache: Path, digest: str, destination: Path) -> Image | None:
    """The image of a manifest (``sha256:...``), put together in ``destination``, every blob hashed.

    None, and an empty ``destination``, if the cache lacks a blob.
    """
    with writing_errors(destination):
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
    found = _take(cache, digest, destination)
    if found is None:
        shutil.rmtree(destination)
        destination.mkdir()
    return found


def _take(cache: Path, digest: str, destination: Path) -> Image | None:
    try:
        size = cache_store.entry(cache, _hex(digest)).stat().st_size
    except FileNotFoundError:
        return None
    if not cache_store.take(cache, _hex(digest), size, destination / manifest.MANIFEST):
        return None
    try:
        _, config, layers = manifest.blobs(destination)
        if not all(_take_blob(cache, blob, destination) for blob in (config, *layers)):
            return None
        write_atomically(destination / "version", VERSION)
        return manifest.read(destination)
    except ImageInvalid:  # an index of several architectures, too, has a digest
        return None


def _take_blob(cache: Path, blob: Blob, destination: Path) -> bool:
    path = destination / _hex(blob.digest)
    return path.exists() or cache_store.take(cache, path.name, blob.size, path)


def keep(cache: Path, image: Image) -> None:
    """Add all blobs of an image whose layers were verified."""
    cache_store.add(cache, image.directory / manifest.MANIFEST, _hex(image.manifest.digest))
    for blob in (image.config, *image.layers):
        cache_store.add(cache, image.blob_path(blob), _hex(blob.digest))


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
