"""What a build takes away before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm import made
from hermetic_rpm.errors import OutputRefused
from stages.builder import collect


def test_what_an_earlier_build_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.rpm", "b.rpm", "build.log"):
        (tmp_path / name).touch()
    (tmp_path / "repodata").mkdir()
    made.note(tmp_path, ("a.rpm", "repodata"))
    collect.remove_earlier(tmp_path, createrepo=True)
    assert {path.name for path in tmp_path.glob("[a-z]*")} == {"b.rpm"}


def test_metadata_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "repodata").mkdir()
    collect.remove_earlier(tmp_path, createrepo=False)
    with pytest.raises(OutputRefused, match="not of an earlier build"):
        collect.remove_earlier(tmp_path, createrepo=True)
    assert (tmp_path / "repodata").is_dir()
