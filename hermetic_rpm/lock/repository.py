"""Repository == lockfile, before anything of it runs: nothing missing, nothing extra, nothing changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import (
    ImageInvalid,
    LockMismatch,
    RepositoryAltered,
    RepositoryExtraFile,
    RepositoryIncomplete,
)
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image import layout, manifest
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock.compare import differences
from hermetic_rpm.lock.join import BOOTSTRAP
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import KEYS, METADATA_KINDS, REPODATA, expected_names, is_plain, read_repodata
from hermetic_rpm.made import MADE
from hermetic_rpm.result import RESULT_NAME


def check_source_rpm(lock: Lock, name: str, digest: str) -> None:
    """Hold the sha256 of a source RPM against the one that was resolved; raises `LockMismatch`."""
    if lock.sidecar is not None and lock.sidecar.srpm.sha256 != digest:
        raise LockMismatch(
            f"{name} has the sha256 {digest}, but {lock.sidecar.srpm.name} "
            f"with {lock.sidecar.srpm.sha256} was resolved."
        )


def check(lock: Lock, directory: Path) -> Image:
    """Hold every file of the offline repository against the lock; returns the bootstrap image.

    Raises `RepositoryIncomplete`, `RepositoryExtraFile`, `RepositoryAltered` or `ImageInvalid`.
    """
    check_files(lock, directory)
    return check_image(lock, directory)


def check_files(lock: Lock, directory: Path) -> None:
    """Hold all but the image against the lock: the longest part, since every package is hashed."""
    try:
        present = frozenset(os.listdir(directory))  # noqa: PTH208 - names, not paths
    except OSError as error:
        raise RepositoryIncomplete(f"The offline repository {directory} cannot be read: {error.strerror}.") from error
    present |= {f"{BOOTSTRAP}/{path.name}" for path in _entries(directory / BOOTSTRAP)}
    packages = frozenset(package.file_name for package in lock.every_package)
    if missing := sorted(packages - present):
        raise RepositoryIncomplete(f"{directory} lacks {_some(missing)}.")
    if extra := sorted(present - expected_names(lock) - packages):
        raise RepositoryExtraFile(f"{directory} holds {_some(extra)}, which the lockfile does not name.")
    if strays := _strays(lock, directory):
        raise RepositoryExtraFile(f"{directory} holds {_some(strays)}, which no fetcher put there.")
    check_metadata(lock, directory)
    if altered := _altered(lock, directory):
        raise RepositoryAltered("\n".join((f"{directory} is not what was locked:", *altered)))


def _strays(lock: Lock, directory: Path) -> list[str]:
    """What lies beside the packages and is not what it should be: keys of the lock, notes of the fetcher."""
    strays = [name for name in (RESULT_NAME, MADE) if (directory / name).exists() and not is_plain(directory / name)]
    if lock.sidecar is not None:  # nothing else says which keys there are; the builder uses none
        keys = {Path(key.path).name: key.sha256 for key in lock.sidecar.keys}
        strays += [
            f"{KEYS}/{path.name}"
            for path in _entries(directory / KEYS)
            if not is_plain(path) or sha256_of(path) != keys.get(path.name)
        ]
    return strays


def check_metadata(lock: Lock, directory: Path) -> None:
    """Hold ``repodata/`` against its index, and what that describes beside packages against the lock.

    Comps and modules may be missing: nothing here reads them, and Mock's tool leaves them out.
    """
    found = read_repodata(directory)
    if found.missing:
        raise RepositoryIncomplete(f"{directory / REPODATA} lacks {_some(list(found.missing))}.")
    if found.strays:
        strays = [f"{REPODATA}/{name}" for name in found.strays]
        raise RepositoryExtraFile(f"{directory} holds {_some(strays)}, which no fetcher put there.")
    locked = frozenset() if lock.sidecar is None else {file.kind for file in lock.sidecar.metadata}
    if extra := sorted(METADATA_KINDS[kind] for kind in (found.kinds & METADATA_KINDS.keys()) - locked):
        raise RepositoryExtraFile(f"{directory / REPODATA} holds {_some(extra)}, which the lock does not name.")


def _entries(directory: Path) -> tuple[Path, ...]:
    return tuple(sorted(directory.iterdir())) if directory.is_dir() and not directory.is_symlink() else ()


def _altered(lock: Lock, directory: Path) -> tuple[str, ...]:
    """The packages whose bytes are not the locked ones (without a sidecar: whose headers are not)."""
    paths = {package: directory / package.file_name for package in lock.every_package}
    odd = [name.name for name in paths.values() if not stat.S_ISREG(name.lstat().st_mode)]
    if odd:
        return tuple(f"{name} is no regular file" for name in odd)
    if lock.sidecar is None:
        headers = rpmfile.inspect(tuple(paths.values()))
        return tuple(
            f"{package.file_name}: {difference}"
            for package, header in zip(paths, headers, strict=True)
            for difference in ((header.problem,) if header.problem else differences(package.rpm, header))
        )
    return tuple(
        f"{package.file_name} does not have the sha256 {package.source.sha256}"
        for package, path in paths.items()
        if package.source is not None and sha256_of(path) != package.source.sha256
    )


def check_image(lock: Lock, directory: Path) -> Image:
    """Hold the bootstrap image against the lock, each of its blobs by its digest."""
    identity = lock.lockfile.bootstrap
    relative = layout.image_directory(lock.lockfile.config.bootstrap_image, identity.pull_digest)
    place = directory / relative
    if not (place / "manifest.json").is_file():
        raise RepositoryIncomplete(f"{directory} lacks the bootstrap image {relative}.")
    image = manifest.read(place)
    if image.identity != identity:
        raise ImageInvalid(f"The bootstrap image in {directory} is not the locked one.")
    manifest.verify_layers(image)
    blobs = {blob.digest.removeprefix("sha256:") for blob in (image.config, *image.layers)}
    allowed = {place / name for name in (*blobs, "manifest.json", "version", "signature-1")}
    top = directory / relative.parts[0]
    if extra := sorted(str(path.relative_to(directory)) for path in top.rglob("*") if _is_stray(path, place, allowed)):
        raise RepositoryExtraFile(f"{directory} holds {_some(extra)}, which the lockfile does not name.")
    return image


def _is_stray(path: Path, place: Path, allowed: set[Path]) -> bool:
    return path not in allowed and path != place and path not in place.parents


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
