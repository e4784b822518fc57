"""What may lie in the metadata of an offline repository, as the builder decides it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hermetic_rpm.errors import HermeticError, RepositoryExtraFile, RepositoryIncomplete
from hermetic_rpm.lock import join
from hermetic_rpm.lock.model import Lock, MetadataFile
from hermetic_rpm.lock.offline import read_repodata
from hermetic_rpm.lock.repository import check_metadata
from tests.support import locks

GROUP = MetadataFile(repository="demo", kind="group", location="repodata/comps.xml.gz", sha256="1" * 64, size=7)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A repository whose index lists a primary and comps, each named by its sha256."""
    repodata = tmp_path / "repo/repodata"
    repodata.mkdir(parents=True)
    records = ""
    for kind, name, content in (("primary", "primary.xml.gz", b"packages"), ("group", "comps.xml.gz", b"groups")):
        full = f"{hashlib.sha256(content).hexdigest()}-{name}"
        (repodata / full).write_bytes(content)
        records += f'<data type="{kind}"><location href="repodata/{full}"/></data>\n'
    (repodata / "repomd.xml").write_text(f"<repomd>{records}</repomd>")
    return tmp_path / "repo"


def lock(tmp_path: Path, *files: MetadataFile) -> Lock:
    found = locks.locked()
    return join.load(locks.write(tmp_path, found, locks.beside(found, metadata=files)))


def test_what_the_index_lists_and_the_lock_names_is_sound(directory: Path, tmp_path: Path) -> None:
    found = read_repodata(directory)
    assert (found.kinds, found.strays, found.missing) == ({"primary", "group"}, (), ())
    check_metadata(lock(tmp_path, GROUP), directory)


def test_comps_that_the_lock_does_not_name_are_extra(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(RepositoryExtraFile, match=r"holds comps\.xml, which the lock does not name"):
        check_metadata(lock(tmp_path), directory)


def test_comps_may_be_missing_since_no_build_reads_them(directory: Path, tmp_path: Path) -> None:
    index = directory / "repodata/repomd.xml"
    index.write_text(index.read_text().replace('"group"', '"other"'))
    check_metadata(lock(tmp_path, GROUP), directory)


def damage(directory: Path) -> Path:
    return next((directory / "repodata").glob("*-comps.xml.gz"))


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (lambda directory: damage(directory).unlink(), RepositoryIncomplete),
        (lambda directory: damage(directory).write_bytes(b"other"), RepositoryExtraFile),
        (lambda directory: damage(directory).rename(directory / "repodata/other.xml.gz"), RepositoryIncomplete),
        (lambda directory: (directory / "repodata/evil.xml").write_text("x"), RepositoryExtraFile),
        (lambda directory: (directory / "repodata/below").mkdir(), RepositoryExtraFile),
        (lambda directory: (directory / "repodata/link").symlink_to("repomd.xml"), RepositoryExtraFile),
        (lambda directory: (directory / "repodata/repomd.xml").unlink(), RepositoryExtraFile),
    ],
)
def test_anything_else_is_refused(
    directory: Path, tmp_path: Path, what: Callable[[Path], object], error: type[HermeticError]
) -> None:
    what(directory)
    with pytest.raises(error):
        check_metadata(lock(tmp_path, GROUP), directory)
