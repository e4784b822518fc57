"""Tiny images in skopeo's ``dir:`` layout and in the OCI layout, made without any tool."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SETTINGS: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["/bin/sh"], "Labels": {"name": "tiny \u00e4"}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def layer(files: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """A layer with these files: the tar and its gzip, the same bytes each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue(), gzip.compress(stream.getvalue(), mtime=0)


def directory_image(
    directory: Path, *, settings: Mapping[str, Any] = SETTINGS, blobs: tuple[bytes, ...] = (b"layer",), **manifest: Any
) -> Path:
    """An image in the ``dir:`` layout; ``manifest`` replaces keys of its manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    config = json.dumps(settings).encode()
    for content in (config, *blobs):
        (directory / sha256(content)).write_bytes(content)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(config, CONFIG_TYPE),
        "layers": [descriptor(content, LAYER_TYPE) for content in blobs],
    }
    (directory / "manifest.json").write_text(json.dumps(document | manifest))
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    return directory


def oci_layout(directory: Path, files: Mapping[str, bytes], *, architecture: str = "amd64") -> Path:
    """A real image of one layer in the OCI layout under the tag ``latest``."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    tar, packed = layer(files)
    settings = json.dumps(
        SETTINGS | {"architecture": architecture, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(tar)}"]}}
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(settings, CONFIG_TYPE),
            "layers": [descriptor(packed, LAYER_TYPE)],
        }
    ).encode()
    for content in (packed, settings, manifest):
        (blobs / sha256(content)).write_bytes(content)
    named = descriptor(manifest, MANIFEST_TYPE) | {"annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(content)}", "size": len(content)}
