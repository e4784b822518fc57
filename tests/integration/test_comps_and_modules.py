"""Comps and modules in the offline repository: from a real server, and as real dnf 4 and dnf5 read them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import createrepo_c
import pytest

from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.target.model import Repository
from stages.resolver import metadata
from tests.support import fetching
from tests.support.fetching import Room
from tests.support.server import FaultyServer, serving

OFFLINE = pytest.mark.promise("4.6", "comps and modules of the target's repositories are in the offline repository")
NAMES = ("demo-filesystem", "demo-release", "demo-modular", "demo-tilde", "demo-epoch")
COMPS = """<comps><group><id>{id}</id><name>{id}</name><description/><default>true</default>
<uservisible>true</uservisible><packagelist>{rows}</packagelist></group></comps>
"""
MODULES = """---
document: modulemd
version: 2
data:
  name: {name}
  stream: "1"
  version: 1
  context: c0ffee42
  arch: x86_64
  summary: A module
  description: A module
  license: {{module: [MIT]}}
  artifacts: {{rpms: [{artifact}]}}
"""
OTHER = b"module: demo-module\n  stream: two"
PACKED = {
    ".gz": createrepo_c.GZ_COMPRESSION, ".xz": createrepo_c.XZ_COMPRESSION, ".bz2": createrepo_c.BZ2_COMPRESSION,
    ".zst": createrepo_c.ZSTD_COMPRESSION,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A lock of two repositories on one server, and the directories of a run."""

    room: Room
    server: FaultyServer

    def offer(self, repository: str, kind: str, name: str, content: bytes) -> Path:
        """A file of a repository on the server, and in the sidecar."""
        path = self.server.directory / repository / "repodata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = path.with_name("plain")
        plain.write_bytes(content)
        createrepo_c.compress_file(str(plain), str(path), PACKED[path.suffix])
        self.declare(repository, kind, path)
        return path

    def declare(self, repository: str, kind: str, path: Path) -> None:
        def add(side: Any) -> None:
            if repository not in [entry["id"] for entry in side["repositories"]]:
                url = f"{self.server.url}/{repository}"
                side["repositories"].append({"id": repository, "base_urls": [url], "gpgcheck": False})
            side["metadata"].append({
                "repository": repository, "kind": kind, "location": f"repodata/{path.name}",
                "sha256": sha256_of(path), "size": path.stat().st_size,
            })  # fmt: skip

        self.edit(add)

    def edit(self, change: Callable[[Any], None]) -> None:
        path = self.room.directory / "lock/buildroot_lock.sources.json"
        side = json.loads(path.read_text())
        change(side)
        path.write_text(json.dumps(side))

    def document(self, kind: str) -> bytes:
        (path,) = (self.room.repo / "repodata").glob(f"*-{kind}.gz")
        return gzip.decompress(path.read_bytes())


