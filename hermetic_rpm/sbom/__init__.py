"""The bills of materials of a buildroot and of what was built in it, as SPDX 2.3 and CycloneDX 1.6."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from hermetic_rpm.files import canonical_json, write_atomically
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.sbom import cyclonedx, spdx
from hermetic_rpm.sbom.describe import describe, describe_build


def documents(lock: Lock) -> dict[str, bytes]:
    """Both documents of the buildroot by their file names; the same lock gives the same bytes."""
    buildroot = describe(lock)
    return {
        CYCLONEDX: canonical_json(cyclonedx.document(buildroot)).encode(),
        SPDX: canonical_json(spdx.document(buildroot)).encode(),
    }


def build_documents(lock: Lock, *, srpm: str, srpm_sha256: str, made: Sequence[tuple[Header, str]]) -> dict[str, bytes]:
    """Both documents of a build by their file names: headers, each with the sha256 of its file, made from ``srpm``.

    ``srpm`` is a file name.  The documents refer to those of the buildroot as `documents` gives them.
    """
    build = describe_build(lock, srpm, srpm_sha256, made)
    buildroot = {name: hashlib.sha256(content).hexdigest() for name, content in documents(lock).items()}
    return {
        CYCLONEDX: canonical_json(cyclonedx.build_document(build, buildroot[CYCLONEDX])).encode(),
        SPDX: canonical_json(spdx.build_document(build, buildroot[SPDX])).encode(),
    }


def write(made: Mapping[str, bytes], directory: Path) -> None:
    """Write documents below ``directory``, unless they are there already."""
    for name, content in made.items():
        path = directory / name
        if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
