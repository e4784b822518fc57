"""A small archive, and every way to forge it that somebody may think of."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive import tar
from hermetic_rpm.archive.index import INDEX_NAME, File, Index, StageImage
from tests.support.images import sha256

MANIFEST = b'{"schemaVersion": 2}'
BLOB = f"images/blobs/sha256/{sha256(MANIFEST)}"
IMAGE = StageImage(stage="builder", reference="localhost/builder:latest", digest=f"sha256:{sha256(MANIFEST)}")
LONG = f"repo/{'registry' * 16}/os@sha256:{'0' * 64}/manifest.json"
SRPM = "srpm/hello-1-1.src.rpm"
FILES = {
    BLOB: MANIFEST, "lock/buildroot_lock.json": b"{}", "pipeline.yaml": b"", LONG: b"m" * 512,
    "repo/bash-5^1~2-1.x86_64.rpm": b"b" * 700, SRPM: b"s" * 1,
}  # fmt: skip
CONTENT: Mapping[str, bytes] = dict(sorted(FILES.items()))


def index(content: Mapping[str, bytes] = CONTENT, **changes: Any) -> Index:
    values: dict[str, Any] = {
        "tool_version": "0.1.0", "lockfile_sha256": sha256(b"{}"), "srpm": "hello-1-1.src.rpm", "images": (IMAGE,),
        "files": tuple(File(path=name, size=len(data), sha256=sha256(data)) for name, data in content.items()),
    }  # fmt: skip
    return Index(**(values | changes))


def entry(name: str, content: bytes) -> bytes:
    return tar.header(name, len(content)) + content + tar.padding(len(content))


def archive(described: bytes | None = None, content: Mapping[str, bytes] = CONTENT, end: bytes = tar.END) -> bytes:
    """An archive of our making whose index and whose content may be anything."""
    first = index_file.render(index(content)) if described is None else described
    return b"".join((entry(INDEX_NAME, first), *(entry(name, data) for name, data in content.items()), end))


def edited(edit: Callable[[Any], Any]) -> bytes:
    """An archive whose index somebody edited."""
    document = json.loads(index_file.render(index()))
    edit(document)
    return archive(json.dumps(document).encode())


def _instead(name: str, replacement: bytes) -> bytes:
    """An archive with other bytes in the place of one entry."""
    return archive().replace(entry(name, CONTENT[name]), replacement)


def _header(*fields: tuple[int, bytes], checksum: bool = True) -> bytes:
    """An archive with fields of the header of pipeline.yaml overwritten at their offsets, its checksum right again."""
    block = bytearray(tar.header("pipeline.yaml", 0))
    for offset, value in fields:
        block[offset : offset + len(value)] = value
    if checksum:
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return _instead("pipeline.yaml", bytes(block))


def _kind(kind: bytes, linkname: bytes = b"") -> bytes:
    return _header((156, kind), (157, linkname))


def _size(size: int) -> bytes:
    """A size in GNU's base 256, which may be negative."""
    return _header((124, (size % (1 << 96)).to_bytes(12, "big")))


def _pax(**records: str) -> bytes:
    """A pax header before an entry that is right in itself."""
    info = tarfile.TarInfo("pipeline.yaml")
    info.pax_headers = records
    before = info.tobuf(tarfile.PAX_FORMAT)[: -tar.BLOCK]
    return _instead("pipeline.yaml", before + tar.header("pipeline.yaml", 0))


def _gnu_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _path(path: str) -> bytes:
    """An archive that agrees with its index on a path that nobody may use."""
    return archive(content=dict(sorted({**CONTENT, path: b""}.items())))


