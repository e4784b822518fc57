"""What a resolver removes from its output directory before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm import made
from hermetic_rpm.lock.model import NO_OPTIONS
from stages.resolver.access import Given
from stages.resolver.resolve import Request, forget_older_lock

pytestmark = pytest.mark.promise("3.4", "a spec and a directory of sources are taken as input")


def request(output: Path, srpm: Path | None) -> Request:
    return Request(
        srpm=srpm, spec=None, sources=None, options=NO_OPTIONS, target="x", targets=output, keys=output, access=Given(),
        output=output, cache=None, scratch=output, timeout=1, inputs=(), expected={},
    )  # fmt: skip


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output directory with a lock, a source RPM that was made with it, and a file of the user's."""
    directory = tmp_path / "lock"
    directory.mkdir()
    for name in ("buildroot_lock.json", "buildroot_lock.sources.json", "x-1-1.src.rpm", "mine.src.rpm"):
        (directory / name).write_text(name)
    made.note(directory, ("x-1-1.src.rpm", "gone.src.rpm"))
    return directory


def left(output: Path) -> set[str]:
    return {path.name for path in output.iterdir() if path.name != made.MADE}


def test_a_source_rpm_that_it_made_goes_with_its_lock(output: Path) -> None:
    forget_older_lock(request(output, None))
    assert left(output) == {"mine.src.rpm"}


def test_a_source_rpm_that_it_made_and_that_is_resolved_now_stays(output: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").hardlink_to(output / "x-1-1.src.rpm")  # as a mount of the same file
    forget_older_lock(request(output, tmp_path / "elsewhere"))
    assert left(output) == {"mine.src.rpm", "x-1-1.src.rpm"}
