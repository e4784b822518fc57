"""The bootstrap image: its manifest and digests, where it lies, what its layers hide."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed, ImageInvalid, ImageUnavailable
from hermetic_rpm.image import copy, layout, manifest
from hermetic_rpm.image.unpack import apply_whiteouts, decompressor, tar_options
from hermetic_rpm.lock.model import Blob
from tests.support import images

DIGEST = f"sha256:{'a' * 64}"


def test_an_image_is_understood_without_podman(tmp_path: Path) -> None:
    image = manifest.read(images.directory_image(tmp_path / "image"))
    assert image.identity.pull_digest == f"sha256:{images.sha256((tmp_path / 'image/manifest.json').read_bytes())}"
    assert image.identity.architecture == "amd64"
    assert image.identity.id == image.config.digest.removeprefix("sha256:")
    assert image.blob_path(image.layers[0]).read_bytes() == b"layer"
    manifest.verify_layers(image)


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 1},
        {"layers": []},
        {"layers": [{"digest": f"sha256:{'1' * 64}", "size": 1}] * 1001},
        {"layers": [{"digest": "sha256:../../etc/shadow", "size": 1}]},
        {"layers": [{"digest": f"sha256:{'A' * 64}", "size": 1}]},
        {"layers": [{"digest": f"md5:{'a' * 32}", "size": 1}]},
        {"layers": [{"digest": DIGEST, "size": -1}]},
        {"layers": [{"digest": DIGEST, "size": "1"}]},
        {"layers": [{"digest": DIGEST + "\n", "size": 1}]},
        {"layers": [{"digest": None, "size": 1}]},
        {"layers": ["x"]},
        {"layers": "x"},
        {"layers": None},
        {"layers": {"a": 1}},
        {"config": None},
        {"config": {"digest": "sha256:../../etc/passwd", "size": 1}},
        {"config": {"digest": DIGEST, "size": 1}},
    ],
)
def test_a_manifest_that_is_not_right_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ImageInvalid):
        manifest.read(images.directory_image(tmp_path, **change))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not json", b'{"schemaVersion": 2}', b"\xff"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ImageInvalid):
        manifest.read(tmp_path)


def test_an_index_of_several_architectures_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    with pytest.raises(ImageInvalid, match="one architecture"):
        manifest.read(tmp_path)


def test_a_changed_configuration_is_refused(tmp_path: Path) -> None:
    image = manifest.read(images.directory_image(tmp_path))
    image.blob_path(image.config).write_text("{}")
    with pytest.raises(ImageInvalid, match="does not have the digest"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("settings", [{}, {"rootfs": None}, {"rootfs": []}, {"rootfs": {}, "config": [1]}])
def test_a_configuration_without_layers_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ImageInvalid, match="no image configuration"):
        manifest.read(images.directory_image(tmp_path, settings=settings))


@pytest.mark.parametrize("content", [b"Layer", b"layer and more", None])
def test_a_layer_that_differs_or_is_missing_is_refused(tmp_path: Path, content: bytes | None) -> None:
    image = manifest.read(images.directory_image(tmp_path))
    path = image.blob_path(image.layers[0])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageInvalid):
        manifest.verify_layers(image)


def test_the_image_digest_hashes_what_podman_shows() -> None:
    settings = images.SETTINGS | {"history": [{"created_by": "x"}], "created": "2026-01-01T00:00:00Z"}
    assert manifest.image_digest(settings) == manifest.image_digest(images.SETTINGS)
    empty = settings | {"config": {**settings["config"], "Healthcheck": {"Test": ["x"]}, "Volumes": {}, "User": ""}}
    assert manifest.image_digest(empty) == manifest.image_digest(images.SETTINGS)
    other = settings | {"config": {**settings["config"], "User": "nobody"}}
    assert manifest.image_digest(other) != manifest.image_digest(images.SETTINGS)


# -- places -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("registry.example.com/os/base:latest", f"registry.example.com/os/base@{DIGEST}"),
        ("registry.example.com/os/base", f"registry.example.com/os/base@{DIGEST}"),
        (f"registry.example.com/os/base@{DIGEST}", f"registry.example.com/os/base@{DIGEST}"),
        (f"registry.example.com/os/base:9@{DIGEST}", f"registry.example.com/os/base@{DIGEST}"),
        ("localhost:5000/os/base:9", f"localhost_5000/os/base@{DIGEST}"),
        ("base:9", f"base@{DIGEST}"),
    ],
)
def test_an_image_lies_where_mock_looks_and_behind_a_port_too(reference: str, expected: str) -> None:
    assert str(layout.image_directory(reference, DIGEST)) == expected


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("docker://registry.example.com/os/base:latest", f"docker://registry.example.com/os/base@{DIGEST}"),
        ("docker://localhost:5000/os/base", f"docker://localhost:5000/os/base@{DIGEST}"),
        (f"docker://localhost:5000/base:9@sha256:{'0' * 64}", f"docker://localhost:5000/base@{DIGEST}"),
        ("oci:/images/base:latest", "oci:/images/base:latest"),
        ("dir:/images/base", "dir:/images/base"),
    ],
)
def test_a_location_is_pinned_where_it_can_be(location: str, expected: str) -> None:
    assert copy.by_digest(location, DIGEST) == expected


def test_a_copy_changes_no_bytes_and_reads_a_location_as_nothing_else() -> None:
    command = copy.copy_command("docker://x", Path("/to"), architecture="arm64")
    assert command[:2] == ("skopeo", "copy")
    assert "--preserve-digests" in command
    assert command[-3:] == ("--", "docker://x", "dir:/to")
    assert command[command.index("--override-arch") + 1] == "arm64"


def test_the_first_location_that_answers_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def run(argv: tuple[str, ...], **_options: Any) -> None:
        if "dead" in argv[-2]:
            raise CommandFailed("x", log_tail=("connection refused",))
        images.directory_image(tmp_path / "to")

    monkeypatch.setattr(process, "run", run)
    image = copy.copy_first(("docker://dead", "oci:/good"), tmp_path / "to", architecture="amd64", say=said.append)
    assert image.identity.architecture == "amd64"
    assert said == ["docker://dead does not give the image"]
    with pytest.raises(ImageUnavailable) as caught:
        copy.copy_first(("docker://dead", "oci:/dead"), tmp_path / "to", architecture="amd64", say=said.append)
    assert caught.value.reason.count("connection refused") == 2


def listed(digit: str, architecture: str) -> dict[str, object]:
    return {"digest": f"sha256:{digit * 64}", "platform": {"os": "linux", "architecture": architecture}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"manifests": [listed("1", "arm64"), listed("2", "amd64")]}, f"sha256:{'2' * 64}"),
        ({"manifests": [listed("1", "amd64"), listed("2", "amd64")]}, None),
        ({"manifests": [listed("1", "arm64")]}, None),
        ({"manifests": [{**listed("1", "amd64"), "digest": "sha256:../../x"}]}, None),
        ({"manifests": [{"digest": 1}]}, None),
        ({"manifests": [None]}, None),
        ({"manifests": 3}, None),
        (None, None),
    ],
)
def test_what_an_index_names_for_an_architecture(data: object, expected: str | None) -> None:
    assert copy.instance(json.dumps(data), "amd64") == expected


def test_a_manifest_of_one_architecture_is_its_own_instance() -> None:
    assert copy.instance("{}", "amd64") == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    assert copy.instance("no JSON", "amd64") is None


# -- layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "program"),
    [
        ("application/vnd.oci.image.layer.v1.tar+gzip", "igzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "igzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
        ("application/vnd.oci.image.layer.v1.tar", ""),
    ],
)
def test_a_layer_is_read_as_its_type_says(media_type: str, program: str) -> None:
    layer = Blob(digest=DIGEST, size=1, media_type=media_type)
    assert program in "".join(decompressor(layer))
    assert set(decompressor(layer)) <= set(tar_options(layer))


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def test_a_whiteout_removes_what_lower_layers_had(tmp_path: Path) -> None:
    make(tmp_path, "etc/old", "etc/kept", "usr/share/doc/a", "usr/share/doc/b", "etc/.wh.old", "usr/share/.wh.doc")
    apply_whiteouts(tmp_path, ("etc/.wh.old", "usr/share/.wh.doc"))
    assert below(tmp_path) == {"etc/kept"}


def test_a_whiteout_keeps_what_its_own_layer_brought(tmp_path: Path) -> None:
    make(tmp_path, "etc/x", "etc/.wh.x")
    apply_whiteouts(tmp_path, ("etc/.wh.x", "etc/x"))
    assert below(tmp_path) == {"etc/x"}


def test_an_opaque_directory_hides_all_but_what_its_own_layer_brought(tmp_path: Path) -> None:
    make(tmp_path, "opt/old", "opt/deep/old", "opt/deep/new", "opt/new", "opt/.wh..wh..opq", "other/old")
    apply_whiteouts(tmp_path, ("opt/", "opt/.wh..wh..opq", "opt/new", "opt/deep/", "opt/deep/new"))
    assert below(tmp_path) == {"opt/new", "opt/deep/new", "other/old"}


def test_a_directory_that_is_removed_and_brought_again_is_only_what_its_layer_brought(tmp_path: Path) -> None:
    make(tmp_path, "opt/old", "opt/new", ".wh.opt")
    apply_whiteouts(tmp_path, (".wh.opt", "opt/", "opt/new"))
    assert below(tmp_path) == {"opt/new"}


def test_a_whiteout_of_nothing_does_no_harm(tmp_path: Path) -> None:
    make(tmp_path, "etc/.wh.never")
    apply_whiteouts(tmp_path, ("etc/.wh.never",))
    assert below(tmp_path) == set()


@pytest.mark.parametrize("name", ["../.wh.outside", "a/../../.wh.outside", "/etc/.wh.outside", "link/.wh.outside"])
def test_a_whiteout_never_leads_out_of_the_image(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    make(root, "a/x")
    make(tmp_path, "outside")
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ImageInvalid, match="leads out"):
        apply_whiteouts(root, (name,))
    assert (tmp_path / "outside").exists()


def test_a_whiteout_removes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, ".wh.link")
    make(tmp_path, "outside/file")
    (root / "link").symlink_to(tmp_path / "outside")
    apply_whiteouts(root, (".wh.link",))
    assert not (root / "link").is_symlink()
    assert (tmp_path / "outside/file").exists()
