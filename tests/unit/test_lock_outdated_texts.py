"""`lock outdated`: how its answer is written, and the container that it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.runner import lock_outdated, pipeline
from hermetic_rpm.runner.lock_outdated import Newer, Outdated

ROOT = Path(__file__).resolve().parents[2]
NEWER = Newer(name="gcc", arch="x86_64", locked="4:14.2.0-1", evr="4:14.3.0-1", repository="updates")
FOUND = Outdated(
    count=3,
    newer=(NEWER,),
    gone=(("bash-5-1.x86_64", ("https://a.example.com/bash.rpm: HTTP 404",)),),
    silent=(("extras", "https://b.example.com: HTTP\x1b 503"),),
)


def test_text() -> None:
    text = "\n".join(lock_outdated.text(FOUND))
    assert "gcc    x86_64  4:14.2.0-1  4:14.3.0-1  updates" in text
    assert "  bash-5-1.x86_64\n    https://a.example.com/bash.rpm: HTTP 404" in text
    assert "\x1b" not in text
    assert text.endswith(
        "1 of 3 packages are to be had newer; 1 can no longer be downloaded; 1 of the repositories cannot be asked."
    )


def test_markdown_shows_what_others_say_as_code() -> None:
    text = "\n".join(lock_outdated.markdown(FOUND))
    assert "| `gcc` | `x86_64` | `4:14.2.0-1` | `4:14.3.0-1` | `updates` |" in text
    assert "* `bash-5-1.x86_64`: `https://a.example.com/bash.rpm: HTTP 404`" in text
    assert "\x1b" not in text


def test_nothing() -> None:
    nothing = Outdated(count=3, newer=(), gone=(), silent=())
    assert not nothing
    assert list(lock_outdated.text(nothing)) == ["Nothing is outdated: 3 packages."]
    assert lock_outdated.document(nothing)["newer"] == []


def test_the_container_reads_the_lock_and_writes_nothing(tmp_path: Path) -> None:
    lockfile = tmp_path / "lock" / "buildroot_lock.json"
    stage = lock_outdated.plan(pipeline.load(ROOT / "pipeline.yaml"), lockfile, (f"workspace={tmp_path}",))
    assert all(bind.read_only for bind in stage.binds)
    assert (tmp_path / "lock", lock_outdated.LOCK) in {(bind.source, bind.target) for bind in stage.binds}
    assert stage.arguments[-2:] == ("--lockfile=/outdated/lock/buildroot_lock.json", "--outdated")
    assert stage.directories == stage.expects == ()


def test_a_pipeline_without_a_fetcher(tmp_path: Path) -> None:
    text = (ROOT / "pipeline.yaml").read_text()
    before, _, after = text.partition("  - name: fetcher")
    (tmp_path / "pipeline.yaml").write_text(before + after[after.index("  - name: builder") :])
    with pytest.raises(PipelineInvalid, match="has no fetcher"):
        lock_outdated.plan(pipeline.load(tmp_path / "pipeline.yaml"), tmp_path / "x.json", ())
