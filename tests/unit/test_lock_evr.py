"""The order of versions, as rpm's manual has it."""

from __future__ import annotations

import pytest

from hermetic_rpm.lock.evr import Evr, compare, rpmvercmp

OLDER_TO_NEWER = (
    ("1.0", "1.1"),
    ("1.9", "1.10"),
    ("1.0", "1.0.1"),
    ("1.0a", "1.0.1"),
    ("1.0", "1.0a"),
    ("1.0a", "1.0b"),
    ("1.0A", "1.0a"),
    ("a", "1"),
    ("alpha", "alphabet"),
    ("1.0~rc1", "1.0"),
    ("1.0~rc1", "1.0~rc2"),
    ("1.0~~", "1.0~"),
    ("1.0~rc1", "1.0~rc1^git1"),
    ("1.0", "1.0^git1"),
    ("1.0^git1", "1.0.1"),
    ("1.0^git1", "1.0a"),
    ("1.0^git1", "1.0^git2"),
    ("1.0^git1~pre", "1.0^git1"),
    ("", "1"),
    ("", "a"),
    ("~", ""),
    ("", "^"),
    ("99999999999999999999", "100000000000000000000"),
    ("9" * 5000, "1" + "0" * 5000),
)
SAME = (
    ("1.0", "1.0"), ("1.0", "1_0"), ("1.0", "1..0"), ("1.0", "1.0."), ("1.05", "1.5"), ("1a2", "1.a.2"), ("00", "0"),
    ("1.0é", "1.0"),
)  # fmt: skip


@pytest.mark.parametrize(("older", "newer"), OLDER_TO_NEWER)
def test_versions_are_in_rpms_order(older: str, newer: str) -> None:
    assert (rpmvercmp(older, newer), rpmvercmp(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_versions_that_only_look_different_are_the_same(one: str, other: str) -> None:
    assert (rpmvercmp(one, other), rpmvercmp(other, one)) == (0, 0)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((None, "2", "1"), ("1", "1", "1"), -1),
        ((None, "1", "1"), ("0", "1", "1"), 0),
        (("10", "1", "1"), ("9", "2", "2"), 1),
        ((None, "1.0", "1"), (None, "1.0", "2"), -1),
        ((None, "1.1", "1"), (None, "1.0", "2"), 1),
        ((None, "1.0~rc1", "9"), (None, "1.0", "1"), -1),
    ],
)
def test_epoch_comes_before_version_and_version_before_release(a: Evr, b: Evr, expected: int) -> None:
    assert (compare(a, b), compare(b, a)) == (expected, -expected)
