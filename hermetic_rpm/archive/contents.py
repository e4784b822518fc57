"""What belongs to a build in a workspace, held against its lock: before it is packed, and after it was unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hermetic_rpm import __version__
from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive.index import IMAGES, LOCK, PIPELINE, REPOSITORY, SRPM, File, Index, StageImage
from hermetic_rpm.errors import LockInvalid, RepositoryExtraFile
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock import check as lock_check
from hermetic_rpm.lock import repository
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock, Sidecar
from hermetic_rpm.lock.sidecar import SIDECAR_NAME
from hermetic_rpm.made import MADE
from hermetic_rpm.result import RESULT_NAME

NOTES = (RESULT_NAME, MADE)
"""What a fetcher notes of its runs; no two are alike, and no build needs them."""


def check(workspace: Path, srpm: Path) -> Lock:
    """The lock of a workspace, if keys, source RPM and offline repository are what it says.

    Raises what `lock.check.check` and `lock.repository.check` do, `LockMismatch` for another
    source RPM, and `LockInvalid` for a lock without sidecar, which knows no sha256.
    """
    path = workspace / LOCK / LOCKFILE_NAME
    lock = lock_check.check(path)
    _sidecar(lock, path)
    repository.check_source_rpm(lock, srpm.name, sha256_of(srpm))
    repository.check(lock, workspace / REPOSITORY)
    return lock


def sources(workspace: Path, lock: Lock, *, srpm: Path, pipeline: Path, images: Path | None) -> dict[str, Path]:
    """The files to pack by their paths in the archive; ``images`` is the OCI layout of the stages' images.

    Raises `RepositoryExtraFile` for what is no regular file.
    """
    directory = workspace / LOCK
    beside = _sidecar(lock, directory / LOCKFILE_NAME)
    names = (LOCKFILE_NAME, SIDECAR_NAME, *(key.path for key in beside.keys))
    return {
        PIPELINE: pipeline,
        f"{SRPM}/{beside.srpm.name}": srpm,
        **{f"{LOCK}/{name}": directory / name for name in names},
        **{f"{REPOSITORY}/{name}": path for name, path in _tree(workspace / REPOSITORY) if name not in NOTES},
        **{f"{IMAGES}/{name}": path for name, path in (() if images is None else _tree(images))},
    }


def describe(files: Mapping[str, Path], lock: Lock, images: tuple[StageImage, ...]) -> Index:
    """The index of an archive of these files; raises `ArchiveInvalid` for one that nobody could unpack."""
    described = (
        File(path=name, size=path.stat().st_size, sha256=sha256_of(path)) for name, path in sorted(files.items())
    )
    index = Index(
        tool_version=__version__,
        lockfile_sha256=lock.lockfile_sha256,
        srpm=next(name.removeprefix(f"{SRPM}/") for name in files if name.startswith(f"{SRPM}/")),
        images=images,
        files=tuple(described),
    )
    return index_file.parse(index_file.render(index))


def _sidecar(lock: Lock, path: Path) -> Sidecar:
    if lock.sidecar is None:
        raise LockInvalid(
            f"{path} has no sidecar, so that nothing says which source RPM and which bytes belong to it.",
            solution="Resolve with hermetic-resolve, whose locks have one.",
        )
    return lock.sidecar


def _tree(directory: Path) -> Iterator[tuple[str, Path]]:
    """Every file below ``directory`` with its path relative to it."""
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise RepositoryExtraFile(f"{path} is no regular file.")
        if not path.is_dir():
            yield str(path.relative_to(directory)), path
