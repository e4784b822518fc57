"""A build packed here and built on a machine that has nothing but the archive, as the how-to says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers import ROOT, Engine, Workspace, commands, sample, with_runner
from hermetic_rpm.archive import images
from hermetic_rpm.archive.index import IMAGES, StageImage

HOW_TO = "carry-a-build.md"


@pytest.fixture
def elsewhere(rootful: Engine, tmp_path: Path) -> Iterator[Engine]:
    """podman with a storage of its own in which there is no image, as on another machine."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{home / "graph"}"\nrunroot = "{home / "run"}"\n'
    )
    engine = with_runner(rootful, home, CONTAINERS_STORAGE_CONF=str(home / "storage.conf"))
    assert engine.run("podman", "images", "--quiet", check=True).stdout == ""
    yield engine
    engine.run("podman", "rmi", "--all", "--force")
    subprocess.run(("umount", home / "graph/overlay"), check=False, capture_output=True)


@pytest.mark.promise("4.9", "a build unpacked elsewhere gives the same RPMs")
def test_a_build_carried_away_gives_the_same_rpms(
    rootful: Engine, hello: Workspace, elsewhere: Engine, tmp_path: Path
) -> None:
    here = with_runner(rootful, tmp_path / "here")
    (here.home / "srpms").mkdir(parents=True)
    (here.home / "workspace").symlink_to(hello.path)
    shutil.copy(sample("hello"), here.home / "srpms")
    shutil.copy(ROOT / "pipeline.yaml", here.home)
    here.run("bash", "-euc", commands(HOW_TO, "pack"), check=True)
    (here.home / "hello.tar").rename(elsewhere.home / "hello.tar")

    elsewhere.run("bash", "-euc", commands(HOW_TO, "unpack"), check=True)
    results = elsewhere.home / "hello/results"
    built = {path.name: path.read_bytes() for path in results.glob("*.rpm")}
    assert len(built) == 3
    assert built == {path.name: path.read_bytes() for path in hello.rpms()}
    assert json.loads((results / "result.json").read_text())["facts"]["network_interfaces_outside"] == ["lo"]
    for stage in ("resolver", "fetcher", "builder"):
        command = ("podman", "image", "inspect", "--format={{.Digest}}", f"localhost/hermetic-rpm/{stage}:latest")
        assert here.run(*command, check=True).stdout == elsewhere.run(*command, check=True).stdout

    elsewhere.run("podman", "rmi", "--all", "--force", check=True)
    elsewhere.run("bash", "-euc", commands(HOW_TO, "by hand"), check=True)
    elsewhere.run("podman", "image", "exists", "localhost/hermetic-rpm/builder", check=True)
    assert not list(here.home.glob(".incomplete*"))
    assert not list(elsewhere.home.glob(".incomplete*"))


def test_an_ordinary_user_saves_and_loads_the_images(rootless: Engine) -> None:
    place = rootless.home / "images-of-a-user"
    rootless.run("mkdir", place, check=True)
    wanted = "localhost/hermetic-rpm/builder:latest"
    rootless.run(*images.save_command("builder", wanted), cwd=place, check=True)
    digest = images.layout_digests(place / IMAGES)["builder"]
    image = StageImage(stage="builder", reference="localhost/again:latest", digest=digest)
    rootless.run(*images.load_command(image), cwd=place, check=True)
    found = rootless.run("podman", "image", "inspect", "--format={{.Id}}", wanted, image.reference, check=True)
    assert len(set(found.stdout.split())) == 1
