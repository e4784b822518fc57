"""Limits of package code, and how lack of memory is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm import units
from hermetic_rpm.buildroot import limits
from hermetic_rpm.errors import BuildFailed, HermeticError, Interrupted, OutOfMemory

V1 = {"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"}
V2 = {"memory.events": "low 0\nhigh 0\nmax 5\noom 1\noom_kill 3\noom_group_kill 0\n"}
LIMITED, UNLIMITED = "536870912\n", "9223372036854771712\n"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (V1 | {"memory/memory.limit_in_bytes": LIMITED}, 3),
        (V1 | {"memory/memory.limit_in_bytes": UNLIMITED}, None),
        (V2 | {"cgroup.procs": "1\n7\n", "memory.max": "max\n"}, 3),
        (V2 | {"cgroup.procs": "0\n0\n1\n7\n", "memory.max": LIMITED}, None),
    ],
    ids=["v1", "v1-shared", "v2", "v2-shared"],
)
def test_the_kernels_count_is_believed_of_a_cgroup_of_ones_own(
    tmp_path: Path, files: dict[str, str], count: int | None
) -> None:
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert limits.memory_kills(tmp_path) == count


def test_without_a_cgroup_in_sight_nothing_is_claimed(tmp_path: Path) -> None:
    assert limits.memory_kills(tmp_path) is None


def told(before: int | None, after: int | None, error: HermeticError | None) -> list[int | None]:
    """What `memory_watched` notes of a build that ends with ``error``, with the kernel's counts around it."""
    counts = iter((before, after))
    noted: list[int | None] = []
    with limits.memory_watched(noted.append, lambda: next(counts)):
        if error is not None:
            raise error
    return noted


def test_a_failure_for_lack_of_memory_is_told_as_such() -> None:
    with pytest.raises(OutOfMemory, match=r"ended 2 processes .* status 1\.") as raised:
        told(3, 5, BuildFailed("It ended with status 1.", log_tail=("Killed",)))
    assert raised.value.log_tail == ("Killed",)


@pytest.mark.parametrize(
    ("before", "after", "error"), [(3, 3, BuildFailed("x")), (None, None, BuildFailed("x")), (3, 5, Interrupted("x"))]
)
def test_another_failure_stays_what_it_is(before: int | None, after: int | None, error: HermeticError) -> None:
    with pytest.raises(type(error), match=r"^x$"):
        told(before, after, error)


def test_a_build_that_goes_on_notes_what_was_ended() -> None:
    assert told(3, 5, None) == [2]
    assert told(None, None, None) == [None]


def test_limits_are_lowered_only() -> None:
    assert limits.package_limits() == (("core", 0), ("nproc", 4096))
    assert limits.package_limits(10, 1 << 30)[1:] == (("nproc", 10), ("data", 1 << 30))
    assert limits.found(limits.package_limits(10))["processes"] == 10


@pytest.mark.parametrize(("text", "count"), [("4g", 4 << 30), ("512m", 512 << 20), ("7k", 7168), ("12", 12)])
def test_memory_is_said_as_to_podman(text: str, count: int) -> None:
    assert units.memory(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "4G", "1.5g", "g"])
def test_other_words_for_memory_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of bytes"):
        units.memory(text)
