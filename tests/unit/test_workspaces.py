"""Where results find the workspace that they were built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.runner import workspaces


@pytest.mark.parametrize("places", [("",), ("workspace",), ("", "workspace")])
def test_the_workspace_is_above_the_results_or_beside_them(tmp_path: Path, places: tuple[str, ...]) -> None:
    results = tmp_path / "results"
    results.mkdir()
    assert workspaces.of(results) is None
    assert workspaces.named_or_of(None, results) == tmp_path
    for place in places:
        (tmp_path / place / "lock").mkdir(parents=True)
        (tmp_path / place / "lock/buildroot_lock.json").touch()
    assert workspaces.of(results) == tmp_path / places[0]
    assert workspaces.named_or_of(Path("named"), results) == Path("named")
