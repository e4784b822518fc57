"""One `Lock` from the lockfile and the sidecar beside it: the boundary that all stages share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import LockInvalid, LockMismatch
from hermetic_rpm.files import is_safe_name
from hermetic_rpm.lock import lockfile, sidecar
from hermetic_rpm.lock.model import Lock, LockedRpm, Lockfile, Package, RpmSource, Sidecar

BOOTSTRAP = "bootstrap-packages"
"""The directory in the offline repository for the packages that complete the bootstrap image."""


def load(path: Path) -> Lock:
    """The lock whose lockfile is ``path``, with the sidecar if one lies beside it.

    Raises `LockInvalid` for what is malformed, `LockMismatch` for a sidecar of another lockfile.
    """
    lock_bytes = read_bytes(path, LockInvalid)
    locked = lockfile.parse(lock_bytes, str(path))
    sidecar_path = path.with_name(sidecar.SIDECAR_NAME)
    if not os.path.lexists(sidecar_path):
        return Lock(
            lockfile=locked, sidecar=None, packages=packages(locked, None),
            lockfile_sha256=lockfile.sha256(lock_bytes), sidecar_sha256=None,
        )  # fmt: skip
    sidecar_bytes = read_bytes(sidecar_path, LockInvalid)
    beside = sidecar.parse(sidecar_bytes, str(sidecar_path))
    _check_binding(locked, lockfile.sha256(lock_bytes), beside, sidecar_path)
    return Lock(
        lockfile=locked, sidecar=beside, packages=packages(locked, beside),
        lockfile_sha256=lockfile.sha256(lock_bytes), sidecar_sha256=lockfile.sha256(sidecar_bytes),
        bootstrap_packages=bootstrap_packages(beside),
    )  # fmt: skip


def checksums(lock: Lock) -> dict[str, str]:
    """The sha256 of the lock's files by their role, as a result names its inputs."""
    sidecar_sha256 = {} if lock.sidecar_sha256 is None else {"sidecar": lock.sidecar_sha256}
    return {"lockfile": lock.lockfile_sha256, **sidecar_sha256}


def expect(lock: Lock, expected: Mapping[str, str]) -> None:
    """Hold the lock against the checksums the caller was given; raises `LockMismatch`."""
    actual = checksums(lock)
    for role in ("lockfile", "sidecar"):
        found = actual.get(role)
        if role in expected and expected[role] != found:
            raise LockMismatch(f"The {role} has the sha256 {found}, but {expected[role]} was expected.")


def _check_binding(locked: Lockfile, locked_sha256: str, beside: Sidecar, path: Path) -> None:
    if beside.lockfile_sha256 != locked_sha256:
        raise LockMismatch(
            f"{path} belongs to the lockfile with sha256 {beside.lockfile_sha256}, not to the one beside it."
        )
    if len(beside.rpms) != len(locked.rpms):
        raise LockMismatch(f"{path} describes {len(beside.rpms)} packages, the lockfile {len(locked.rpms)}.")
    if beside.image.manifest.digest != locked.bootstrap.pull_digest:
        raise LockMismatch(f"{path} describes the image {beside.image.manifest.digest}, the lockfile another.")
    if beside.bootstrap_packages and locked.config.bootstrap_image_ready:
        raise LockMismatch(f"{path} completes an image which the lockfile calls ready.")


def packages(locked: Lockfile, beside: Sidecar | None) -> tuple[Package, ...]:
    """The packages with their sources and the file names that they get in the offline repository.

    Two packages whose files have one name (from two repositories, with other content) are told
    apart by the start of their sha256 or sigmd5.
    """
    sources = beside.rpms if beside is not None else (None,) * len(locked.rpms)
    return _named(tuple(zip(locked.rpms, sources, strict=True)))


def bootstrap_packages(beside: Sidecar) -> tuple[Package, ...]:
    """The packages that complete the bootstrap; their files have a directory of their own.

    So none of them is a package of the offline repository to a package manager that reads it.
    """
    found = _named(tuple((package.rpm, package.source) for package in beside.bootstrap_packages))
    return tuple(replace(package, file_name=f"{BOOTSTRAP}/{package.file_name}") for package in found)


def _named(packages: tuple[tuple[LockedRpm, RpmSource | None], ...]) -> tuple[Package, ...]:
    names = [
        _file_name(rpm, source.location if source is not None else urlsplit(rpm.url).path) for rpm, source in packages
    ]
    doubles = {name for name, count in Counter(names).items() if count > 1}
    names = [
        f"{rpm.sigmd5[:12]}-{name}" if name in doubles else name for (rpm, _), name in zip(packages, names, strict=True)
    ]
    if len(set(names)) != len(names):
        shared = next(name for name in names if names.count(name) > 1)
        raise LockInvalid(f"Two packages of the lock would both be the file {shared}.")
    return tuple(
        Package(rpm=rpm, source=source, file_name=name) for (rpm, source), name in zip(packages, names, strict=True)
    )


def file_name(location: str) -> str | None:
    """The file name at the end of a location; None if nobody should use it."""
    name = unquote(PurePosixPath(location).name)
    return name if is_safe_name(name) and name.endswith(".rpm") else None


def _file_name(rpm: LockedRpm, location: str) -> str:
    name = file_name(location)
    if name is None:
        raise LockInvalid(f"{rpm.nevra} has a location that ends in no usable file name: {location!r}.")
    return name
