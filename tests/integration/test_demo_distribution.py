"""What `make demo` makes of Debian's packages, looked at with rpm, and that it makes nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMON = "{http://linux.duke.edu/metadata/repo}"

MADE = pytest.mark.promise(
    "2.2", "one command makes signed RPMs, a group, metadata and two bootstrap images from a Debian mirror"
)


@MADE
def test_every_package_is_signed_by_the_key_that_was_made_on_the_spot(demo: Path, tmp_path: Path) -> None:
    database = ("--dbpath", str(tmp_path / "rpm"))
    key = demo / "keys/RPM-GPG-KEY-demo"
    subprocess.run(("rpmkeys", *database, "--import", key), check=True)
    packages = sorted((demo / "repo/Packages").glob("*.rpm"))
    assert len(packages) > 200
    level = ("--define", "_pkgverify_level signature")
    done = subprocess.run(
        ("rpmkeys", *database, *level, "-K", *packages), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


@MADE
def test_the_metadata_names_the_group_of_the_buildroot(demo: Path) -> None:
    repomd = ElementTree.parse(demo / "repo/repodata/repomd.xml")
    places = {
        data.get("type"): data.find(f"{COMMON}location").get("href")  # type: ignore[union-attr]
        for data in repomd.iter(f"{COMMON}data")
    }
    assert {"primary", "filelists", "group"} <= places.keys()
    groups = ElementTree.parse(demo / "repo" / str(places["group"]))
    assert [entry.text for entry in groups.iter("id")] == ["buildsys-build"]


@MADE
@pytest.mark.parametrize("name", ["dnf4", "dnf5"])
def test_a_bootstrap_image_is_an_oci_layout(demo: Path, name: str) -> None:
    layout = demo / "images" / name
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    done = subprocess.run(("skopeo", "inspect", f"oci:{layout}:latest"), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["Architecture"] == "amd64"


@pytest.mark.promise("2.2", "what exists already is not made again")
def test_what_exists_is_not_made_again(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*")}
    done = subprocess.run(
        (sys.executable, "-m", "demo", "--output", demo), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "up to date" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*")} == before
