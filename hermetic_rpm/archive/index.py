"""``hermetic-rpm.json``, the first file of an archive: every other file with its size and sha256."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.document import checked, parse_json
from hermetic_rpm.errors import ArchiveInvalid
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME

INDEX_NAME = "hermetic-rpm.json"
SCHEMA_VERSION = "1.0.0"
MAX_INDEX_BYTES = 32 << 20
LOCK, REPOSITORY, SRPM, IMAGES, PIPELINE = "lock", "repo", "srpm", "images", "pipeline.yaml"
"""What lies at the top of an archive; a workspace has the same names."""

BLOBS = f"{IMAGES}/blobs/sha256/"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of the archive: its path, its size in bytes, its sha256 (hex)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StageImage:
    """The image of a stage: podman's name for it, and the digest of its manifest with ``sha256:``."""

    stage: str
    reference: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """What an archive holds; ``files`` in the order in which they come, that of their paths."""

    tool_version: str
    lockfile_sha256: str
    srpm: str
    images: tuple[StageImage, ...]
    files: tuple[File, ...]


def render(index: Index) -> bytes:
    """The bytes of the index."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": index.tool_version,
        "lockfile_sha256": index.lockfile_sha256,
        "srpm": index.srpm,
        "images": [{"stage": i.stage, "reference": i.reference, "digest": i.digest} for i in index.images],
        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in index.files],
    }
    return canonical_json(document).encode()


def parse(content: bytes) -> Index:
    """An index from its bytes; raises `ArchiveInvalid` with every problem."""
    data: Any = checked(parse_json(content, INDEX_NAME, ArchiveInvalid), "archive", ArchiveInvalid)
    index = Index(
        tool_version=data["tool_version"],
        lockfile_sha256=data["lockfile_sha256"],
        srpm=data["srpm"],
        images=tuple(StageImage(**entry) for entry in data["images"]),
        files=tuple(  # to JSON's schema, 1.0 is an integer
            File(path=entry["path"], size=int(entry["size"]), sha256=entry["sha256"]) for entry in data["files"]
        ),
    )
    if found := tuple(problems(index)):
        raise ArchiveInvalid("\n".join((f"{INDEX_NAME} is not valid:", *(f"  {line}" for line in found))))
    return index


def problems(index: Index) -> Iterator[str]:
    """In what an index that conforms to its schema contradicts itself."""
    paths = [file.path for file in index.files]
    for before, path in itertools.pairwise(paths):
        if path <= before:
            yield f"{path} follows {before}: the paths are not sorted, or one is there twice"
    known = set(paths)
    for path in paths:
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        yield from (f"{taken} is a file and a directory" for taken in sorted(above & known))
    locks = [file.sha256 for file in index.files if file.path == f"{LOCK}/{LOCKFILE_NAME}"]
    if locks != [index.lockfile_sha256]:
        yield f"the lockfile has the sha256 {index.lockfile_sha256}, but that of {LOCK}/{LOCKFILE_NAME} is another"
    srpms = [path for path in paths if path.startswith(f"{SRPM}/")]
    if srpms != [f"{SRPM}/{index.srpm}"]:
        yield f"the source RPM is {index.srpm}, but the files below {SRPM}/ are others"
    for file in index.files:
        if file.path.startswith(BLOBS) and file.path != BLOBS + file.sha256:
            yield f"{file.path} has the sha256 {file.sha256}"
    yield from _image_problems(index, known)


def _image_problems(index: Index, paths: set[str]) -> Iterator[str]:
    stages = [image.stage for image in index.images]
    if len(set(stages)) != len(stages):
        yield "a stage has two images"
    for image in index.images:
        if BLOBS + image.digest.removeprefix("sha256:") not in paths:
            yield f"the image {image.digest} of the {image.stage} is missing"
