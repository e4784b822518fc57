"""The metadata of an offline repository: readable, and the same bytes for the same packages."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import time
from pathlib import Path

import createrepo_c
import pytest

from hermetic_rpm import repodata
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import sha256_of
from tests.support import fetching


def repository(directory: Path) -> tuple[str, ...]:
    directory.mkdir()
    names = tuple(sorted(path.name for path in fetching.rpms()))
    for name in names:
        shutil.copy(fetching.PACKAGES / name, directory)
    repodata.write(directory, names)
    return names


def contents(directory: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted((directory / "repodata").iterdir())}


@pytest.mark.promise("2.4", "the offline repository's metadata is the same bytes for the same packages")
def test_the_same_packages_give_the_same_metadata_at_another_time_and_place(demo: Path, tmp_path: Path) -> None:
    names = repository(tmp_path / "one")
    time.sleep(1.1)
    repository(tmp_path / "two")
    for name in names:
        os.utime(tmp_path / "two" / name, (1, 1))
    repodata.write(tmp_path / "two", names)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert "<timestamp>0</timestamp>" in (tmp_path / "one/repodata/repomd.xml").read_text()


def test_old_dnf_can_read_it(demo: Path, tmp_path: Path) -> None:
    names = repository(tmp_path / "one")
    primary = next((tmp_path / "one/repodata").glob("*-primary.xml.gz"))
    text = gzip.decompress(primary.read_bytes()).decode()
    assert text.count("<package type=") == len(names)
    found: list[str] = []
    createrepo_c.xml_parse_primary(str(primary), pkgcb=lambda package: found.append(package.location_href))
    assert found == list(names)


def test_older_metadata_is_replaced_as_a_whole(demo: Path, tmp_path: Path) -> None:
    names = repository(tmp_path / "one")
    before = contents(tmp_path / "one")
    repodata.write(tmp_path / "one", names[:2])
    assert not set(before) & set(contents(tmp_path / "one")) - {"repomd.xml"}
    assert not list((tmp_path / "one").glob(".incomplete*"))


def test_a_package_that_cannot_be_described_is_an_error_and_older_metadata_stays(demo: Path, tmp_path: Path) -> None:
    names = repository(tmp_path / "one")
    before = contents(tmp_path / "one")
    (tmp_path / "one/aaa.rpm").write_bytes(b"\xed\xab\xee\xdb" + b"\xff" * 5000)
    with pytest.raises(CommandFailed):
        repodata.write(tmp_path / "one", ("aaa.rpm", *names))
    assert contents(tmp_path / "one") == before
    assert not list((tmp_path / "one").glob(".incomplete*"))


def test_the_target_s_own_dnf_reads_it(demo: Path, tmp_path: Path, demo_in_podman: tuple[str, ...]) -> None:
    repository(tmp_path / "one")
    script = "dnf5 --repofrompath=x,file:///repo --repo=x --setopt=reposdir=/none repoquery --qf '%{name}\\n'"
    done = subprocess.run(
        (*demo_in_podman[:-1], "-v", f"{tmp_path / 'one'}:/repo:ro", demo_in_podman[-1], "/bin/sh", "-c", script),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert set(fetching.NAMES) <= set(done.stdout.split()), done.stderr
