"""Small values of a lock, to change one thing of in a test."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermetic_rpm.lock import lockfile, sidecar
from hermetic_rpm.lock.model import (
    Blob,
    BootstrapImage,
    BuildConfig,
    ImageSource,
    Lock,
    LockedRpm,
    LockedSrpm,
    Lockfile,
    Package,
    RepositorySource,
    RpmSource,
    Sidecar,
    TargetIdentity,
)
from hermetic_rpm.rpmfile import Header

MANIFEST = f"sha256:{'a' * 64}"
BASE = "https://mirror.example.com/os"


def rpm(name: str = "bash", **changes: Any) -> LockedRpm:
    values: dict[str, Any] = {
        "name": name, "epoch": None, "version": "5.2", "release": "1.demo1", "arch": "x86_64", "license": "GPL-3.0",
        "sigmd5": "0" * 32, "signature": "3991c178", "url": f"{BASE}/{name}-5.2-1.demo1.x86_64.rpm",
    }  # fmt: skip
    return LockedRpm(**(values | changes))


def locked(*rpms: LockedRpm, **config: Any) -> Lockfile:
    values: dict[str, Any] = {
        "target_arch": "x86_64", "legal_host_arches": ("x86_64",), "dist": "demo1", "package_manager": "dnf5",
        "bootstrap_image": "registry.example.com/bootstrap:latest", "bootstrap_image_ready": True,
        "macros": (("%_topdir", "/builddir/build"),),
    }  # fmt: skip
    return Lockfile(
        rpms=rpms or (rpm(),),
        bootstrap=BootstrapImage(image_digest="b" * 64, pull_digest=MANIFEST, architecture="amd64", id="c" * 64),
        config=BuildConfig(**(values | config)),
    )


def blob(character: str) -> Blob:
    return Blob(digest=f"sha256:{character * 64}", size=1, media_type="application/vnd.oci.image.config.v1+json")


def source(location: str = "Packages/bash-5.2-1.demo1.x86_64.rpm", **changes: Any) -> RpmSource:
    values: dict[str, Any] = {
        "sha256": "d" * 64, "size": 10, "repository": "demo", "location": location, "key": None
    }  # fmt: skip
    return RpmSource(**(values | changes))


def beside(lock: Lockfile, *sources: RpmSource, **changes: Any) -> Sidecar:
    values: dict[str, Any] = {
        "lockfile_sha256": lockfile.sha256(lockfile.render(lock)),
        "srpm": LockedSrpm(name="hello.src.rpm", sha256="e" * 64, size=1),
        "target": TargetIdentity(name="demo", sha256="f" * 64),
        "image": ImageSource(
            reference=lock.config.bootstrap_image, locations=(f"docker://{lock.config.bootstrap_image}",),
            manifest=dataclasses.replace(blob("a"), digest=lock.bootstrap.pull_digest), config=blob("c"),
            layers=(blob("9"),),
        ),
        "repositories": (RepositorySource(id="demo", base_urls=(BASE,), gpgcheck=False),),
        "keys": (),
        "rpms": sources or tuple(source(f"Packages/{rpm.name}.rpm") for rpm in lock.rpms),
        "static_requirements": ("gcc",),
        "dynamic_requirements": (),
    }  # fmt: skip
    return Sidecar(**(values | changes))


def joined(*packages: tuple[LockedRpm, RpmSource], **changes: Any) -> Lock:
    """A lock with a sidecar, joined without files."""
    lock = locked(*(entry for entry, _ in packages))
    side = beside(lock, *(entry for _, entry in packages), **changes)
    return Lock(
        lockfile=lock, sidecar=side, lockfile_sha256="0" * 64, sidecar_sha256="1" * 64,
        packages=tuple(
            Package(rpm=entry, source=origin, file_name=Path(origin.location).name) for entry, origin in packages
        ),
    )  # fmt: skip


def bare(*rpms: LockedRpm) -> Lock:
    """A lock as Mock writes it: without a sidecar."""
    return Lock(
        lockfile=locked(*rpms), sidecar=None, lockfile_sha256="0" * 64, sidecar_sha256=None,
        packages=tuple(Package(rpm=entry, source=None, file_name=Path(entry.url).name) for entry in rpms),
    )  # fmt: skip


def write(directory: Path, lock: Lockfile, side: Sidecar | None) -> Path:
    """Both files in a directory; returns the lockfile's path."""
    path = directory / lockfile.LOCKFILE_NAME
    path.write_bytes(lockfile.render(lock))
    if side is not None:
        (directory / sidecar.SIDECAR_NAME).write_bytes(sidecar.render(side))
    return path


def edited(content: bytes, edit: Callable[[Any], None]) -> bytes:
    """JSON bytes with one thing changed by hand."""
    document = json.loads(content)
    edit(document)
    return json.dumps(document).encode()


def header(**changes: Any) -> Header:
    """The header of `rpm`, with changes."""
    values: dict[str, Any] = {
        "path": "bash.rpm", "name": "bash", "epoch": None, "version": "5.2", "release": "1.demo1", "arch": "x86_64",
        "sigmd5": "0" * 32,
    }  # fmt: skip
    return Header(**(values | changes))
