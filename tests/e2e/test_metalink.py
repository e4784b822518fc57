"""A repository that only a metalink names, with a dead, a corrupt and a sound mirror: from the list to the packages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from containers import DEMO, ROOT, TARGETS, Workspace, sample
from hermetic_rpm.files import sha256_of
from tests.support.servers import nginx

DEAD = "http://127.0.0.1:1/repo"
"""Nothing listens there; of the three it sorts first."""

CORRUPT = """\
location ~ repomd.xml$ { return 200 "<repomd>of yesterday</repomd>"; }
location ~ [.]rpm$ { return 200 "no package"; }
"""
LINE = 'baseurl: ["file:///distribution/repo"]'


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrors:
    """The base URLs, and the file in which a real server gives the metalink of them."""

    urls: tuple[str, ...]
    path: Path
    address: str

    def write(self, order: tuple[str, ...]) -> None:
        resources = "".join(
            f'<url protocol="http" preference="{100 - place}">{url}/repodata/repomd.xml</url>'
            for place, url in enumerate(order)
        )
        self.path.write_text(
            '<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><verification>'
            f'<hash type="sha256">{sha256_of(DEMO / "repo/repodata/repomd.xml")}</hash></verification>'
            f"<resources>{resources}</resources></file></files></metalink>"
        )


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[Mirrors]:
    path = tmp_path / "metalink"
    for name in ("corrupt", "sound"):
        (tmp_path / name).mkdir()
    more = f"location = /metalink {{ alias {path}; }}\n"
    with (
        nginx(tmp_path / "corrupt", DEMO, more=CORRUPT) as corrupt,
        nginx(tmp_path / "sound", DEMO, more=more) as sound,
    ):
        urls = (DEAD, f"http://127.0.0.1:{corrupt}/repo", f"http://localhost:{sound}/repo")
        yield Mirrors(urls=urls, path=path, address=f"http://127.0.0.1:{sound}/metalink")


@pytest.mark.promise("3.1", "mirrorlist and metalink in a target")
@pytest.mark.promise("3.5", "all mirrors known from a metalink are kept")
@pytest.mark.promise(
    "3.5", "a dead mirror and a corrupt one are passed over, and the order of a list does not change the lock"
)
def test_a_metalink_with_a_dead_and_a_corrupt_mirror(workspace: Workspace, mirrors: Mirrors, tmp_path: Path) -> None:
    text = (ROOT / f"targets/{TARGETS[0]}.yaml").read_text()
    assert LINE in text
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/mirrored.yaml").write_text(text.replace(LINE, f"metalink: {mirrors.address}"))
    online = replace(workspace, options=("--network=host", "-v", f"{tmp_path / 'targets'}:/mine:ro"))
    locks = []
    for order in (mirrors.urls, mirrors.urls[::-1]):
        mirrors.write(order)
        done = online.resolve(sample("hello"), "/mine/mirrored.yaml")
        assert done.returncode == 0, done.stderr[-4000:]
        for url in mirrors.urls[:2]:
            assert f"mirror of demo passed over: {url}: " in done.stderr
        locks.append(
            tuple((online.path / "lock" / name).read_bytes() for name in
                  ("buildroot_lock.json", "buildroot_lock.sources.json"))
        )  # fmt: skip
        asked = online.resolve(sample("hello"), "/mine/mirrored.yaml", "--offers")
        assert json.loads(asked.stdout)["offers"] == online.result("lock")["facts"]["offers"]
    assert locks[0] == locks[1]
    lock, sidecar = map(json.loads, locks[0])
    assert next(entry for entry in sidecar["repositories"] if entry["id"] == "demo")["base_urls"] == list(mirrors.urls)
    rpms = lock["buildroot"]["rpms"]
    assert rpms
    assert all(rpm["url"].startswith(f"{DEAD}/") for rpm in rpms)

    shutil.rmtree(online.path / "cache")
    (online.path / "cache").mkdir()
    done = online.fetch()
    assert done.returncode == 0, done.stderr[-4000:]
    assert len(list((online.path / "repo").glob("*.rpm"))) == len(rpms)
