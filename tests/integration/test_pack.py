"""`hermetic-rpm pack` and `unpack` on what a real fetcher made, and through a real registry."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermetic_rpm import result
from hermetic_rpm.archive import contents, read, write
from hermetic_rpm.archive import index as index_file
from hermetic_rpm.archive.index import INDEX_NAME, LOCK
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import join
from tests.support import archives, fetching, images, locks, servers
from tests.support.fetching import ROOT, Ran, Room

SAME = pytest.mark.promise(
    "4.9", "a packed build is the same bytes for the same inputs, and unpacks to what was packed"
)
REFUSED = pytest.mark.promise("4.9", "what was changed or forged in an archive is refused")
TRAVELS = pytest.mark.promise("4.9", "an archive travels through a registry as an OCI artifact")
NOTES = ("result.json", ".made.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A workspace of a lock that a real fetcher filled, with its source RPM and a pipeline file."""

    workspace: Path
    srpm: Path
    pipeline: Path

    def pack(self, archive: Path, *more: str | Path, images: bool = False, **environment: str) -> Ran:
        options = () if images else ("--without-images",)
        return hermetic_rpm(
            "pack", archive, "--workspace", self.workspace, "--srpm", self.srpm, "--pipeline", self.pipeline,
            *options, *more, **environment,
        )  # fmt: skip

    def packed(self) -> dict[str, str]:
        """The sha256 of every file that belongs into an archive without images, by its path there."""
        found = {
            str(path.relative_to(self.workspace)): sha256_of(path)
            for top in ("lock", "repo")
            for path in (self.workspace / top).rglob("*")
            if path.is_file() and path.name not in NOTES
        }
        return {**found, f"srpm/{self.srpm.name}": sha256_of(self.srpm), "pipeline.yaml": sha256_of(self.pipeline)}


def hermetic_rpm(*arguments: str | Path, stdin: Path = Path(os.devnull), **environment: str) -> Ran:
    with stdin.open("rb") as given:
        done = subprocess.run(
            (sys.executable, "-m", "hermetic_rpm.runner", *arguments), cwd=ROOT, stdin=given, capture_output=True,
            text=True, check=False, env={**os.environ, **environment},
        )  # fmt: skip
    return Ran(code=done.returncode, err=done.stderr + done.stdout)


def tree(directory: Path) -> dict[str, str]:
    found = {str(path.relative_to(directory)): sha256_of(path) for path in directory.rglob("*") if path.is_file()}
    assert found.pop(INDEX_NAME)
    return found


def write_build(directory: Path, tiny: Image, tiny_layout: Path, *, with_sidecar: bool = True) -> Build:
    room = Room(directory=directory)
    fetching.write_lock(
        room, fetching.rpms(), (f"file://{fetching.PACKAGES}",), image=tiny, with_sidecar=with_sidecar,
        image_locations=(f"oci:{tiny_layout}:latest",),
    )  # fmt: skip
    srpm = next(iter((fetching.DEMO / "srpms").glob("hello-*.src.rpm")))
    sidecar = directory / "lock/buildroot_lock.sources.json"
    if with_sidecar:
        described = {"name": srpm.name, "sha256": sha256_of(srpm), "size": srpm.stat().st_size}
        sidecar.write_bytes(locks.edited(sidecar.read_bytes(), lambda data: data.update(srpm=described)))
        ran = room.fetch()
        assert ran.code == 0, ran.err
    return Build(workspace=directory, srpm=srpm, pipeline=ROOT / "pipeline.yaml")


