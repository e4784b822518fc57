"""An archive in a container registry: an OCI artifact of one layer, the archive as it is.

Source: OCI image specification 1.1, image manifest, "Guidelines for Artifact Usage".  skopeo
talks to the registry, with the caller's credentials (``REGISTRY_AUTH_FILE``) and certificates.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from hermetic_rpm import process
from hermetic_rpm.document import parse_json
from hermetic_rpm.errors import ArchiveInvalid, ArchiveUnavailable, CommandFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.copy import DOCKER, UNCHANGED, by_digest, skopeo_copy
from hermetic_rpm.image.manifest import MANIFEST_TYPES
from hermetic_rpm.lock.model import Blob

ARTIFACT_TYPE = "application/vnd.hermetic-rpm.archive.v1"
LAYER_TYPE = "application/vnd.hermetic-rpm.archive.v1.tar"
EMPTY, EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"
TRANSPORTS = (DOCKER, "oci:", "dir:")
"""Where an artifact can be, as skopeo names it."""

_COPY = "artifact"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_location(text: str) -> bool:
    """Whether ``text`` names an artifact rather than a file."""
    return text.startswith(TRANSPORTS)


def manifest(layer: Blob, title: str) -> bytes:
    """The manifest of the artifact whose layer is an archive: pure."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPES[0],
        "artifactType": ARTIFACT_TYPE,
        "config": _descriptor(_blob(EMPTY, EMPTY_TYPE)),
        "layers": [_descriptor(layer) | {"annotations": {"org.opencontainers.image.title": title}}],
    }
    return json.dumps(document, sort_keys=True).encode()


def layer_of(content: bytes, name: str) -> Blob:
    """The archive that a manifest names; raises `ArchiveInvalid` for what is no such artifact."""
    data: Any = parse_json(content, name, ArchiveInvalid).data
    try:
        (layer,) = data["layers"]
        found = Blob(digest=layer["digest"], size=layer["size"], media_type=layer["mediaType"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveInvalid(f"{name} holds no archive of hermetic-rpm.") from error
    is_ours = data.get("artifactType") == ARTIFACT_TYPE and found.media_type == LAYER_TYPE
    if not is_ours or _DIGEST.fullmatch(str(found.digest)) is None:
        raise ArchiveInvalid(f"{name} holds no archive of hermetic-rpm.")
    return found


def push(archive: Path, location: str, *, title: str, scratch: Path) -> str:
    """Copy an archive to ``location``, and return the location with the digest of the artifact.

    ``scratch`` is a directory for this.  Raises `ArchiveUnavailable`.
    """
    layer = Blob(digest=f"sha256:{sha256_of(archive)}", size=archive.stat().st_size, media_type=LAYER_TYPE)
    content = manifest(layer, title)
    directory = scratch / _COPY
    _write_directory(directory, archive, layer, content)
    _skopeo(skopeo_copy(f"dir:{directory}", location, *UNCHANGED), f"The archive cannot be copied to {location}.")
    return by_digest(location, _digest(content))


def pull(location: str, scratch: Path) -> Path:
    """The archive at ``location``, copied below ``scratch`` and held against its digests.

    Raises `ArchiveUnavailable` or `ArchiveInvalid`.
    """
    what = f"{location} cannot be had."
    content = _skopeo(("skopeo", "inspect", "--raw", "--", location), what).stdout.encode()
    digest = _digest(content)
    if location.startswith(DOCKER) and location.partition("@")[2] not in ("", digest):
        raise ArchiveInvalid(f"{location} has the digest {digest}.")
    layer = layer_of(content, location)
    directory = scratch / _COPY
    _skopeo(skopeo_copy(by_digest(location, digest), f"dir:{directory}", *UNCHANGED), what)
    path = directory / layer.digest.removeprefix("sha256:")
    if not path.is_file() or path.stat().st_size != layer.size or sha256_of(path) != path.name:
        raise ArchiveInvalid(f"{location} does not hold the archive {layer.digest} that it names.")
    return path


def _write_directory(directory: Path, archive: Path, layer: Blob, content: bytes) -> None:
    """The artifact in skopeo's ``dir:`` layout."""
    directory.mkdir()
    (directory / layer.digest.removeprefix("sha256:")).symlink_to(archive.absolute())
    (directory / hashlib.sha256(EMPTY).hexdigest()).write_bytes(EMPTY)
    (directory / "manifest.json").write_bytes(content)
    (directory / "version").write_text("Directory Transport Version: 1.1\n")


def _skopeo(command: tuple[str, ...], what: str) -> process.Completed:
    try:
        return process.run(command, env=process.host_environment())
    except CommandFailed as error:
        raise ArchiveUnavailable(what, log_tail=error.log_tail) from error


def _blob(content: bytes, media_type: str) -> Blob:
    return Blob(digest=_digest(content), size=len(content), media_type=media_type)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(blob: Blob) -> dict[str, Any]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
