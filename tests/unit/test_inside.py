"""What the first program in a sandbox does with a tree that packages wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermetic_rpm.buildroot import bootstrap, inside
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.commandlog import open_log

ENTRY = {"kind": "entry", "content": "mock:x:135:"}


def test_a_line_is_added_once(tmp_path: Path) -> None:
    (tmp_path / "group").write_text("root:x:0:")
    for _ in range(2):
        inside.prepare({**ENTRY, "path": str(tmp_path / "group")})
    assert (tmp_path / "group").read_text() == "root:x:0:\nmock:x:135:\n"


def plant_pipe(path: Path) -> None:
    os.mkfifo(path)


def plant_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


def plant_directory(path: Path) -> None:
    path.mkdir()


def plant_giant(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


@pytest.mark.parametrize("plant", [plant_pipe, plant_link, plant_directory, plant_giant])
def test_what_is_no_plain_file_is_refused_and_never_waited_for(tmp_path: Path, plant: object) -> None:
    assert callable(plant)
    (tmp_path / "elsewhere").write_text("root:x:0:\n")
    plant(tmp_path / "group")
    with pytest.raises(inside.UnusableTree, match="group: "):
        inside.prepare({**ENTRY, "path": str(tmp_path / "group")})
    assert (tmp_path / "elsewhere").read_text() == "root:x:0:\n"


def test_a_mount_point_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "proc").symlink_to("/etc")
    with pytest.raises(inside.UnusableTree, match="/proc/x leads through the link /proc"):
        inside.inner_path(str(tmp_path), "/proc/x", directory=True)


def test_only_a_room_with_a_network_may_change_the_bootstrap(tmp_path: Path) -> None:
    with open_log(tmp_path / "log") as log:
        boot = Bootstrap(root=tmp_path, buildroot=tmp_path, log=log)
        assert (bootstrap.room(boot).network, bootstrap.room(boot).read_only) == (False, True)
        online = bootstrap.room(boot, network=True)
        assert (online.network, online.read_only) == (True, False)
