"""docs/status.md: every promise has a line, and the line does not say more than the tests did."""

from __future__ import annotations

import re

import pytest

from tests.support import status
from tests.support.status import Claim, Item

ITEM = Item(number="2.4", title="Three stages", promises=("it is locked", "it is fetched"))
LINE = pytest.mark.promise("2.8", "every promise of the issues has a line that names its tests or says `not run here`")


def rows(*claims: Claim) -> dict[str, str]:
    """The last cell of each row by its promise."""
    text = status.render((ITEM,), claims, {"2": "The first"})
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| it ")]
    return {row[0]: row[-1] for row in cells}


def claim(outcome: str | None, text: str = "it is locked", test: str = "tests/e2e/test_x.py::test_a") -> Claim:
    return Claim(item="2.4", text=text, test=test, outcome=outcome)


@LINE
def test_a_promise_without_a_test_is_not_run() -> None:
    assert rows() == {"it is locked": "not run here", "it is fetched": "not run here"}


@LINE
@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("passed",), "proven here"),
        (("skipped",), "not run here"),
        ((None,), "not run here"),
        (("passed", "failed"), "**failed**"),
        (("passed", "skipped", None), "proven here, 2 of 3 tests not"),
    ],
)
def test_a_promise_is_proven_only_by_tests_that_passed(outcomes: tuple[str | None, ...], expected: str) -> None:
    assert rows(*map(claim, outcomes))["it is locked"] == expected


@LINE
def test_a_promise_that_only_units_keep_says_so() -> None:
    unit = claim("passed", test="tests/unit/test_x.py::test_b")
    assert rows(unit)["it is locked"] == "by unit tests"
    assert rows(unit, claim("skipped"))["it is locked"] == "by unit tests, 1 of 2 tests not"
    assert rows(unit, claim("passed"))["it is locked"] == "proven here"


def test_a_test_may_promise_what_no_list_has() -> None:
    assert rows(claim("passed", "it is more"))["it is more"] == "proven here"


def test_the_order_of_the_tests_does_not_matter() -> None:
    claims = [claim("passed", "it is locked", f"tests/unit/test_{name}.py::test_a[{name}]") for name in "cab"]
    once, again = (status.render((ITEM,), found, {"2": "x"}) for found in (claims, claims[::-1]))
    assert once == again
    assert "`unit/test_a.py::test_a`<br>`unit/test_b.py::test_a`" in once


def test_a_document_has_no_clock_and_no_host_in_it() -> None:
    text = status.render(status.items(), (), status.titles())
    assert not re.search(r"\d\d:\d\d|20\d\d-", text)
    numbers = [item.number for item in status.items()]
    assert len(set(numbers)) == len(numbers)
    assert all(f"### {number} " in text for number in numbers)
