"""Bootstrap images whose layers lead out of them: the whole builder refuses them, rootful and rootless."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

import hostile_packages
import pytest

from containers import Engine, Workspace, sample
from hermetic_rpm import errors
from hermetic_rpm.image import layout, manifest
from tests.support.images import directory_image

pytestmark = pytest.mark.promise("5.bad", "a bootstrap image that leads out of itself or holds devices is refused")


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.devmajor, made.devminor = kind, link, 1, 3
    return made


def layer(*entries: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for each in entries:
            archive.addfile(each)
    return gzip.compress(stream.getvalue(), mtime=0)


ATTACKS = {
    "leads-up": (entry("../../results/escaped"),),
    "writes-through-an-absolute-link": (entry("out", tarfile.SYMTYPE, "/results"), entry("out/escaped")),
    "writes-through-a-relative-link": (entry("out", tarfile.SYMTYPE, "../../../results"), entry("out/escaped")),
    "links-a-file-of-the-outside": (entry("shadow", tarfile.LNKTYPE, "/etc/shadow"),),
    "holds-a-disk": (entry("disk", tarfile.BLKTYPE),),
    "holds-a-device": (entry("null", tarfile.CHRTYPE),),
}


def put_image(workspace: Workspace, content: bytes) -> None:
    """Replace the bootstrap image of lock and repository by one of this layer."""
    path = workspace.path / "lock/buildroot_lock.json"
    lock = json.loads(path.read_text())
    shutil.rmtree(workspace.path / "repo/localhost")
    image = manifest.read(directory_image(workspace.path / "image", blobs=(content,)))
    reference = lock["config"]["bootstrap_image"]
    place = layout.locate(workspace.path / "repo", reference, image.manifest.digest)
    place.parent.mkdir(parents=True)
    shutil.move(workspace.path / "image", place)
    lock["bootstrap"] = dataclasses.asdict(image.identity)
    path.write_text(json.dumps(lock))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("user", ["rootful", "rootless"])
def test_an_image_that_attacks_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, hello: Workspace, user: str, attack: str
) -> None:
    engine: Engine = request.getfixturevalue(user)
    with hostile_packages.bare_copy(hello, engine, tmp_path / "image-attack") as made:
        put_image(made, layer(*ATTACKS[attack]))
        done = made.build(sample("hello"))
        assert done.returncode == errors.ImageInvalid.exit_code, done.stderr[-3000:]
        assert made.result("results")["error"]["kind"] == "ImageInvalid"
        assert [path for path in made.path.rglob("*") if path.name in ("escaped", "shadow", "disk")] == []
