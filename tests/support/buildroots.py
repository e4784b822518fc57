"""Locks for tests of policy and SBOM: written as files and read as the stages read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hermetic_rpm.lock import join
from hermetic_rpm.lock.model import Lock

KEY = "8c9d010e6b836bb3a66969187fe274124efa2d8a"
BASE = "https://mirror.example.com/distribution/os"
IMAGE = "registry.example.com/base/bootstrap:40"
MANIFEST = f"sha256:{'a' * 64}"
CERTIFICATE = b"\x99\x00\x03\x04ab"
"""A key packet (version 4, body ``04 61 62``) in a file of its own: enough to have a fingerprint."""

CERTIFICATE_KEY = hashlib.sha1(CERTIFICATE).hexdigest()
"""Its fingerprint: the SHA-1 over these very bytes, as RFC 9580 has it."""


def row(name: str = "bash", **changes: Any) -> dict[str, Any]:
    """A row of the lockfile, and what the sidecar adds to it (below ``source``; None for an unsigned package's key)."""
    values = {
        "name": name, "epoch": None, "version": "5.2", "release": "1.fc40", "arch": "x86_64", "license": "MIT",
        "sigmd5": hashlib.md5(name.encode()).hexdigest(), "signature": KEY[-8:], "key": CERTIFICATE_KEY,
        "repository": "os",
    } | changes  # fmt: skip
    file_name = f"{name}-{values['version']}-{values['release']}.{values['arch']}.rpm"
    return {"url": f"{BASE}/Packages/{file_name}", "location": f"Packages/{file_name}"} | values


def write(
    directory: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    sidecar: bool = True,
    certificate: bytes = CERTIFICATE,
    edit: Callable[[Any, Any], None] = lambda _lock, _side: None,
) -> Path:
    """Lockfile, sidecar and a key file; ``edit`` changes both documents before they are written."""
    beside = ("key", "repository", "location")
    lock = {
        "version": "1.1.0",
        "buildroot": {"rpms": [{key: value for key, value in row.items() if key not in beside} for row in rows]},
        "bootstrap": {
            "image_digest": "b" * 64, "pull_digest": MANIFEST, "architecture": "amd64", "id": "c" * 64,
        },
        "config": {
            "target_arch": "x86_64", "legal_host_arches": ["x86_64"], "dist": ".fc40", "package_manager": "dnf5",
            "bootstrap_image": IMAGE, "bootstrap_image_ready": True, "macros": {},
        },
    }  # fmt: skip
    blob = {"digest": f"sha256:{'9' * 64}", "size": 1, "media_type": "application/octet-stream"}
    side = {
        "schema_version": "1.0.0",
        "srpm": {"name": "hello-2.10-1.fc40.src.rpm", "sha256": "e" * 64, "size": 1},
        "target": {"name": "fedora-40", "sha256": "f" * 64},
        "image": {
            "reference": IMAGE, "locations": [f"docker://{IMAGE}"], "config": blob, "layers": [blob],
            "manifest": blob | {"digest": MANIFEST},
        },
        "repositories": [{"id": "os", "base_urls": [BASE], "gpgcheck": True}],
        "keys": [{"path": "keys/one.asc", "sha256": hashlib.sha256(certificate).hexdigest()}],
        "rpms": [{"sha256": hashlib.sha256(row["name"].encode()).hexdigest(), "size": 10}
                 | {key: row[key] for key in beside} for row in rows],
        "requirements": {"static": [], "dynamic": []},
    }  # fmt: skip
    edit(lock, side)
    path = directory / "buildroot_lock.json"
    path.write_text(json.dumps(lock))
    (directory / "keys").mkdir(exist_ok=True)
    (directory / "keys/one.asc").write_bytes(certificate)
    side["lockfile_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    if sidecar:
        (directory / "buildroot_lock.sources.json").write_text(json.dumps(side))
    return path


def lock(directory: Path, *rows: Mapping[str, Any], **options: Any) -> Lock:
    """A lock of these rows."""
    return join.load(write(directory, rows or (row(),), **options))