def ask(repo: Path, podman: tuple[str, ...], image: str, program: tuple[str, ...], *arguments: str) -> str:
    """What the real dnf says, with the offline repository as all it has."""
    done = subprocess.run(
        (*podman, "run", "--rm", "--network=none", "--tmpfs", "/buildroot", "-v", f"{repo}:/repo:ro", image, *program,
         "--setopt=reposdir=/none", "--setopt=gpgcheck=0", "--repofrompath=offline,file:///repo", "--repo=offline",
         "--releasever=1", "--assumeyes", *arguments),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def case(tmp_path: Path, demo: Path, tiny: Image, tiny_layout: Path) -> Iterator[Case]:
    (tmp_path / "served").mkdir()
    files = tuple(Path(shutil.copy(path, tmp_path / "served")) for path in fetching.rpms(NAMES))
    with serving(tmp_path / "served") as server:
        case = Case(room=Room(directory=tmp_path / "work"), server=server)
        fetching.write_lock(case.room, files, (server.url,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
        yield case


def comps(name: str, *packages: str) -> bytes:
    rows = "".join(f'<packagereq type="mandatory">{package}</packagereq>' for package in packages)
    return COMPS.format(id=name, rows=rows).encode()


def both(case: Case) -> None:
    """Comps and modules in two repositories, each packed differently."""
    case.offer("one", "group", "comps.xml.gz", comps("tools", "demo-tilde"))
    case.offer("two", "group", "comps.xml.zst", comps("tools", "demo-epoch"))
    modular = (fetching.ROOT / "demo/modules.yaml").read_bytes()
    case.offer("one", "modules", "modules.yaml.xz", modular)
    artifact = "demo-elsewhere-0:1-1.noarch"
    case.offer("two", "modules", "modules.yaml.bz2", MODULES.format(name="another", artifact=artifact).encode())


@OFFLINE
@pytest.mark.parametrize(
    ("flavour", "program"), [("dnf4", ("dnf-3", "--disableplugin=local,versionlock")), ("dnf5", ("dnf5",))]
)
def test_real_dnf_reads_groups_and_modules_of_all_repositories(
    case: Case, own_podman: tuple[str, ...], demo_images: dict[str, str], flavour: str, program: tuple[str, ...]
) -> None:
    both(case)
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    dnf = partial(ask, case.room.repo, own_podman, demo_images[flavour], program)
    information = dnf("group", "info", "tools")
    assert "demo-tilde" in information
    assert "demo-epoch" in information
    modules = dnf("module", "list")
    assert "demo-module" in modules
    assert "another" in modules
    installed = dnf("--installroot=/buildroot", "install", "*")  # as Mock does it
    for name in NAMES:
        assert name in installed


@pytest.mark.promise(
    "3.1",
    "the module stream that a target chooses is the default one of the offline repository",
)
@pytest.mark.parametrize(
    ("flavour", "program"), [("dnf4", ("dnf-3", "--disableplugin=local,versionlock")), ("dnf5", ("dnf5",))]
)
def test_real_dnf_installs_what_is_of_the_chosen_stream(
    case: Case, own_podman: tuple[str, ...], demo_images: dict[str, str], flavour: str, program: tuple[str, ...]
) -> None:
    modular = (fetching.ROOT / "demo/modules.yaml").read_bytes().replace(b'module: demo-module\n  stream: "1"', OTHER)
    assert OTHER in modular
    case.offer("one", "modules", "modules.yaml.gz", modular)
    install = ("--installroot=/buildroot", "install", "*")  # as Mock does it
    for chosen, found in (({}, False), ({"enabled": ["demo-module:1"]}, True), ({"disabled": ["demo-module"]}, False)):
        case.edit(lambda side, chosen=chosen: side.update(modules=chosen))
        ran = case.room.fetch()
        assert ran.code == 0, ran.err
        said = ask(case.room.repo, own_podman, demo_images[flavour], program, *install)
        assert "demo-epoch" in said
        assert ("demo-modular" in said) == found


@OFFLINE
def test_the_same_lock_gives_the_same_metadata_and_a_second_run_asks_for_nothing(case: Case, tmp_path: Path) -> None:
    both(case)
    assert case.room.fetch().code == 0
    first, asked = case.room.tree(), len(case.server.asked)
    assert case.room.fetch().code == 0
    assert (case.room.tree(), len(case.server.asked)) == (first, asked)
    shutil.rmtree(case.room.repo)
    case.room.repo.mkdir()
    assert case.room.fetch().code == 0
    assert case.room.tree() == first


def test_what_is_in_the_cache_is_not_asked_for(case: Case) -> None:
    both(case)
    assert case.room.fetch(cache=True).code == 0
    asked = len(case.server.asked)
    shutil.rmtree(case.room.repo)
    case.room.repo.mkdir()
    assert case.room.fetch(cache=True).code == 0
    assert len(case.server.asked) == asked


@pytest.mark.parametrize("fault", ["missing", "wrong", "short", "endless"])
def test_comps_that_nobody_gives_are_a_warning_and_the_next_run_tries_again(case: Case, fault: str) -> None:
    both(case)
    case.server.faults["comps.xml.zst"] = (fault,)
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert ran.said("warning: the offline repository is without comps.xml of two: ", f"{case.server.url}/two/repodata")
    assert b"demo-tilde" in case.document("comps.xml")
    assert b"demo-epoch" not in case.document("comps.xml")
    case.server.faults.clear()
    assert case.room.fetch().code == 0
    assert b"demo-epoch" in case.document("comps.xml")
    assert case.room.incomplete() == []


def test_metadata_follows_the_lock_and_heals(case: Case) -> None:
    both(case)
    assert case.room.fetch().code == 0
    whole = case.room.tree()
    (path,) = (case.room.repo / "repodata").glob("*-comps.xml.gz")
    path.write_bytes(b"damaged")
    assert case.room.fetch().code == 0
    assert case.room.tree() == whole
    case.edit(lambda side: side.update(metadata=[]))
    assert case.room.fetch().code == 0
    names = os.listdir(case.room.repo / "repodata")  # noqa: PTH208
    assert not [name for name in names if "comps" in name or "modules" in name]


def test_a_bomb_is_an_error_and_fills_neither_disk_nor_memory(case: Case) -> None:
    case.offer("one", "group", "comps.xml.xz", b"\0" * (200 << 20))
    ran = case.room.fetch()
    assert ran.code == CommandFailed.exit_code, ran.err
    assert ran.said("error: comps.xml of one cannot be read.")
    assert case.room.incomplete() == []


@pytest.mark.parametrize("name", ["comps.xml.gz", "comps.xml.zst", "comps.xml"])
def test_what_is_no_comps_is_an_error(case: Case, name: str) -> None:
    path = case.server.directory / "one/repodata" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"neither compressed nor XML")
    case.declare("one", "group", path)
    case.offer("two", "group", "comps.xml.gz", comps("tools", "demo-tilde"))
    ran = case.room.fetch()
    assert ran.code == CommandFailed.exit_code, ran.err
    assert ran.said("error: comps.xml of one cannot be read.")


@OFFLINE
def test_the_resolver_records_what_dnf_keeps(demo: Path, tmp_path: Path) -> None:
    kept = tmp_path / f"demo-{'0' * 16}"
    shutil.copytree(demo / "repo/repodata", kept / "repodata")
    repository = Repository(
        id="demo", name="demo", baseurl=("file:///x",), gpgcheck=True, repo_gpgcheck=False, gpgkey=(), priority=None,
        cost=None, exclude=(),
    )  # fmt: skip
    with metadata.Catalog(tmp_path, (repository,)) as catalog:
        described = catalog.describe(("demo-tool-1.2-3.demo1.noarch", "no-such-1-1.noarch"))
    assert [file.kind for file in described.files] == ["group", "modules"]
    for file in described.files:
        path = kept / file.location
        assert (path.stat().st_size, sha256_of(path)) == (file.size, file.sha256)
    root = ElementTree.fromstring(gzip.decompress((kept / described.files[0].location).read_bytes()))
    assert root.findtext("group/id") == "buildsys-build"
    ((offer,),) = described.offers.values()
    assert offer.source == "demo-tool-1.2-3.demo1.src.rpm"
    metadata.keep_files(tmp_path / "cache", tmp_path, (repository,), described.files)
    assert {path.name for path in (tmp_path / "cache/sha256").glob("*/*")} == {
        file.sha256 for file in described.files
    }  # fmt: skip