def _by_tarfile() -> bytes:
    """The same files by Python's tarfile: right contents, other headers."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as stream:
        for name, data in {INDEX_NAME: index_file.render(index()), **CONTENT}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            stream.addfile(info, io.BytesIO(data))
    return made.getvalue()


SWAPPED = dict(sorted(CONTENT.items(), reverse=True))
WITHOUT = {name: data for name, data in CONTENT.items() if name != "pipeline.yaml"}
ENTRIES: Mapping[str, bytes] = {
    # entries that are no plain files
    "a-symbolic-link": _kind(tarfile.SYMTYPE, b"/etc/passwd"),
    "a-hard-link": _kind(tarfile.LNKTYPE, b"lock/buildroot_lock.json"),
    "a-character-device": _kind(tarfile.CHRTYPE),
    "a-block-device": _kind(tarfile.BLKTYPE),
    "a-pipe": _kind(tarfile.FIFOTYPE),
    "a-directory": _kind(tarfile.DIRTYPE),
    "a-contiguous-file": _kind(tarfile.CONTTYPE),
    "a-sparse-file": _kind(tarfile.GNUTYPE_SPARSE),
    "a-file-of-an-older-tar": _kind(tarfile.AREGTYPE),
    "a-kind-nobody-knows": _kind(b"Z"),
    # headers
    "a-setuid-file": _header((100, b"0004755")),
    "a-file-of-somebody": _header((108, b"0001750")),
    "a-file-of-a-name": _header((265, b"somebody")),
    "a-time": _header((136, b"00000000001")),
    "a-path-before-the-name": _header((345, b"..")),
    "a-wrong-checksum": _header((148, b"000000"), checksum=False),
    "a-negative-size": _size(-1),
    "a-very-negative-size": _size(-(1 << 60)),
    "an-endless-size": _header((124, b"7" * 11)),
    "a-size-beyond-every-disk": _size(1 << 90),
    "a-gigantic-pax-header": _pax(comment="x" * (8 << 20)),
    "a-pax-header-with-another-path": _pax(path="../../etc/cron.d/x"),
    "a-pax-header-with-another-size": _pax(size="-1"),
    "a-sparse-map-in-pax": _pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
    "a-gnu-long-name": _instead(LONG, _gnu_header(LONG, 512) + CONTENT[LONG]),
    # what is there and what the index says
    "a-file-that-the-index-does-not-name": archive(end=entry("repo/extra.rpm", b"") + tar.END),
    "another-size-in-the-index": edited(lambda data: data["files"][0].update(size=10**12)),
    "a-file-too-few": archive(index_file.render(index()), WITHOUT),
    "a-file-twice": _instead("pipeline.yaml", 2 * entry("pipeline.yaml", b"")),
    "two-files-in-the-wrong-order": archive(index_file.render(index()), SWAPPED),
    "another-file-of-that-size": _instead(SRPM, entry("srpm/other-1-1.src.rpm", b"s")),
    "other-content": _instead(SRPM, entry(SRPM, b"t")),
    "a-shorter-file": _instead(SRPM, entry(SRPM, b"")),
    "a-longer-file": _instead(SRPM, entry(SRPM, b"s" * 600)),
    "something-in-the-padding": archive().replace(b"s" + bytes(511), b"s" + bytes(510) + b"!"),
    "something-in-the-end": archive(end=tar.END[:-1] + b"!"),
    "something-after-the-end": archive() + b"!",
    "two-archives": 2 * archive(),
    "half-an-end": archive(end=bytes(tar.BLOCK)),
    "no-end": archive(end=b""),
}
"""Files that are not what a valid index says."""

INDEXES: Mapping[str, bytes] = {
    # paths
    "an-absolute-path": _path("/etc/passwd"),
    "a-path-upwards": _path("repo/../../etc/passwd"),
    "a-path-with-two-slashes": _path("repo//x"),
    "a-path-with-a-dot": _path("repo/./x"),
    "a-hidden-file": _path("repo/.made.json"),
    "a-path-with-a-backslash": _path("repo/a\\b"),
    "a-path-with-a-newline": _path("repo/x\n"),
    "a-path-with-a-blank": _path("repo/a b"),
    "an-empty-path": _path(""),
    "a-path-without-end": _path("repo/" + "x" * 300),
    "a-path-outside-the-known-directories": _path("zzz/x"),
    "the-index-itself": _path(INDEX_NAME),
    "a-key-that-is-a-program": _path("lock/keys/../x"),
    "a-lock-directory-with-more-in-it": _path("lock/result.json"),
    # the rest of it
    "paths-out-of-order": archive(index_file.render(index(SWAPPED)), SWAPPED),
    "a-path-twice": edited(lambda data: data["files"].insert(1, data["files"][0])),
    "a-file-that-is-a-directory-too": archive(
        content=dict(sorted({**CONTENT, "repo/a": b"", "repo/a/b": b""}.items()))
    ),
    "an-index-of-another-version": edited(lambda data: data.update(schema_version="2.0.0")),
    "an-index-with-something-unknown": edited(lambda data: data.update(run="rm -rf /")),
    "an-index-without-a-sum": edited(lambda data: data["files"][0].pop("sha256")),
    "a-negative-size-in-the-index": edited(lambda data: data["files"][0].update(size=-1)),
    "a-size-that-is-a-word": edited(lambda data: data["files"][0].update(size="all")),
    "an-endless-number-in-the-index": archive(b'{"files": [' + b"9" * 9000 + b"]}"),
    "a-blob-under-another-name": edited(lambda data: data["files"][0].update(path=f"images/blobs/sha256/{'0' * 64}")),
    "an-image-that-is-missing": edited(lambda data: data["images"][0].update(digest=f"sha256:{'0' * 64}")),
    "two-images-of-a-stage": edited(lambda data: data["images"].append(data["images"][0])),
    "an-image-name-that-is-an-option": edited(lambda data: data["images"][0].update(reference="--all")),
    "an-image-name-with-a-storage": edited(lambda data: data["images"][0].update(reference="[vfs@/etc]x")),
    "another-lockfile": edited(lambda data: data.update(lockfile_sha256="0" * 64)),
    "another-source-rpm": edited(lambda data: data.update(srpm="other-1-1.src.rpm")),
    "a-source-rpm-elsewhere": edited(lambda data: data.update(srpm="../lock/buildroot_lock.json")),
    "a-key-twice-in-the-index": archive(b'{"files": [], "files": []}'),
    "an-index-without-bottom": archive(b"[" * 200_000),
    "an-index-that-is-a-list": archive(b"[]"),
    "an-index-that-is-no-json": archive(b"\xff\xfe"),
    "an-empty-index": archive(b""),
    "an-index-that-is-too-large": tar.header(INDEX_NAME, index_file.MAX_INDEX_BYTES + 1),
}
"""Indexes that are wrong, some with files that agree."""

STRANGERS: Mapping[str, bytes] = {
    "an-index-without-size": tar.header(INDEX_NAME, 0).replace(b"00000000000\0", b"\xff" * 12, 1),
    "an-index-that-comes-second": entry("pipeline.yaml", b"") + archive(),
    "nothing": b"",
    "zeros": bytes(10240),
    "headers-of-another-program": _by_tarfile(),
    "a-compressed-archive": gzip.compress(archive()),
}
"""What does not even begin as an archive."""
