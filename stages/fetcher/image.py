"""The bootstrap image in the offline repository, by its manifest digest, every blob hashed."""

from __future__ import annotations

import shutil
from pathlib import Path

from hermetic_rpm.errors import ImageInvalid
from hermetic_rpm.files import writing_errors
from hermetic_rpm.image import copy, layout, manifest
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import Progress
from stages.fetcher.access import Given


def fetch(
    lock: Lock, locations: tuple[str, ...], output: Path, given: Given, cache: Path | None, progress: Progress
) -> Path:  # fmt: skip
    """Bring the image below ``output`` unless it is there and sound; returns its directory."""
    identity = lock.lockfile.bootstrap
    place = layout.locate(output, lock.lockfile.config.bootstrap_image, identity.pull_digest)
    if place.is_dir():
        try:
            image = manifest.read(place)
            _check(image, lock)
            manifest.verify_layers(image)
        except ImageInvalid as error:
            progress.warn(f"{error.reason} It is fetched again.")
        else:
            return place
    progress.say(f"bootstrap image {lock.lockfile.config.bootstrap_image}@{identity.pull_digest}")
    waiting = output / ".incomplete-image"
    try:
        with writing_errors(output):
            image = copy.copy_first(
                locations, waiting, architecture=identity.architecture, say=progress.warn,
                authfile=given.registry_auth, ca_bundle=given.ca_bundle, cache=cache,
            )  # fmt: skip
            _check(image, lock)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            waiting.replace(place)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return place


def _check(image: Image, lock: Lock) -> None:
    if image.identity != lock.lockfile.bootstrap:
        raise ImageInvalid(f"The image is {image.identity.pull_digest}, locked is another one.")
