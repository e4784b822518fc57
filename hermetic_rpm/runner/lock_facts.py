"""What the ``lock`` commands say of one package, for people and as JSON: pure."""

from __future__ import annotations

from typing import Any

from hermetic_rpm.lock.model import LockedRpm, Package


def evr(rpm: LockedRpm) -> str:
    """``epoch:version-release``, the epoch only where there is one."""
    return f"{f'{rpm.epoch}:' if rpm.epoch is not None else ''}{rpm.version}-{rpm.release}"


def key(package: Package) -> str | None:
    """The id of the signing key, as much of it as the lock knows; None if there is no signature."""
    if package.source is not None and package.source.key is not None:
        return package.source.key
    return package.rpm.signature


def key_id(package: Package) -> str:
    """The last 16 hex digits of the signing key at most, or ``-``."""
    return (key(package) or "-")[-16:]


def as_json(package: Package) -> dict[str, Any]:
    """Everything that lockfile and sidecar say of a package."""
    rpm, source = package.rpm, package.source
    return {
        "name": rpm.name, "epoch": rpm.epoch, "version": rpm.version, "release": rpm.release, "arch": rpm.arch,
        "evr": evr(rpm), "license": rpm.license, "sigmd5": rpm.sigmd5, "signature": rpm.signature, "url": rpm.url,
        "file": package.file_name, "key": key(package),
        "sha256": source and source.sha256, "size": source and source.size,
        "repository": source and source.repository, "location": source and source.location,
    }  # fmt: skip
