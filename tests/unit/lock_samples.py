"""Small locks made by hand."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from hermetic_rpm.lock import lockfile, sidecar
from hermetic_rpm.lock.join import packages
from hermetic_rpm.lock.model import (
    Blob,
    BootstrapImage,
    BuildConfig,
    ImageSource,
    KeyFile,
    Lock,
    LockedRpm,
    LockedSrpm,
    Lockfile,
    RepositorySource,
    RequirementEdges,
    RpmSource,
    Sidecar,
    TargetIdentity,
)

KEY = "0123456789abcdef0123456789abcdef01234567"
OTHER_KEY = "f" * 40
KEY_FILE = b"a key\n"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rpm(nevra: str, **fields: Any) -> LockedRpm:
    """``name [epoch:]version-release.arch``, everything else made up from it."""
    name, _, rest = nevra.partition(" ")
    evr, _, arch = rest.rpartition(".")
    epoch, colon, label = evr.rpartition(":")
    version, _, release = label.partition("-")
    return LockedRpm(**{
        "name": name, "epoch": epoch if colon else None, "version": version, "release": release, "arch": arch,
        "license": "MIT", "sigmd5": digest(nevra)[:32], "signature": KEY[-8:],
        "url": f"https://mirror.invalid/{name}-{version}-{release}.{arch}.rpm",
        **fields,
    })  # fmt: skip


def source(locked: LockedRpm, **fields: Any) -> RpmSource:
    location = locked.url.rpartition("/")[2]
    values = {"sha256": digest(locked.sigmd5), "size": 1000, "repository": "base", "location": location, "key": KEY}
    return RpmSource(**{**values, **fields})


def lock(
    *rpms: LockedRpm,
    sources: tuple[RpmSource, ...] | None = None,
    edges: RequirementEdges | None = None,
    image: str = "image",
    macros: tuple[tuple[str, str | int], ...] = (("%dist", ".x"),),
    requirements: tuple[str, ...] = ("make",),
    with_sidecar: bool = True,
) -> Lock:
    pulled = f"sha256:{digest(image)}"
    locked = Lockfile(
        rpms=rpms,
        bootstrap=BootstrapImage(
            image_digest=digest(image), pull_digest=pulled, architecture="amd64", id=digest("id of " + image)
        ),
        config=BuildConfig(
            target_arch="x86_64", legal_host_arches=("x86_64",), dist="x", package_manager="dnf5",
            bootstrap_image="registry.invalid/image:1", bootstrap_image_ready=True, macros=macros,
        ),
    )  # fmt: skip
    content = lockfile.render(locked)
    blob = Blob(digest=pulled, size=1, media_type="application/x")
    beside = Sidecar(
        lockfile_sha256=lockfile.sha256(content),
        srpm=LockedSrpm(name="hello-1-1.src.rpm", sha256=digest("srpm"), size=1),
        target=TargetIdentity(name="target", sha256=digest("target")),
        image=ImageSource(
            reference="registry.invalid/image:1", locations=("docker://registry.invalid/image:1",), manifest=blob,
            config=blob, layers=(blob,),
        ),
        repositories=(RepositorySource(id="base", base_urls=("https://mirror.invalid/",), gpgcheck=True),),
        keys=(KeyFile(path="keys/base.asc", sha256=hashlib.sha256(KEY_FILE).hexdigest()),),
        rpms=sources if sources is not None else tuple(map(source, rpms)),
        static_requirements=requirements,
        dynamic_requirements=(),
        edges=edges,
    )  # fmt: skip
    return Lock(
        lockfile=locked, sidecar=beside if with_sidecar else None,
        packages=packages(locked, beside if with_sidecar else None),
        lockfile_sha256=lockfile.sha256(content), sidecar_sha256=None,
    )  # fmt: skip


def write(made: Lock, directory: Path) -> Path:
    """The files of a lock; returns the lockfile."""
    path = directory / lockfile.LOCKFILE_NAME
    path.write_bytes(lockfile.render(made.lockfile))
    if made.sidecar is not None:
        (directory / sidecar.SIDECAR_NAME).write_bytes(sidecar.render(made.sidecar))
        (directory / "keys").mkdir()
        (directory / "keys/base.asc").write_bytes(KEY_FILE)
    return path


def resigned(locked: LockedRpm) -> LockedRpm:
    return dataclasses.replace(locked, signature=OTHER_KEY[-8:])
