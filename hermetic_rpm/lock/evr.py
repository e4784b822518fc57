"""The order of versions as rpm sees it: pure.

Specified by rpm's manual, "version comparison" (https://rpm.org/docs/latest/man/rpm-version.7),
and held against rpm itself by a test.
"""

from __future__ import annotations

import re

Evr = tuple[str | None, str, str]
"""epoch (None where there is none), version, release."""

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)
"""What a version may go on with, from older to newer; anything else only separates."""

_Rank = tuple[int, int, str]


def compare(a: Evr, b: Evr) -> int:
    """-1, 0 or 1 as ``a`` is older than, the same as or newer than ``b``; no epoch is epoch 0."""
    return rpmvercmp(a[0] or "0", b[0] or "0") or rpmvercmp(a[1], b[1]) or rpmvercmp(a[2], b[2])


def rpmvercmp(a: str, b: str) -> int:
    """-1, 0 or 1 as the version (or the release) ``a`` is older than, the same as or newer than ``b``."""
    mine, other = _ranks(a), _ranks(b)
    return (mine > other) - (mine < other)


def _ranks(version: str) -> tuple[_Rank, ...]:
    return (*map(_rank, _SEGMENT.findall(version)), (_END, 0, ""))


def _rank(segment: str) -> _Rank:
    if segment == "~":
        return (_TILDE, 0, "")
    if segment == "^":
        return (_CARET, 0, "")
    if segment[0].isdigit():
        digits = segment.lstrip("0")
        return (_DIGITS, len(digits), digits)
    return (_LETTERS, 0, segment)
