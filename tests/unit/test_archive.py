"""The archive: one form for the same inputs, and a reader that accepts no other."""

from __future__ import annotations

import io
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from hermetic_rpm.archive import artifact, images, read, tar, write
from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive.index import INDEX_NAME, StageImage
from hermetic_rpm.errors import ArchiveInvalid, RepositoryAltered
from hermetic_rpm.lock.model import Blob
from tests.support import archives
from tests.support.archives import CONTENT, LONG

SAME = pytest.mark.promise(
    "4.9", "a packed build is the same bytes for the same inputs, and unpacks to what was packed"
)
REFUSED = pytest.mark.promise("4.9", "what was changed or forged in an archive is refused")


def extract(content: bytes, directory: Path) -> index_file.Index:
    directory.mkdir(exist_ok=True)
    return read.extract(io.BytesIO(content), directory)


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# -- the form -----------------------------------------------------------------------------


def test_any_tar_reads_an_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(archives.archive())) as opened:
        members = opened.getmembers()
        assert [member.name for member in members] == [INDEX_NAME, *CONTENT]
        found = {member.name: opened.extractfile(member) for member in members[1:]}
        assert {name: stream.read() for name, stream in found.items() if stream is not None} == CONTENT
    assert {(m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname, m.type) for m in members} == {
        (0o644, 0, 0, 0, "", "", tarfile.REGTYPE)
    }


@pytest.mark.parametrize("size", [0, 1, 511, 512, 8**11 - 1, 8**11, 1 << 40])
@pytest.mark.parametrize("length", [1, 99, 100, 101, 992, 993, 994, 995])
def test_a_header_tells_any_name_and_size(length: int, size: int) -> None:
    header = tar.header("n" * length, size)
    assert len(header) % tar.BLOCK == 0
    with tarfile.open(fileobj=io.BytesIO(header)) as opened:
        member = opened.next()
    assert member is not None
    assert (member.name, member.size) == ("n" * length, size)


@SAME
def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    sources = {}
    for number, (name, data) in enumerate(CONTENT.items()):
        sources[name] = tmp_path / str(number)
        sources[name].write_bytes(data)
    stream = io.BytesIO()
    write.write(stream, archives.index(), sources)
    assert stream.getvalue() == archives.archive()
    assert extract(stream.getvalue(), tmp_path / "out") == archives.index()
    assert tree(tmp_path / "out") == {INDEX_NAME: index_file.render(archives.index()), **CONTENT}


