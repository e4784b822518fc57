"""Which trees of the resolver's cache are taken again."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.target import load
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Target
from stages.resolver import buildroot_cache
from stages.resolver.access import Access

KEY = Key(name="repo-0", content=b"a key")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata/repomd.xml").write_text("<repomd/>")
    text = f"""
version: 1
architecture: x86_64
image: {{reference: registry.example.com/bootstrap:latest}}
package_manager: dnf5
repositories:
  - {{id: repo, baseurl: ["file://{tmp_path}"], gpgcheck: false}}
buildroot: [bash]
"""
    return load.parse(text.encode(), name="sample", place="sample.yaml")


def place(target: Target, image: str = "sha256:1", keys: tuple[Key, ...] = (KEY,), kind: str = "a") -> Path:
    slot = buildroot_cache.slot(Path("/cache"), target, image, keys, Access(), kind=kind)
    assert slot is not None
    return slot.path


@pytest.mark.promise("3.8", "the minimal buildroot is kept by image, target and repository metadata")
def test_a_tree_is_taken_again_only_for_the_same_image_keys_and_metadata(target: Target, tmp_path: Path) -> None:
    places = [
        place(target),
        place(target, image="sha256:2"),
        place(target, keys=()),
        place(target, keys=(Key(name="repo-0", content=b"another key"),)),
        place(target, kind="b"),
    ]
    assert place(target) == places[0]
    (tmp_path / "repodata/repomd.xml").write_text("<repomd></repomd>")
    assert len({*places, place(target)}) == len(places) + 1


def test_no_tree_is_kept_where_a_repository_gives_no_answer(target: Target, tmp_path: Path) -> None:
    (tmp_path / "repodata/repomd.xml").unlink()
    assert buildroot_cache.slot(Path("/cache"), target, "sha256:1", (KEY,), Access()) is None
