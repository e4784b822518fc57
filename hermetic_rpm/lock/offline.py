"""What an offline repository of a lock holds at its top: the contract of fetcher and builder."""

from __future__ import annotations

from hermetic_rpm.image.layout import image_directory
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.made import MADE
from hermetic_rpm.result import RESULT_NAME

REPODATA = "repodata"
KEYS = "keys"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
SBOMS = (CYCLONEDX, SPDX)


def expected_names(lock: Lock) -> frozenset[str]:
    """The names directly below the repository; an image lies in a directory of its registry's name."""
    image = image_directory(lock.lockfile.config.bootstrap_image, lock.lockfile.bootstrap.pull_digest)
    return frozenset(
        (*(package.file_name for package in lock.packages), image.parts[0], REPODATA, KEYS, *SBOMS, RESULT_NAME, MADE)
    )
