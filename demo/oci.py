"""OCI image layouts with one gzip layer, the same bytes for the same file tree."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from demo.recipe import SOURCE_DATE_EPOCH
from hermetic_rpm.files import sha256_of, write_atomically

_ENV = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
_CHUNK = 1 << 20


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A blob of a layout by digest and size."""

    media_type: str
    sha256: str
    size: int

    def descriptor(self) -> dict[str, Any]:
        """The blob as an OCI descriptor."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}


class _Hashing:
    """A writer that hashes what passes through."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self.hash = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.hash.update(data)
        return self._sink.write(data)


def write_layout(layout: Path, *, rootfs: Path, keep: Callable[[str], bool], tag: str = "latest") -> None:
    """Make ``layout`` from the tar of a root file system, whose members get sorted and stripped of the clock.

    ``keep`` decides by the path, without leading slash, which members the image has.
    """
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer, diff_id = _layer(blobs, rootfs, keep)
    config = _json_blob(blobs, _config(diff_id), "application/vnd.oci.image.config.v1+json")
    manifest_media = "application/vnd.oci.image.manifest.v1+json"
    manifest = _json_blob(
        blobs,
        {"schemaVersion": 2, "mediaType": manifest_media, "config": config.descriptor(),
         "layers": [layer.descriptor()]},
        manifest_media,
    )  # fmt: skip
    entry = {**manifest.descriptor(), "annotations": {"org.opencontainers.image.ref.name": tag},
             "platform": {"architecture": "amd64", "os": "linux"}}  # fmt: skip
    write_atomically(layout / "index.json", _bytes({"schemaVersion": 2, "manifests": [entry]}))
    write_atomically(layout / "oci-layout", _bytes({"imageLayoutVersion": "1.0.0"}))


def _config(diff_id: str) -> dict[str, Any]:
    created = datetime.fromtimestamp(SOURCE_DATE_EPOCH, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["/bin/bash"], "Env": list(_ENV), "Labels": {"org.opencontainers.image.vendor": "Demo"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": created, "created_by": "python -m demo"}],
    }


def _layer(blobs: Path, rootfs: Path, keep: Callable[[str], bool]) -> tuple[Blob, str]:
    temporary = blobs / ".layer"
    with temporary.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
        hashing = _Hashing(packed)
        _copy_sorted(rootfs, hashing, keep)
    blob = Blob(
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        sha256=sha256_of(temporary),
        size=temporary.stat().st_size,
    )
    temporary.rename(blobs / blob.sha256)
    return blob, hashing.hash.hexdigest()


def _copy_sorted(rootfs: Path, sink: _Sink, keep: Callable[[str], bool]) -> None:
    """Copy the members in an order that puts a hard link behind its target."""
    with (
        tarfile.open(rootfs) as source,
        tarfile.open(fileobj=_stream(sink), mode="w|", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in in_order(source.getmembers()):
            content = source.extractfile(member) if member.isreg() else None
            clean = normalised(member)
            if keep(clean.name):
                target.addfile(clean, content)


def _stream(sink: _Sink) -> IO[bytes]:
    return sink  # type: ignore[return-value]  # tarfile only ever writes to it


def in_order(members: Iterable[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    """Members by name, hard links last: their targets come first whatever they are called."""
    return sorted(members, key=lambda member: (member.islnk(), member.name))


def normalised(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member without user names and with a time no later than the recipe's."""
    member.name = member.name.removeprefix("./") or "."
    if member.islnk():
        member.linkname = member.linkname.removeprefix("./")
    member.uname = member.gname = ""
    member.mtime = min(int(member.mtime), SOURCE_DATE_EPOCH)
    kept = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    member.pax_headers = kept
    return member


def _json_blob(blobs: Path, document: dict[str, Any], media_type: str) -> Blob:
    content = _bytes(document)
    blob = Blob(media_type=media_type, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    write_atomically(blobs / blob.sha256, content)
    return blob


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