@pytest.fixture(scope="module")
def made(demo: Path, tiny: Image, tiny_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build that nobody changes."""
    return write_build(tmp_path_factory.mktemp("made") / "workspace", tiny, tiny_layout)


@pytest.fixture(scope="module")
def archive(made: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "hello.tar"
    ran = made.pack(path)
    assert ran.code == 0, ran.err
    assert ran.said(str(path), sha256_of(path))
    return path


@pytest.fixture
def own(made: Build, tmp_path: Path) -> Build:
    """A copy of that build, to break."""
    shutil.copytree(made.workspace, tmp_path / "own", symlinks=True)
    return Build(workspace=tmp_path / "own", srpm=made.srpm, pipeline=made.pipeline)


# -- the same bytes, and back -------------------------------------------------------------


@SAME
def test_a_packed_build_unpacks_to_what_was_packed(made: Build, archive: Path, tmp_path: Path) -> None:
    ran = hermetic_rpm("unpack", archive, tmp_path / "there")
    assert ran.code == 0, ran.err
    assert tree(tmp_path / "there") == made.packed()
    assert ran.said(str(tmp_path / "there"), "7 packages")


@SAME
def test_copies_of_other_times_owners_and_modes_give_the_same_bytes(made: Build, archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in sorted(made.workspace.rglob("*"), reverse=True):  # another order of directory entries
        target = copy / path.relative_to(made.workspace)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.copyfile(path, target)
    for path in copy.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1, 1))
        if os.geteuid() == 0:
            os.chown(path, 1234, 5678)
    (copy / "repo/result.json").write_text('{"timings_seconds": "others"}')
    before = os.umask(0o077)
    try:
        ran = Build(workspace=copy, srpm=made.srpm, pipeline=made.pipeline).pack(
            tmp_path / "again.tar", TZ="Asia/Tokyo"
        )
        there = hermetic_rpm("unpack", tmp_path / "again.tar", tmp_path / "there")
    finally:
        os.umask(before)
    assert (ran.code, there.code) == (0, 0), ran.err + there.err
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()
    modes = {path.stat().st_mode & 0o7777 for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert (tmp_path / "there/repo/repodata").stat().st_mode & 0o7777 == 0o755


@SAME
def test_what_was_unpacked_can_be_packed_again(archive: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (tmp_path / "there").mkdir()  # an empty directory may be there already
    assert hermetic_rpm("unpack", "-", there, stdin=archive).code == 0
    again = Build(workspace=there, srpm=next((there / "srpm").iterdir()), pipeline=there / "pipeline.yaml")
    assert again.pack(tmp_path / "again.tar").code == 0
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


@pytest.mark.promise("5.4", "further locked inputs are mounted read-only and recorded")
def test_further_inputs_of_the_resolver_are_named_since_they_are_not_packed(own: Build, tmp_path: Path) -> None:
    found = {"srpm": "0" * 64, "input:vendor": "1" * 64}
    result.write(own.workspace / LOCK, result.Result(stage="resolver", inputs=found, timings={}))
    done = own.pack(tmp_path / "b.tar")
    assert done.code == 0, done.err
    warnings = [line for line in done.err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert f"the input:vendor with sha256 {'1' * 64} is not packed" in warnings[0]


def test_other_programs_read_an_archive(archive: Path, made: Build, tmp_path: Path) -> None:
    subprocess.run(("tar", "--extract", "--file", archive, "--directory", tmp_path), check=True)
    assert tree(tmp_path) == made.packed()


def test_the_fetcher_has_nothing_to_do_in_an_unpacked_repository(archive: Path, tmp_path: Path) -> None:
    assert hermetic_rpm("unpack", archive, tmp_path / "there").code == 0
    ran = Room(directory=tmp_path / "there").fetch()
    assert ran.code == 0, ran.err
    assert ran.said("0 to fetch")


# -- what is not packed -------------------------------------------------------------------


def an_altered_package(build: Build) -> None:
    path = next(build.workspace.glob("repo/demo-tool-*.rpm"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def a_package_too_few(build: Build) -> None:
    next(build.workspace.glob("repo/demo-tool-*.rpm")).unlink()


def a_file_too_many(build: Build) -> None:
    (build.workspace / "repo/extra.rpm").write_bytes(b"")


def a_package_behind_a_link(build: Build) -> None:
    path = next(build.workspace.glob("repo/demo-tool-*.rpm"))
    path.rename(build.workspace / "elsewhere")
    path.symlink_to(build.workspace / "elsewhere")


def an_image_behind_a_link(build: Build) -> None:
    path = next(build.workspace.glob("repo/localhost/hermetic-rpm/*/manifest.json"))
    path.rename(build.workspace / "elsewhere")
    path.symlink_to(build.workspace / "elsewhere")


def another_key(build: Build) -> None:
    (build.workspace / "lock/keys/demo-1.asc").write_text("another")


def another_lockfile(build: Build) -> None:
    path = build.workspace / "lock/buildroot_lock.json"
    path.write_bytes(path.read_bytes() + b"\n")


def no_sidecar(build: Build) -> None:
    (build.workspace / "lock/buildroot_lock.sources.json").unlink()
    shutil.rmtree(build.workspace / "lock/keys")


def no_lockfile(build: Build) -> None:
    (build.workspace / "lock/buildroot_lock.json").unlink()


WRONG: tuple[tuple[Callable[[Build], None], int], ...] = (
    (an_altered_package, 62), (a_package_too_few, 60), (a_file_too_many, 61), (a_package_behind_a_link, 62),
    (an_image_behind_a_link, 61), (another_key, 41), (another_lockfile, 41), (no_sidecar, 40), (no_lockfile, 40),
)  # fmt: skip


@pytest.mark.parametrize(("change", "code"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_what_was_locked_is_not_packed(
    own: Build, tmp_path: Path, change: Callable[[Build], None], code: int
) -> None:
    change(own)
    ran = own.pack(tmp_path / "hello.tar")
    assert ran.code == code, ran.err
    assert ran.said("what to do")
    assert [path.name for path in tmp_path.iterdir() if path.name not in {"own", "elsewhere"}] == []


def test_another_source_rpm_is_not_packed(made: Build, tmp_path: Path) -> None:
    other = next(iter((fetching.DEMO / "srpms").glob("tinyxml2-*.src.rpm")))
    ran = Build(workspace=made.workspace, srpm=other, pipeline=made.pipeline).pack(tmp_path / "hello.tar")
    assert ran.code == 41
    assert list(tmp_path.iterdir()) == []


# -- what is not unpacked -----------------------------------------------------------------


def coherent(build: Build, path: Path) -> None:
    """An archive of a broken workspace by somebody who makes index and checksums fit."""
    lock = join.load(build.workspace / "lock/buildroot_lock.json")
    sources = contents.sources(build.workspace, lock, srpm=build.srpm, pipeline=build.pipeline, images=None)
    with path.open("wb") as stream:
        write.write(stream, contents.describe(sources, lock, ()), sources)


@REFUSED
@pytest.mark.parametrize("change", [an_altered_package, a_package_too_few, a_file_too_many, another_key])
def test_a_forged_archive_with_a_forged_index_is_held_against_the_lock(
    own: Build, tmp_path: Path, change: Callable[[Build], None]
) -> None:
    change(own)
    coherent(own, tmp_path / "forged.tar")
    with (tmp_path / "forged.tar").open("rb") as stream:
        (tmp_path / "read").mkdir()
        read.extract(stream, tmp_path / "read")  # as an archive it is right
    ran = hermetic_rpm("unpack", tmp_path / "forged.tar", tmp_path / "there")
    assert ran.code == dict(WRONG)[change], ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.tar", "own", "read"]


@REFUSED
@pytest.mark.parametrize("kind", ["other-content", "a-symbolic-link", "a-path-upwards", "a-compressed-archive"])
def test_a_forged_archive_leaves_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "forged.tar").write_bytes({**archives.ENTRIES, **archives.INDEXES, **archives.STRANGERS}[kind])
    ran = hermetic_rpm("unpack", tmp_path / "forged.tar", tmp_path / "there")
    assert ran.code == 76, ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["forged.tar"]


def test_a_directory_that_holds_something_is_left_alone(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "there/mine", "link"):
        ran = hermetic_rpm("unpack", archive, tmp_path / name)
        assert ran.code == 73, ran.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "mine", "there"]
    assert hermetic_rpm("unpack", archive, tmp_path / "no/such/parent").code == 73


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_unpack_leaves_nothing(archive: Path, tmp_path: Path, number: int) -> None:
    command = (sys.executable, "-m", "hermetic_rpm.runner", "unpack", "-", tmp_path / "there")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        child.stdin.write(archive.read_bytes()[: 1 << 20])
        child.stdin.flush()
        while not list(tmp_path.glob(".incomplete-*/workspace/lock")):
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(60) == 130
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in (tmp_path / "none.tar", tmp_path):
        ran = hermetic_rpm("unpack", name, tmp_path / "there")
        assert ran.code == 77, ran.err
    assert list(tmp_path.iterdir()) == []


# -- a registry ---------------------------------------------------------------------------


@TRAVELS
def test_an_archive_comes_back_from_a_registry_by_its_digest(made: Build, archive: Path, tmp_path: Path) -> None:
    with servers.registry(tmp_path / "registry") as server:
        place = f"docker://{server.address}/builds/hello:1"
        untrusted = made.pack(tmp_path / "hello.tar", "--push", place)
        assert untrusted.code == 77, untrusted.err
        assert untrusted.said("certificate")
        ran = made.pack(tmp_path / "hello.tar", "--push", place, **server.environment)
        assert ran.code == 0, ran.err
        pinned = ran.err.splitlines()[-1]
        assert pinned.startswith(f"docker://{server.address}/builds/hello@sha256:")
        shown = skopeo("inspect", "--raw", pinned, **server.environment)
        assert f"sha256:{sha256_of(archive)}" in shown
        assert json.loads(shown)["artifactType"] == "application/vnd.hermetic-rpm.archive.v1"
        again = made.pack(tmp_path / "again.tar", "--push", f"docker://{server.address}/other:2", **server.environment)
        assert again.err.splitlines()[-1].partition("@")[2] == pinned.partition("@")[2]
        for number, location in enumerate((place, pinned)):
            there = tmp_path / f"there-{number}"
            ran = hermetic_rpm("unpack", location, there, **server.environment)
            assert ran.code == 0, ran.err
            assert tree(there) == made.packed()
    assert not list(tmp_path.glob(".incomplete*"))


@TRAVELS
@REFUSED
def test_what_a_registry_holds_else_is_refused(made: Build, tiny_layout: Path, tmp_path: Path) -> None:
    with servers.registry(tmp_path / "registry") as server:
        server.push(tiny_layout, "builds/image:1")
        image = hermetic_rpm(
            "unpack", f"docker://{server.address}/builds/image:1", tmp_path / "a", **server.environment
        )
        assert image.code == 76, image.err
        assert image.said("no archive of hermetic-rpm")
        other = f"docker://{server.address}/builds/image@sha256:{'0' * 64}"
        assert hermetic_rpm("unpack", other, tmp_path / "b", **server.environment).code == 77
        assert made.pack(
            tmp_path / "x.tar", "--push", f"docker://{server.address}/builds/hello:1", **server.environment
        ).code == 0  # fmt: skip
        storage = tmp_path / "registry/storage/docker/registry/v2/blobs/sha256"
        blob = max((path for path in storage.rglob("data")), key=lambda path: path.stat().st_size)
        content = bytearray(blob.read_bytes())
        content[-2000] ^= 1
        blob.write_bytes(content)
        altered = hermetic_rpm(
            "unpack", f"docker://{server.address}/builds/hello:1", tmp_path / "c", **server.environment
        )
        assert altered.code == 77, altered.err
    assert not [path for path in tmp_path.iterdir() if path.name not in {"registry", "x.tar"}]


@TRAVELS
@REFUSED
def test_a_registry_that_gives_another_manifest_is_refused(made: Build, tmp_path: Path) -> None:
    with servers.registry(tmp_path / "registry") as server:
        place = f"docker://{server.address}/builds/hello:1"
        pinned = made.pack(tmp_path / "x.tar", "--push", place, **server.environment).err.splitlines()[-1]
        digest = pinned.partition("@sha256:")[2]
        blob = next((tmp_path / "registry/storage").rglob(f"{digest}/data"))
        blob.write_bytes(blob.read_bytes().replace(b"hello-2", b"hello-3"))
        ran = hermetic_rpm("unpack", pinned, tmp_path / "there", **server.environment)
        assert ran.code == 76, ran.err
        assert ran.said("has the digest sha256:")
        assert hermetic_rpm("unpack", place, tmp_path / "there", **server.environment).code == 77


def test_a_place_that_is_none_is_refused_before_anything_is_packed(made: Build, tmp_path: Path) -> None:
    ran = made.pack(tmp_path / "x.tar", "--push", "registry.example.org/builds/hello:1")
    assert ran.code == 2, ran.err
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_lies_in_an_oci_layout_as_well(made: Build, tmp_path: Path) -> None:
    place = f"oci:{tmp_path / 'layout'}:hello"
    ran = made.pack(tmp_path / "hello.tar", "--push", place)
    assert ran.code == 0, ran.err
    ran = hermetic_rpm("unpack", place, tmp_path / "there")
    assert ran.code == 0, ran.err
    assert tree(tmp_path / "there") == made.packed()


def skopeo(*arguments: str, **environment: str) -> str:
    return subprocess.run(
        ("skopeo", *arguments), check=True, capture_output=True, text=True, env={**os.environ, **environment}
    ).stdout


# -- images of the stages -----------------------------------------------------------------

PIPELINE = """
version: 1
parameters: {}
stages:
  - {name: fetcher, kind: fetcher, image: "localhost/tiny/fetcher:latest", network: default, arguments: [], output: a}
  - {name: builder, kind: builder, image: "localhost/tiny/builder:latest", network: none, arguments: [], output: b}
"""


def storage(directory: Path) -> dict[str, str]:
    """The environment of a storage of images that nobody else uses."""
    directory.mkdir()
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{directory / "graph"}"\nrunroot = "{directory / "run"}"\n'
    )
    return {"CONTAINERS_STORAGE_CONF": str(directory / "storage.conf")}


@pytest.fixture
def with_images(made: Build, tiny_layout: Path, tmp_path: Path) -> tuple[Build, Mapping[str, str]]:
    """The build with a pipeline whose images lie in a storage of their own: pulled ones, with compressed layers."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    here = storage(tmp_path / "here")
    other = images.oci_layout(tmp_path / "builder", {"etc/os-release": b"NAME=builder\n"})
    for layout, name in ((tiny_layout, "fetcher"), (other, "builder")):
        skopeo("copy", "--insecure-policy", f"oci:{layout}:latest", f"containers-storage:localhost/tiny/{name}", **here)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return Build(workspace=made.workspace, srpm=made.srpm, pipeline=tmp_path / "pipeline.yaml"), here


@SAME
def test_the_images_of_the_stages_travel_too(
    with_images: tuple[Build, Mapping[str, str]], tiny: Image, tmp_path: Path
) -> None:
    build, here = with_images
    for name in ("first.tar", "second.tar"):
        ran = build.pack(tmp_path / name, images=True, **here)
        assert ran.code == 0, ran.err
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
    elsewhere = storage(tmp_path / "elsewhere")
    ran = hermetic_rpm("unpack", tmp_path / "first.tar", tmp_path / "there", **elsewhere)
    assert ran.code == 0, ran.err
    name = "containers-storage:localhost/tiny/fetcher"
    with pytest.raises(subprocess.CalledProcessError):
        skopeo("inspect", "--raw", name, **elsewhere)  # only when asked
    ran = hermetic_rpm("unpack", "--load-images", tmp_path / "first.tar", tmp_path / "loaded", **elsewhere)
    assert ran.code == 0, ran.err
    loaded = json.loads(skopeo("inspect", "--raw", name, **elsewhere))
    assert loaded["config"]["digest"] == tiny.config.digest
    index = index_file.parse((tmp_path / "loaded" / INDEX_NAME).read_bytes())
    assert [(image.stage, image.reference) for image in index.images] == [
        ("fetcher", "localhost/tiny/fetcher:latest"), ("builder", "localhost/tiny/builder:latest"),
    ]  # fmt: skip
    assert all(ran.said(image.digest) for image in index.images)


def test_an_image_that_is_missing_is_told(made: Build, tmp_path: Path) -> None:
    ran = made.pack(tmp_path / "hello.tar", images=True, **storage(tmp_path / "empty"))
    assert ran.code == 81, ran.err
    assert ran.said("localhost/hermetic-rpm/resolver:latest")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@REFUSED
def test_an_image_that_was_changed_is_refused(with_images: tuple[Build, Mapping[str, str]], tmp_path: Path) -> None:
    build, here = with_images
    assert build.pack(tmp_path / "first.tar", images=True, **here).code == 0
    with (tmp_path / "first.tar").open("rb") as stream:
        (tmp_path / "opened").mkdir()
        index = read.extract(stream, tmp_path / "opened")
    listed = tmp_path / "opened/images/index.json"
    listed.write_text(listed.read_text().replace('"builder"', '"other"'))
    paths = {file.path: tmp_path / "opened" / file.path for file in index.files}
    lock = join.load(tmp_path / "opened/lock/buildroot_lock.json")
    stream = io.BytesIO()
    write.write(stream, contents.describe(paths, lock, index.images), paths)
    (tmp_path / "forged.tar").write_bytes(stream.getvalue())
    ran = hermetic_rpm("unpack", "--load-images", tmp_path / "forged.tar", tmp_path / "there")
    assert ran.code == 76, ran.err
    assert not (tmp_path / "there").exists()
