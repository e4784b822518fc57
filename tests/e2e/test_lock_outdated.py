"""`hermetic-rpm lock outdated`, which starts the pipeline's fetcher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from containers import ROOT, Workspace, runner

OUTDATED = pytest.mark.promise(
    "3.9", "lock outdated tells what the repositories would give today, and what can no longer be downloaded"
)


@OUTDATED
def test_a_lock_whose_repositories_are_as_they_were(hello: Workspace) -> None:
    done = runner("lock", "outdated", hello.path / "lock", "--exit-code", environment=hello.engine.environment)
    assert done.returncode == 0, done.stderr
    count = len(json.loads((hello.path / "lock/buildroot_lock.json").read_text())["buildroot"]["rpms"])
    assert done.stdout == f"Nothing is outdated: {count} packages.\n"


@OUTDATED
def test_a_lock_whose_repositories_are_gone(hello: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = (ROOT / "pipeline.yaml").read_text()
    (tmp_path / "pipeline.yaml").write_text(text.replace("source: build/demo", f"source: {tmp_path / 'empty'}"))

    def asked(*options: str) -> tuple[int, str]:
        done = runner(
            "lock", "outdated", hello.path / "lock", "--pipeline", tmp_path / "pipeline.yaml", *options,
            environment=hello.engine.environment,
        )  # fmt: skip
        return done.returncode, done.stdout

    count = len(json.loads((hello.path / "lock/buildroot_lock.json").read_text())["buildroot"]["rpms"])
    code, text = asked("--exit-code")
    assert code == 1
    assert text.endswith(f"\n{count} can no longer be downloaded; 1 of the repositories cannot be asked.\n")
    code, text = asked("--format=json")
    assert code == 0
    found = json.loads(text)
    assert list(found["repositories_not_asked"]) == ["demo"]
    assert len(found["gone"]) == found["packages"] == count
    code, text = asked("--format=markdown")
    assert f"**can no longer be downloaded** ({count})" in text
