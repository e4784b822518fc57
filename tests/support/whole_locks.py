"""Whole locks of packages told apart by their NEVRA, with keys and requirement edges: to compare and to write."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from hermetic_rpm.lock import lockfile
from hermetic_rpm.lock.join import packages
from hermetic_rpm.lock.model import KeyFile, Lock, LockedRpm, LockedSrpm, RpmSource
from hermetic_rpm.lock.sidecar import KEYS_DIRECTORY
from tests.support import locks

KEY = "0123456789abcdef0123456789abcdef01234567"
OTHER_KEY = "f" * 40
KEY_FILE = b"a key\n"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rpm(nevra: str, **changes: Any) -> LockedRpm:
    """``name [epoch:]version-release.arch``, everything else made up from it."""
    name, _, rest = nevra.partition(" ")
    evr, _, arch = rest.rpartition(".")
    epoch, colon, label = evr.rpartition(":")
    version, _, release = label.partition("-")
    values: dict[str, Any] = {
        "epoch": epoch if colon else None, "version": version, "release": release, "arch": arch, "license": "MIT",
        "sigmd5": digest(nevra)[:32], "signature": KEY[-8:],
        "url": f"{locks.BASE}/{name}-{version}-{release}.{arch}.rpm",
    }  # fmt: skip
    return locks.rpm(name, **(values | changes))


def source(rpm: LockedRpm, **changes: Any) -> RpmSource:
    values: dict[str, Any] = {"sha256": digest(rpm.sigmd5), "size": 1000, "key": KEY}
    return locks.source(rpm.url.rpartition("/")[2], **(values | changes))


def lock(
    *rpms: LockedRpm,
    sources: tuple[RpmSource, ...] | None = None,
    image: str = "image",
    macros: tuple[tuple[str, str | int], ...] = (("%dist", ".x"),),
    with_sidecar: bool = True,
    **changes: Any,
) -> Lock:
    """A lock; ``changes`` are fields of the sidecar."""
    locked = locks.locked(*rpms, macros=macros)
    bootstrap = dataclasses.replace(locked.bootstrap, pull_digest=f"sha256:{digest(image)}", id=digest(f"{image} id"))
    locked = dataclasses.replace(locked, bootstrap=bootstrap)
    values: dict[str, Any] = {
        "srpm": LockedSrpm(name="hello-1-1.src.rpm", sha256=digest("srpm"), size=1),
        "keys": (KeyFile(path=f"{KEYS_DIRECTORY}/base.asc", sha256=hashlib.sha256(KEY_FILE).hexdigest()),),
        "static_requirements": ("make",),
    }  # fmt: skip
    beside = locks.beside(locked, *(sources or map(source, rpms)), **(values | changes)) if with_sidecar else None
    return Lock(
        lockfile=locked, sidecar=beside, packages=packages(locked, beside),
        lockfile_sha256=lockfile.sha256(lockfile.render(locked)), sidecar_sha256=None,
    )  # fmt: skip


def write(made: Lock, directory: Path) -> Path:
    """The files of a lock and its keys; returns the lockfile."""
    if made.sidecar is not None:
        (directory / KEYS_DIRECTORY).mkdir()
        (directory / KEYS_DIRECTORY / "base.asc").write_bytes(KEY_FILE)
    return locks.write(directory, made.lockfile, made.sidecar)


def resigned(rpm: LockedRpm) -> LockedRpm:
    return dataclasses.replace(rpm, signature=OTHER_KEY[-8:])
