"""Whether downloaded files are the locked packages, by their headers and signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import LockMismatch
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.compare import differences
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.rpmfile import Header


def certificates(lock: Lock, directory: Path) -> tuple[Path, ...]:
    """The key files that came with the lock, each checked; raises `LockMismatch`."""
    found = []
    for key in () if lock.sidecar is None else lock.sidecar.keys:
        path = directory / key.path
        if not path.is_file() or sha256_of(path) != key.sha256:
            raise LockMismatch(f"The key {path} is missing or not the one that was locked.")
        found.append(path)
    return tuple(found)


def headers(paths: Mapping[Package, Path], keys: Sequence[Path], *, payload: bool) -> dict[Package, Header]:
    """The headers of downloaded files, read in a subprocess with limits."""
    found = rpmfile.inspect(tuple(paths.values()), certificates=keys, payload=payload)
    return dict(zip(paths, found, strict=True))


def problems(lock: Lock, package: Package, header: Header) -> tuple[str, ...]:
    """Everything in which a file differs from its row: pure."""
    if header.problem is not None:
        return (f"{package.file_name}: {header.problem}",)
    found = [f"{package.file_name}: {difference}" for difference in differences(package.rpm, header)]
    if _must_be_signed(lock, package) and header.verified_by is None:
        signers = ", ".join(header.signers) or "nobody"
        found.append(
            f"{package.file_name}: its repository demands a signature by a key of the lock; signed by {signers}"
        )
    if package.source is not None and package.source.key is not None and package.source.key not in header.signers:
        found.append(f"{package.file_name}: it is not signed by {package.source.key} as it was when locked")
    return tuple(found)


def _must_be_signed(lock: Lock, package: Package) -> bool:
    if lock.sidecar is None or package.source is None:
        return False
    return lock.sidecar.repository(package.source.repository).gpgcheck
