"""Reading and writing ``buildroot_lock.sources.json``, the sidecar of a lockfile."""

from __future__ import annotations

from typing import Any

from hermetic_rpm.document import checked, parse_json
from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.model import (
    Blob,
    ImageSource,
    KeyFile,
    LockedSrpm,
    RepositorySource,
    RpmSource,
    Sidecar,
    TargetIdentity,
)

SIDECAR_NAME = "buildroot_lock.sources.json"
KEYS_DIRECTORY = "keys"
SCHEMA_VERSION = "1.0.0"


def render(sidecar: Sidecar) -> bytes:
    """The bytes of the sidecar."""
    image = sidecar.image
    document = {
        "schema_version": SCHEMA_VERSION,
        "lockfile_sha256": sidecar.lockfile_sha256,
        "srpm": {"name": sidecar.srpm.name, "sha256": sidecar.srpm.sha256, "size": sidecar.srpm.size},
        "target": {"name": sidecar.target.name, "sha256": sidecar.target.sha256},
        "image": {
            "reference": image.reference,
            "locations": list(image.locations),
            "manifest": _blob_document(image.manifest),
            "config": _blob_document(image.config),
            "layers": [_blob_document(layer) for layer in image.layers],
        },
        "repositories": [
            {"id": repository.id, "base_urls": list(repository.base_urls), "gpgcheck": repository.gpgcheck}
            for repository in sidecar.repositories
        ],
        "keys": [{"path": key.path, "sha256": key.sha256} for key in sidecar.keys],
        "rpms": [
            {
                "sha256": rpm.sha256, "size": rpm.size, "repository": rpm.repository, "location": rpm.location,
                "key": rpm.key,
            }
            for rpm in sidecar.rpms
        ],
        "requirements": {
            "static": list(sidecar.static_requirements),
            "dynamic": list(sidecar.dynamic_requirements),
        },
    }  # fmt: skip
    return canonical_json(document).encode()


def _blob_document(blob: Blob) -> dict[str, str | int]:
    return {"digest": blob.digest, "size": blob.size, "media_type": blob.media_type}


def parse(content: bytes, name: str = SIDECAR_NAME) -> Sidecar:
    """A sidecar from its bytes; raises `LockInvalid` with every problem."""
    data: Any = checked(parse_json(content, name, LockInvalid), "sidecar", LockInvalid)
    image = data["image"]
    repositories = tuple(
        RepositorySource(id=entry["id"], base_urls=tuple(entry["base_urls"]), gpgcheck=entry["gpgcheck"])
        for entry in data["repositories"]
    )
    rpms = tuple(RpmSource(**entry) for entry in data["rpms"])
    known = {repository.id for repository in repositories}
    if unknown := sorted({rpm.repository for rpm in rpms} - known):
        raise LockInvalid(f"{name} takes packages from repositories that it does not describe: {', '.join(unknown)}.")
    return Sidecar(
        lockfile_sha256=data["lockfile_sha256"],
        srpm=LockedSrpm(**data["srpm"]),
        target=TargetIdentity(**data["target"]),
        image=ImageSource(
            reference=image["reference"],
            locations=tuple(image["locations"]),
            manifest=Blob(**image["manifest"]),
            config=Blob(**image["config"]),
            layers=tuple(Blob(**layer) for layer in image["layers"]),
        ),
        repositories=repositories,
        keys=tuple(KeyFile(**entry) for entry in data["keys"]),
        rpms=rpms,
        static_requirements=tuple(data["requirements"]["static"]),
        dynamic_requirements=tuple(data["requirements"]["dynamic"]),
    )