@pytest.mark.parametrize("now", [b"", b"s" * 2, b"t"], ids=["shorter", "longer", "other"])
def test_a_source_that_changes_while_it_is_packed_is_noticed(tmp_path: Path, now: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(now)
    index = archives.index({archives.SRPM: b"s"})
    with pytest.raises(RepositoryAltered):
        write.write(io.BytesIO(), index, {archives.SRPM: path})


# -- forged archives ----------------------------------------------------------------------


FORGED = [
    *((kind, content, r"holds something else where|cut off within|but the index says|follows the end")
      for kind, content in archives.ENTRIES.items()),
    *((kind, content, r"hermetic-rpm\.json (is not valid:\n|is not JSON|is larger)")
      for kind, content in archives.INDEXES.items()),
    *((kind, content, r"does not begin with|cut off within its first header")
      for kind, content in archives.STRANGERS.items()),
]  # fmt: skip


@REFUSED
@pytest.mark.parametrize(("content", "reason"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
def test_a_forged_archive_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ArchiveInvalid, match=reason):
        extract(content, tmp_path / "inside")
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not any(path.is_symlink() or not (path.is_dir() or path.is_file()) for path in tmp_path.rglob("*"))


@REFUSED
def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = archives.archive()
    for length in range(0, len(whole), 256):
        with pytest.raises(ArchiveInvalid):
            extract(whole[:length], tmp_path / str(length))


@REFUSED
def test_a_flipped_bit_anywhere_behind_the_index_is_refused(tmp_path: Path) -> None:
    whole = archives.archive()
    start = len(archives.entry(INDEX_NAME, index_file.render(archives.index())))
    for position in random.Random(9).sample(range(8 * start, 8 * len(whole)), 200):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(ArchiveInvalid):
            extract(bytes(changed), tmp_path / str(position))


@REFUSED
def test_the_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ArchiveInvalid, match=r"srpm/hello-1-1.src.rpm has the sha256 .* but the index says"):
        extract(archives.ENTRIES["other-content"], tmp_path)


def test_a_compressed_archive_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArchiveInvalid) as caught:
        extract(archives.STRANGERS["a-compressed-archive"], tmp_path)
    assert "decompress" in caught.value.solution


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    content = archives.archive(content={**CONTENT, archives.SRPM: bytes(48 << 20)})
    stream = io.BytesIO(content)
    tracemalloc.start()
    (tmp_path / "out").mkdir()
    read.extract(stream, tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


# -- images and artifacts -----------------------------------------------------------------


def layout(directory: Path, text: str) -> Path:
    (directory / "images").mkdir()
    (directory / "images/index.json").write_text(text)
    return directory


NAMED = '{"annotations": {"org.opencontainers.image.ref.name": "builder"}, "digest": "sha256:%s"}' % ("0" * 64)
BUILDER = StageImage(stage="builder", reference="localhost/b:latest", digest=f"sha256:{'0' * 64}")


def test_the_images_of_the_layout_are_those_of_the_index(tmp_path: Path) -> None:
    images.check((BUILDER,), layout(tmp_path, f'{{"manifests": [{NAMED}]}}'))


@REFUSED
@pytest.mark.parametrize(
    "text",
    [
        '{"manifests": []}', f'{{"manifests": [{NAMED.replace("builder", "other")}]}}', "{}", "[]", "x",
        f'{{"manifests": [{NAMED.replace("0" * 64, "1" * 64)}]}}', f'{{"manifests": [{NAMED}, {NAMED}]}}',
        '{"manifests": [{"annotations": null}]}', '{"manifests": ["x"]}', '{"manifests": 1}',
    ],
    ids=["none", "other-name", "no-list", "list", "no-json", "other-digest", "twice", "no-name", "text", "number"],
)  # fmt: skip
def test_a_layout_of_other_images_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArchiveInvalid):
        images.check((BUILDER,), layout(tmp_path, text))


@REFUSED
def test_images_that_the_index_does_not_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveInvalid):
        images.check((), layout(tmp_path, f'{{"manifests": [{NAMED}]}}'))


LAYER = Blob(digest=f"sha256:{'0' * 64}", size=3, media_type=artifact.LAYER_TYPE)


def test_the_manifest_of_an_artifact_is_read_again() -> None:
    content = artifact.manifest(LAYER, "hello.tar")
    assert artifact.layer_of(content, "x") == LAYER
    assert content == artifact.manifest(LAYER, "hello.tar")


@REFUSED
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (artifact.ARTIFACT_TYPE + '"', 'application/vnd.other"'),
        (artifact.LAYER_TYPE, "application/vnd.oci.image.layer.v1.tar"),
        ("sha256:" + "0" * 64, "../../etc/passwd"),
        ("sha256:" + "0" * 64, "sha256:" + "0" * 64 + "\\n"),
        ('"layers": [', '"layers": [1, '),
        ('"layers"', '"blobs"'),
        ('"digest"', '"hash"'),
        ("{", "["),
    ],
)
def test_the_manifest_of_something_else_is_refused(before: str, after: str) -> None:
    content = artifact.manifest(LAYER, "hello.tar").decode()
    assert before in content
    with pytest.raises(ArchiveInvalid):
        artifact.layer_of(content.replace(before, after).encode(), "x")


def test_a_long_name_takes_a_pax_header() -> None:
    assert len(LONG) > 100
    assert len(tar.header(LONG, 0)) == 3 * tar.BLOCK
