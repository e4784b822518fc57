"""The demo distribution: its recipe, its repository's group and its images."""

import hashlib
import io
import json
import stat
import tarfile
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from demo.__main__ import recipe_hash
from demo.apt import Download, downloads_of
from demo.handmade import Masters, variants_of
from demo.image import is_kept, mmdebstrap
from demo.oci import write_layout
from demo.parallel import run_all
from demo.recipe import AMENDMENTS, IMAGES, LEFT_OUT, MINIMAL_GROUP, SOURCE_DATE_EPOCH, WANTED
from demo.repackage import Names, amend, entries_of, pkgconfig_provides, prune
from demo.repository import comps_xml
from hermetic_rpm.errors import CommandFailed


def test_the_group_holds_only_packages_that_are_made() -> None:
    made = set(WANTED) - LEFT_OUT
    assert {name for name in MINIMAL_GROUP if not name.startswith("demo-")} <= made
    assert not {"cmake", "autoconf", "python3", "perl"} & set(MINIMAL_GROUP)


def test_the_group_can_be_read_as_comps() -> None:
    root = ElementTree.fromstring(comps_xml(("g++", "bash")))
    assert root.findtext("group/id") == "buildsys-build"
    assert [row.text for row in root.iter("packagereq")] == ["bash", "g++"]


def test_apts_announcements_are_files_with_checksums() -> None:
    listing = "Reading…\n'http://x/b%2b.deb' b+.deb 10 SHA256:bb\n'http://x/a.deb' a.deb 5 SHA256:aa\n"
    assert downloads_of(listing) == (Download(name="a.deb", sha256="aa"), Download(name="b+.deb", sha256="bb"))


def test_a_spec_says_how_often_it_is_built() -> None:
    assert variants_of("Name: a\n") == ((),)
    spec = "# build: --target i686\n# build: --define 'v 2.0'\nName: a\n"
    assert variants_of(spec) == (("--target", "i686"), ("--define", "v 2.0"))


def test_static_users_are_known_by_number() -> None:
    masters = Masters(passwd="root:x:0:0:root:/root:/bin/bash\n", group="root:x:0:\ntty:x:5:\n")
    assert masters.names() == Names(users={0: "root"}, groups={0: "root", 5: "tty"})


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("etc/apt", True),
        ("etc/apt/sources.list", False),
        ("usr/share/doc/rpm/copyright", False),
        ("etc/machine-id", False),
        ("etc/passwd-", False),
        ("etc/passwd", True),
        ("var/log/dpkg.log", False),
        ("usr/bin/dnf5", True),
    ],
)
def test_an_image_keeps_only_what_runs(path: str, kept: bool) -> None:
    assert is_kept(path) is kept


def test_mmdebstrap_gets_the_mirror_of_apt() -> None:
    command = mmdebstrap(
        IMAGES[0], rootfs=Path("/w/a.tar"), settings=Path("/w/conf"), macros=Path("/w/m"), mirror="http://mirror.test/"
    )
    assert command[-3:] == ("sid", "/w/a.tar", "deb http://mirror.test/ sid main")
    assert any(part.startswith("--include=dnf5,") for part in command)


def rootfs(path: Path, names: list[str], mtime: int) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = len(name), mtime, "somebody"
            archive.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo("./a-link")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/z"
        archive.addfile(link)
    return path


def test_an_image_is_the_same_whatever_the_order_and_the_clock(tmp_path: Path) -> None:
    one = rootfs(tmp_path / "1.tar", ["./usr/z", "./usr/b", "./drop"], SOURCE_DATE_EPOCH + 1)
    two = rootfs(tmp_path / "2.tar", ["./usr/b", "./usr/z", "./drop"], SOURCE_DATE_EPOCH + 2)
    for archive in (one, two):
        write_layout(tmp_path / archive.stem, rootfs=archive, keep=lambda name: name != "drop")
    assert (tmp_path / "1/index.json").read_bytes() == (tmp_path / "2/index.json").read_bytes()


def test_an_image_is_a_valid_layout_with_hard_links_behind_their_targets(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, rootfs=rootfs(tmp_path / "1.tar", ["./usr/z"], 0), keep=lambda _name: True)
    blobs = layout / "blobs/sha256"
    for blob in blobs.iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    with tarfile.open(blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        assert [(member.name, member.linkname) for member in layer] == [("usr/z", ""), ("a-link", "usr/z")]


def test_pruning_leaves_no_documentation_but_licences(tmp_path: Path) -> None:
    for name in ("usr/share/doc/a/copyright", "usr/share/doc/a/NEWS", "usr/share/doc/b/NEWS", "usr/share/man/man1/a.1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    prune(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "usr/share/doc/a/copyright"
    ]
    assert not (tmp_path / "usr/share/doc/b").exists()


def test_alternatives_are_links_that_must_not_exist_yet(tmp_path: Path) -> None:
    amend(tmp_path, AMENDMENTS["bash"])
    assert (tmp_path / "usr/bin/sh").readlink() == Path("bash")
    with pytest.raises(CommandFailed, match="/usr/bin/sh exists already"):
        amend(tmp_path, AMENDMENTS["bash"])


def test_pkgconfig_files_are_provides(tmp_path: Path) -> None:
    directory = tmp_path / "usr/lib/x86_64-linux-gnu/pkgconfig"
    directory.mkdir(parents=True)
    (directory / "zlib.pc").write_text("Name: zlib\nVersion: 1.3.1\n")
    (directory / "computed.pc").write_text("Version: ${version}\n")
    (directory / "dangling.pc").symlink_to("nowhere.pc")
    assert sorted(pkgconfig_provides(tmp_path)) == ["pkgconfig(computed)", "pkgconfig(zlib) = 1.3.1"]


def test_the_top_of_the_tree_belongs_to_demo_filesystem(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/a").touch(mode=0o755)
    status = tmp_path.stat()
    names = Names(users={status.st_uid: "root"}, groups={status.st_gid: "root"})
    assert [(entry.path, stat.S_ISREG(entry.mode)) for entry in entries_of(tmp_path, names)] == [("/usr/bin/a", True)]
    with pytest.raises(CommandFailed, match="nobody's in base-passwd"):
        list(entries_of(tmp_path, Names(users={}, groups={})))


def test_the_first_failure_calls_off_what_has_not_begun() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        if number == 1:
            raise CommandFailed("number 1")
        time.sleep(0.001)
        done.append(number)

    with pytest.raises(CommandFailed, match="number 1"):
        run_all([lambda: call(0), lambda: call(1), *(lambda: call(2) for _ in range(500))], workers=1)
    assert done[0] == 0
    assert len(done) < 501


def test_the_recipe_is_every_file_but_documentation() -> None:
    assert recipe_hash(("recipe.py",)) != recipe_hash(("image.py",))
    assert recipe_hash(("recipe.py", "README.md")) == recipe_hash(("recipe.py",))
