"""Lists of mirrors with real servers, some dead and some corrupt, and with the real dnf."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hermetic_rpm.buildroot.bootstrap import BUILDROOT
from hermetic_rpm.errors import RepositoryUnavailable
from hermetic_rpm.files import sha256_of
from hermetic_rpm.progress import Progress
from hermetic_rpm.target import keys, load
from hermetic_rpm.target.model import Target
from stages.resolver import mirrors, package_manager, web
from stages.resolver.package_manager import PackageManager
from tests.support.fetching import DEMO, ROOT
from tests.support.server import FaultyServer, free_port, serving

PASSED = pytest.mark.promise(
    "3.5", "a dead mirror and a corrupt one are passed over, and the order of a list does not change the lock"
)
KEPT = pytest.mark.promise("3.5", "all mirrors known from a metalink are kept")
INDEX = b"<repomd>" + b"the index of a repository, long enough to be spoilt\n" * 3 + b"</repomd>\n"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[FaultyServer, FaultyServer, FaultyServer]]:
    """Three servers of one repository."""
    (tmp_path / "os/repodata").mkdir(parents=True)
    (tmp_path / "os/repodata/repomd.xml").write_bytes(INDEX)
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(serving(tmp_path)) for _ in range(3))
        yield first, second, third


def write_metalink(path: Path, urls: tuple[str, ...], index: bytes = INDEX) -> str:
    """A metalink that names base URLs, the first as the best; returns its name as a server has it."""
    resources = "".join(
        f'<url protocol="http" preference="{100 - place}">{url}/repodata/repomd.xml</url>'
        for place, url in enumerate(urls)
    )
    path.write_text(
        '<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><verification>'
        f'<hash type="sha256">{hashlib.sha256(index).hexdigest()}</hash></verification>'
        f"<resources>{resources}</resources></file></files></metalink>"
    )
    return path.name


def of(address: str, kind: str = "metalink") -> Target:
    """The demo target with a list in place of its base URL."""
    target = load.load(ROOT / "targets/demo-dnf5-x86_64.yaml")
    repository = replace(target.repositories[0], baseurl=())
    listed = replace(repository, metalink=address) if kind == "metalink" else replace(repository, mirrorlist=address)
    return replace(target, repositories=(listed,), source_repositories=())


def expanded(target: Target) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """The mirrors for dnf, those for the lock, and what was said."""
    stream = io.StringIO()
    found = mirrors.expand(target, Progress(stage="resolver", stream=stream))
    return found.working.repositories[0].baseurl, found.recorded.repositories[0].baseurl, stream.getvalue()


@PASSED
@KEPT
@pytest.mark.parametrize("fault", ["wrong", "truncated", "endless", "status:503", "loop", "reset"])
def test_a_dead_and_a_corrupt_mirror_are_passed_over(
    tmp_path: Path, servers: tuple[FaultyServer, FaultyServer, FaultyServer], fault: str
) -> None:
    good, corrupt, lists = servers
    corrupt.faults["repomd.xml"] = (fault,)
    dead = f"http://127.0.0.1:{free_port()}/os"
    urls = (dead, f"{corrupt.url}/os", f"{good.url}/os")
    locked = set()
    for order in (urls, urls[::-1]):
        name = write_metalink(tmp_path / "metalink", order)
        working, recorded, said = expanded(of(f"{lists.url}/{name}?repo=os"))
        assert working == (f"{good.url}/os",)
        assert f"mirror of demo passed over: {dead}: " in said
        assert f"mirror of demo passed over: {corrupt.url}/os: " in said
        locked.add(recorded)
    assert locked == {tuple(sorted(urls))}


@PASSED
def test_a_mirrorlist_has_no_checksum_but_its_mirrors_must_agree(
    tmp_path: Path, servers: tuple[FaultyServer, FaultyServer, FaultyServer]
) -> None:
    good, corrupt, lists = servers
    corrupt.faults["repomd.xml"] = ("wrong",)
    (tmp_path / "list").write_text(f"{good.url}/os/\n{corrupt.url}/os/\n{lists.url}/os/\n")
    working, recorded, said = expanded(of(f"{lists.url}/list", "mirrorlist"))
    assert working == (f"{good.url}/os", f"{lists.url}/os")
    assert recorded == tuple(sorted(f"{server.url}/os" for server in servers))
    assert f"{corrupt.url}/os: its repomd.xml is not the same" in said


def test_a_list_on_this_file_system_names_its_directories(tmp_path: Path) -> None:
    (tmp_path / "os/repodata").mkdir(parents=True)
    (tmp_path / "os/repodata/repomd.xml").write_bytes(INDEX)
    (tmp_path / "list").write_text(f"file://{tmp_path}/os/\n")
    base = f"file://{tmp_path}/os"
    said = f"resolver: repository demo from {base}, one of 1 mirrors\n"
    assert expanded(of(f"file://{tmp_path}/list", "mirrorlist")) == ((base,), (base,), said)


@pytest.mark.parametrize("fault", ["missing", "short", "truncated", "endless", "loop"])
def test_a_list_that_cannot_be_used_is_named(
    tmp_path: Path, servers: tuple[FaultyServer, FaultyServer, FaultyServer], fault: str
) -> None:
    good, _, lists = servers
    address = f"{lists.url}/{write_metalink(tmp_path / 'metalink', (f'{good.url}/os',))}"
    assert expanded(of(address))[0] == (f"{good.url}/os",)
    lists.faults["metalink"] = (fault,)
    with pytest.raises(RepositoryUnavailable) as caught:
        expanded(of(address))
    assert caught.value.reason.startswith(f"The list of mirrors {address} of the repository demo cannot be used: ")


def test_a_list_without_a_mirror_that_works_names_them_all(
    tmp_path: Path, servers: tuple[FaultyServer, FaultyServer, FaultyServer]
) -> None:
    good, corrupt, lists = servers
    address = f"{lists.url}/{write_metalink(tmp_path / 'metalink', (f'{good.url}/os', f'{corrupt.url}/os'), b'x')}"
    with pytest.raises(RepositoryUnavailable) as caught:
        expanded(of(address))
    first, *rest = caught.value.reason.splitlines()
    assert first == f"No mirror of the repository demo in {address} can be used:"
    assert rest == [f"  {server.url}/os: its repomd.xml is not that of the metalink" for server in (good, corrupt)]


@pytest.mark.parametrize("fault", ["hang", "stall", "drip"])
def test_a_server_that_does_not_come_to_an_end_is_left(
    servers: tuple[FaultyServer, FaultyServer, FaultyServer], fault: str
) -> None:
    servers[0].faults["repomd.xml"] = (fault,)
    with pytest.raises(web.Unreadable):
        web.read(f"{servers[0].url}/os/repodata/repomd.xml", limit=1000, seconds=0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dnf:
    """The real dnf in its image, with the demo distribution at a place that a metalink names."""

    flavour: str
    podman: tuple[str, ...]
    image: str
    directory: Path

    @property
    def target(self) -> Target:
        target = load.load(ROOT / f"targets/demo-{self.flavour}-x86_64.yaml")
        repository = replace(target.repositories[0], metalink="https://a.example.com/metalink")
        return replace(target, repositories=(repository,), source_repositories=())

    @property
    def manager(self) -> PackageManager:
        program = package_manager.PROGRAMS[self.flavour][0]
        return PackageManager(flavour=self.flavour, program=program, cache=self.directory / "cache", mounts=())

    def download(self, name: str) -> tuple[str, ...]:
        return package_manager.download_command(self.manager, self.target, (name,))

    def install(self, name: str) -> tuple[str, ...]:
        return package_manager.install_command(self.manager, self.target, (name,))

    def run(self, place: str, argv: tuple[str, ...], *, index: str) -> subprocess.CompletedProcess[str]:
        config, cache = self.directory / "config", self.directory / "cache"
        for path in (cache, config / "none", config / "keys"):
            path.mkdir(parents=True, exist_ok=True)
        repository = self.target.repositories[0]
        shutil.copy(DEMO / "keys/RPM-GPG-KEY-demo", config / "keys" / keys.key_name(repository, 0))
        (config / "dnf.conf").write_text(package_manager.configuration(self.target))
        tried = mirrors.Tried(working=("file:///nowhere", f"file://{place}/repo"), index=index, passed_over=())
        (config / package_manager.metalink_name(repository)).write_text(mirrors.render(tried))
        return subprocess.run(
            (*self.podman, "run", "--rm", "--network=none", "--tmpfs", BUILDROOT, "-v", f"{DEMO}:{place}:ro",
             "-v", f"{config}:{package_manager.CONFIG}:ro", "-v", f"{cache}:{package_manager.CACHE}",
             self.image, *argv),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip


@PASSED
@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_dnf_reads_the_list_and_keeps_its_cache_when_the_mirrors_change(
    demo: Path, own_podman: tuple[str, ...], demo_images: dict[str, str], tmp_path: Path, flavour: str
) -> None:
    dnf = Dnf(flavour=flavour, podman=own_podman, image=demo_images[flavour], directory=tmp_path)
    index = sha256_of(demo / "repo/repodata/repomd.xml")
    for place, argv in (
        ("/first", dnf.download("demo-release")),
        ("/second", dnf.download("demo-epoch")),
        ("/third", dnf.install("demo-epoch")),
    ):
        done = dnf.run(place, argv, index=index)
        assert done.returncode == 0, done.stdout
        assert len([path for path in dnf.manager.cache.iterdir() if path.is_dir()]) == 1
    assert list(dnf.manager.cache.glob("demo-*/packages/demo-epoch-*.rpm"))


@PASSED
@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_dnf_takes_no_other_index_than_the_one_that_was_chosen(
    demo: Path, own_podman: tuple[str, ...], demo_images: dict[str, str], tmp_path: Path, flavour: str
) -> None:
    dnf = Dnf(flavour=flavour, podman=own_podman, image=demo_images[flavour], directory=tmp_path)
    done = dnf.run("/first", dnf.download("demo-release"), index="0" * 64)
    assert done.returncode != 0
    assert isinstance(package_manager.explain(tuple(done.stdout.splitlines()), ()), RepositoryUnavailable), done.stdout
