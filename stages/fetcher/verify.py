"""Whether downloaded files are the locked packages, by their headers and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hermetic_rpm.errors import AccessInvalid, LockMismatch
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.compare import differences
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.rpmfile import Header

DEMAND = "its repository demands a signature by a key of the lock"


def certificates(lock: Lock, directory: Path, given: Sequence[Path]) -> tuple[Path, ...]:
    """The key files that came with the lock, each checked, or those given for a lock without sidecar.

    Raises `LockMismatch` or `AccessInvalid`.
    """
    if lock.sidecar is None:
        missing = [path for path in given if not path.is_file()]
        if missing:
            raise AccessInvalid(f"The key {missing[0]} does not exist.")
        return tuple(given)
    if given:
        raise AccessInvalid("The lock brings its keys; others cannot be given.", solution="Leave --key away.")
    found = []
    for key in lock.sidecar.keys:
        path = directory / key.path
        if not path.is_file() or sha256_of(path) != key.sha256:
            raise LockMismatch(f"The key {path} is missing or not the one that was locked.")
        found.append(path)
    return tuple(found)


def problems(lock: Lock, package: Package, header: Header, *, keys: bool) -> tuple[str, ...]:
    """Everything in which a file differs from its row; ``keys`` if there are any to verify by: pure."""
    if header.problem is not None:
        return (f"{package.file_name}: {header.problem}",)
    found = [f"{package.file_name}: {difference}" for difference in differences(package.rpm, header)]
    if _must_be_signed(lock, package, keys=keys) and header.verified_by is None:
        signers = ", ".join(header.signers) or "nobody"
        demand = "it must be signed by a given key" if lock.sidecar is None else DEMAND
        found.append(f"{package.file_name}: {demand}; signed by {signers}")
    if package.source is not None and package.source.key is not None and package.source.key not in header.signers:
        found.append(f"{package.file_name}: it is not signed by {package.source.key} as it was when locked")
    return tuple(found)


def _must_be_signed(lock: Lock, package: Package, *, keys: bool) -> bool:
    """As the repository demands; of a lock without sidecar everything, as soon as keys are given."""
    if lock.sidecar is None or package.source is None:
        return keys
    return lock.sidecar.repository(package.source.repository).gpgcheck
