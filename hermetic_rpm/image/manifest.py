"""An image in skopeo's ``dir:`` layout, understood and verified without podman.

Sources: the OCI image specification (manifest, config, descriptors); for ``image_digest``
what Mock computes from ``podman image inspect``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm.document import parse_json, read_bytes
from hermetic_rpm.errors import ImageInvalid
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.model import Blob, BootstrapImage

MANIFEST = "manifest.json"
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MAX_LAYERS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image in a directory: the bytes of its manifest and of its config are checked."""

    directory: Path
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    identity: BootstrapImage

    def blob_path(self, blob: Blob) -> Path:
        """The file of a blob in the ``dir:`` layout."""
        return self.directory / blob.digest.removeprefix("sha256:")


def read(directory: Path) -> Image:
    """The image in ``directory``; raises `ImageInvalid` if manifest or config are not right.

    The layers are not read: `verify_layers` does that, or whoever unpacks them.
    """
    itself, config, layers = blobs(directory)
    settings = _config(directory, config)
    pull_digest = itself.digest
    return Image(
        directory=directory,
        manifest=itself,
        config=config,
        layers=layers,
        identity=BootstrapImage(
            image_digest=image_digest(settings),
            pull_digest=pull_digest,
            architecture=str(settings.get("architecture", "")),
            id=config.digest.removeprefix("sha256:"),
        ),
    )


def blobs(directory: Path) -> tuple[Blob, Blob, tuple[Blob, ...]]:
    """The manifest in ``directory``, and the config and layers that it names; raises `ImageInvalid`."""
    content = read_bytes(directory / MANIFEST, ImageInvalid)
    data = parse_json(content, str(directory / MANIFEST), ImageInvalid).data
    if not isinstance(data, dict) or data.get("schemaVersion") != 2 or not isinstance(data.get("layers"), list):
        raise ImageInvalid(f"{directory} holds no image manifest of one architecture.")
    media_type = data.get("mediaType", MANIFEST_TYPES[0])
    config = _blob(data.get("config"), directory)
    layers = tuple(_blob(entry, directory) for entry in data["layers"][: MAX_LAYERS + 1])
    if not 0 < len(layers) <= MAX_LAYERS:
        raise ImageInvalid(f"{directory} has {len(layers)} layers.")
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Blob(digest=digest, size=len(content), media_type=str(media_type)), config, layers


def _config(directory: Path, config: Blob) -> dict[str, Any]:
    path = directory / config.digest.removeprefix("sha256:")
    content = read_bytes(path, ImageInvalid)
    if hashlib.sha256(content).hexdigest() != path.name:
        raise ImageInvalid(f"The image's configuration {path} does not have the digest that its manifest says.")
    data = parse_json(content, str(path), ImageInvalid).data
    if not isinstance(data, dict) or not isinstance(data.get("rootfs"), dict):
        raise ImageInvalid(f"{path} is no image configuration.")
    if not isinstance(data.get("config") or {}, dict):
        raise ImageInvalid(f"{path} is no image configuration.")
    return data


def _blob(entry: Any, directory: Path) -> Blob:
    if not isinstance(entry, dict):
        raise ImageInvalid(f"The manifest of {directory} is malformed.")
    digest, size = entry.get("digest"), entry.get("size")
    well_formed = (
        isinstance(digest, str)
        and digest.startswith("sha256:")
        and len(digest) == 71
        and set(digest[7:]) <= set("0123456789abcdef")
    )
    if not well_formed or not isinstance(size, int) or size < 0:
        raise ImageInvalid(f"The manifest of {directory} names a blob without a usable digest and size: {digest!r}.")
    return Blob(digest=str(digest), size=size, media_type=str(entry.get("mediaType", "")))


def image_digest(config: dict[str, Any]) -> str:
    """Mock's ``image_digest``: hex sha256 over layers and settings as podman shows them."""
    shown = {
        "RootFS": {"Type": config["rootfs"].get("type"), "Layers": config["rootfs"].get("diff_ids")},
        "Config": {key: value for key, value in (config.get("config") or {}).items() if _is_shown(key, value)},
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


OCI_CONFIG_KEYS = frozenset(
    ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped")
)


def _is_shown(key: str, value: object) -> bool:
    return key in OCI_CONFIG_KEYS and bool(value)


def verify_layers(image: Image) -> None:
    """Hash every layer again; raises `ImageInvalid` for the first that is missing or differs."""
    for layer in image.layers:
        path = image.blob_path(layer)
        if not path.is_file():
            raise ImageInvalid(f"The layer {layer.digest} of {image.directory} is missing.")
        if path.stat().st_size != layer.size or sha256_of(path) != path.name:
            raise ImageInvalid(f"The layer {layer.digest} of {image.directory} has been changed.")
