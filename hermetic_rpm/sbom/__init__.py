"""The bill of materials of a buildroot, as SPDX 2.3 and CycloneDX 1.6."""

from __future__ import annotations

from pathlib import Path

from hermetic_rpm.files import canonical_json, write_atomically
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX
from hermetic_rpm.sbom import cyclonedx, spdx
from hermetic_rpm.sbom.describe import describe


def documents(lock: Lock) -> dict[str, bytes]:
    """Both documents by their file names; the same lock gives the same bytes."""
    buildroot = describe(lock)
    return {
        CYCLONEDX: canonical_json(cyclonedx.document(buildroot)).encode(),
        SPDX: canonical_json(spdx.document(buildroot)).encode(),
    }


def write(lock: Lock, directory: Path) -> None:
    """Write both documents below ``directory``, unless they are there already."""
    for name, content in documents(lock).items():
        path = directory / name
        if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
