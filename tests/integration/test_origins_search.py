"""Origins looked for early count only in the metadata that they were found in, and a broken parser is an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hermetic_rpm.errors import RepositoryUnavailable
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.target.model import Repository
from stages.resolver import metadata
from stages.resolver.metadata import Catalog

TOOL = "demo-tool-1.2-3.demo1.noarch"
ROW: InstalledRow = ("demo-tool", "noarch", "MIT", "1.2", "3.demo1", "(none)", "", "")


@pytest.fixture
def repository(demo: Path) -> Repository:
    return Repository(
        id="demo", name="demo", baseurl=(f"file://{demo}/repo",), gpgcheck=True, repo_gpgcheck=False, gpgkey=(),
        priority=None, cost=None, exclude=(),
    )  # fmt: skip


@pytest.fixture
def kept(demo: Path, tmp_path: Path) -> Path:
    """What dnf keeps of the repository's metadata."""
    place = tmp_path / f"demo-{'0' * 16}/repodata"
    shutil.copytree(demo / "repo/repodata", place)
    return place


def primary(kept: Path) -> Path:
    (found,) = kept.glob("*primary.xml*")
    return found


def test_the_origin_is_the_file_that_the_metadata_describes(kept: Path, repository: Repository, tmp_path: Path) -> None:
    with Catalog(tmp_path, (repository,)) as catalog:
        described = catalog.describe([metadata.label(ROW), "no-such-1-1.noarch"])
        (origin,) = metadata.origins(catalog, described, (ROW,))
    assert described.primaries == (("demo", str(primary(kept))),)
    assert (origin.sha256, origin.size) == (sha256_of(origin.path), origin.path.stat().st_size)


def test_metadata_that_changed_is_read_again(kept: Path, repository: Repository, tmp_path: Path) -> None:
    with Catalog(tmp_path, (repository,)) as catalog:
        before = catalog.describe([TOOL])
        other = primary(kept).with_name(f"other-{primary(kept).name}")
        primary(kept).rename(other)
        after = catalog.describe([TOOL])
    assert after.primaries == (("demo", str(other)),) != before.primaries
    assert after.offers == before.offers


def test_metadata_that_cannot_be_parsed_is_an_error_each_time(
    kept: Path, repository: Repository, tmp_path: Path
) -> None:  # fmt: skip
    with Catalog(tmp_path, (repository,)) as catalog:
        catalog.describe([TOOL])
        other = primary(kept).with_name("broken-primary.xml")
        primary(kept).unlink()
        other.write_text("<metadata><package>")
        for _ in range(2):
            with pytest.raises(RepositoryUnavailable, match="cannot be parsed") as raised:
                catalog.describe([TOOL])
            assert raised.value.log_tail


def test_a_parser_that_died_is_an_error(kept: Path, repository: Repository, tmp_path: Path) -> None:
    assert primary(kept).is_file()
    with Catalog(tmp_path, (repository,)) as catalog:
        catalog.end()
        with pytest.raises(RepositoryUnavailable, match="cannot be parsed"):
            catalog.describe([TOOL])
