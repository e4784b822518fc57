"""Licence expressions: what SPDX knows, and what only looks like it."""

from __future__ import annotations

import pytest

from hermetic_rpm import licences
from hermetic_rpm.licences import Compound, Term


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("((MIT))", "MIT"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("Apache-2.0+", "Apache-2.0+"),
        ("LicenseRef-Fedora-Public-Domain", "LicenseRef-Fedora-Public-Domain"),
        ("MIT AND Zlib OR X11 AND MIT", "(MIT AND Zlib) OR (X11 AND MIT)"),
        ("MIT\nAND  Zlib", "MIT AND Zlib"),
        ("GPL-3.0-or-later WITH GCC-exception-3.1 AND (MIT OR ISC)", None),
    ],
)
def test_an_expression_is_spelled_as_the_list_has_it(text: str, spelled: str | None) -> None:
    assert str(licences.parse(text)) == (spelled or text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "GPLv2+ and MIT", "MIT and Zlib", "MIT or Zlib", "Public Domain", "BSD", "MIT AND", "(MIT", "MIT)", "OR",
     "MIT WITH Zlib", "GPL-2.0-only WITH nothing", "MIT/X11", "NONE", "NOASSERTION", "LicenseRef-", "MIT, Zlib",
     "Nothing-1.0+", "(" * 5000, "(" * 30 + "MIT" + ")" * 30, "MIT OR " * 3000 + "MIT"],
)  # fmt: skip
def test_everything_else_is_no_expression(text: str) -> None:
    assert licences.parse(text) is None


def test_an_expression_becomes_values() -> None:
    assert licences.parse("MIT OR GPL-2.0-only WITH Classpath-exception-2.0") == Compound(
        operator="OR",
        parts=(Term(licence="MIT"), Term(licence="GPL-2.0-only", exception="Classpath-exception-2.0")),
    )


def test_references_are_found_wherever_they_are() -> None:
    expression = licences.parse("MIT AND (LicenseRef-a OR LicenseRef-b)")
    assert expression is not None
    assert [term.licence for term in licences.terms(expression) if licences.is_reference(term)] == [
        "LicenseRef-a", "LicenseRef-b",
    ]  # fmt: skip
