"""What became of a lock: every kind of change, and how it is told."""

from __future__ import annotations

import json

import pytest

from hermetic_rpm.lock.diff import Difference, Kind, difference
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.runner import lock_diff
from tests.support.whole_locks import OTHER_KEY, lock, resigned, rpm, source

FOO = rpm("foo 1-1.x86_64")


def told(found: Difference) -> list[tuple[str, str | None, str | None, str]]:
    """name, old and new version with architecture, kinds"""
    return [
        (
            change.package.rpm.name,
            change.before and f"{change.before.rpm.version}.{change.before.rpm.arch}",
            change.after and f"{change.after.rpm.version}.{change.after.rpm.arch}",
            " ".join(change.kinds),
        )
        for change in found.packages
    ]


def between(*rpms: tuple[str, ...]) -> Difference:
    before, after = (lock(*map(rpm, names)) for names in rpms)
    return difference(before, after)


def test_the_same_lock_has_no_difference() -> None:
    found = difference(lock(FOO), lock(FOO))
    assert not found
    assert list(lock_diff.text(found, lock(FOO), lock(FOO))) == ["The locks are equal."]


@pytest.mark.promise("3.9", "lock diff tells packages added, removed, up- and downgraded")
@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("foo 1-1.x86_64", "foo 2-1.x86_64", "upgraded"),
        ("foo 1.9-1.x86_64", "foo 1.10-1.x86_64", "upgraded"),
        ("foo 1~rc1-1.x86_64", "foo 1-1.x86_64", "upgraded"),
        ("foo 2-1.x86_64", "foo 1:1-1.x86_64", "upgraded"),
        ("foo 1-1.x86_64", "foo 1-2.x86_64", "upgraded"),
        ("foo 1^git-1.x86_64", "foo 1-1.x86_64", "downgraded"),
        ("foo 1-1.x86_64", "foo 2-1.noarch", "upgraded"),
        ("foo 1-1.x86_64", "foo 1-1.noarch", "rebuilt"),
        ("foo 1.5-1.x86_64", "foo 1.05-1.x86_64", "rebuilt"),
        ("foo 1-1.x86_64", "foo 0:1-1.x86_64", "rebuilt"),
    ],
)
def test_one_version_becomes_another(before: str, after: str, kind: str) -> None:
    found = between((before,), (after,))
    assert [change.kinds for change in found.packages] == [(kind,)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("a 1-1.x", "b 1-1.x"), ("b 1-1.x", "c 1-1.x"), [("a", "1.x", None, "removed"), ("c", None, "1.x", "added")]),
        (("k 1-1.x", "k 2-1.x"), ("k 2-1.x", "k 3-1.x"), [("k", "1.x", None, "removed"), ("k", None, "3.x", "added")]),
        (("k 1-1.x",), ("k 1-1.x", "k 2-1.x"), [("k", None, "2.x", "added")]),
        (("k 1-1.x", "k 2-1.x"), ("k 2-1.x",), [("k", "1.x", None, "removed")]),
        (
            ("m 1-1.i686", "m 1-1.x86_64"),
            ("m 2-1.i686", "m 2-1.x86_64"),
            [("m", "1.i686", "2.i686", "upgraded"), ("m", "1.x86_64", "2.x86_64", "upgraded")],
        ),
        (
            ("m 1-1.x86_64",),
            ("m 2-1.i686", "m 2-1.x86_64"),
            [("m", None, "2.i686", "added"), ("m", "1.x86_64", "2.x86_64", "upgraded")],
        ),
    ],
)
def test_several_packages_of_one_name_are_never_confused(
    before: tuple[str, ...], after: tuple[str, ...], expected: list[tuple[str, ...]]
) -> None:
    assert told(between(before, after)) == expected


@pytest.mark.promise("3.9", "lock diff tells packages relicensed, re-signed and rebuilt")
@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        (rpm("foo 1-1.x86_64", license="GPL-2.0-only"), "relicensed"),
        (rpm("foo 1-1.x86_64", sigmd5="0" * 32), "rebuilt"),
        (resigned(FOO), "re-signed"),
        (rpm("foo 1-1.x86_64", url="https://other.invalid/foo-1-1.x86_64.rpm"), "moved"),
        (rpm("foo 2-1.x86_64", license="GPL-2.0-only", signature=None), "upgraded relicensed re-signed"),
    ],
)
def test_the_same_package_can_differ_in_other_ways(after: object, kinds: str) -> None:
    found = difference(lock(FOO), lock(after))  # type: ignore[arg-type] # a LockedRpm
    assert [" ".join(change.kinds) for change in found.packages] == [kinds]


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"key": OTHER_KEY}, ["re-signed"]),
        ({"key": None}, ["re-signed"]),
        ({"key": "89abcdef01234567"}, []),  # the same key by its shorter name
        ({"sha256": "0" * 64}, ["re-signed"]),  # the same key, another signature: sigmd5 does not cover it
    ],
)
def test_signatures_are_compared_by_the_sidecar(fields: dict[str, str], kinds: list[str]) -> None:
    found = difference(lock(FOO), lock(FOO, sources=(source(FOO, **fields),)))
    assert [" ".join(change.kinds) for change in found.packages] == kinds


def test_a_lock_without_sidecar_is_compared_by_what_it_has() -> None:
    found = difference(lock(FOO, with_sidecar=False), lock(FOO))
    assert found.packages == ()
    assert [(setting.place, setting.before, setting.after) for setting in found.settings] == [
        ("sidecar", None, "present")
    ]


@pytest.mark.promise("3.9", "lock diff tells a changed image, configuration and requirements")
def test_what_is_no_package_is_told_by_its_place() -> None:
    found = difference(
        lock(FOO), lock(FOO, image="new", macros=(("%dist", ".y"), ("%_x", 1)), static_requirements=("gcc >= 4",))
    )
    assert [setting.place for setting in found.settings] == [
        "bootstrap.id", "bootstrap.pull_digest", "config.macros[%_x]",
        "config.macros[%dist]", "requirements.static[gcc >= 4]", "requirements.static[make]",
    ]  # fmt: skip
    text = "\n".join(lock_diff.text(found, lock(FOO), lock(FOO)))
    assert "config (2)\n  config.macros[%_x]    (none) → 1\n  config.macros[%dist]  .x → .y" in text
    assert "requirements.static  make → (none)" in text


def sample() -> tuple[Lock, Lock]:
    return (
        lock(rpm("bar 1-1.noarch"), rpm("foo 1-1.x86_64"), rpm("long-name 1:1-1.x86_64")),
        lock(rpm("foo 2-1.x86_64"), rpm("long-name 1:1-2.x86_64"), rpm("new 3-1.x86_64", license="a|b`c\n\\|d")),
    )


def test_the_text_has_a_section_for_each_kind() -> None:
    before, after = sample()
    assert list(lock_diff.text(difference(before, after), before, after)) == [
        "added (1)",
        "  new  x86_64  3-1",
        "",
        "removed (1)",
        "  bar  noarch  1-1",
        "",
        "upgraded (2)",
        "  foo        x86_64  1-1 → 2-1",
        "  long-name  x86_64  1:1-1 → 1:1-2",
        "",
        "1 added, 1 removed, 2 upgraded; 3 → 3 packages, 3.0 kB → 3.0 kB",
    ]


@pytest.mark.promise("3.9", "lock diff writes Markdown for a merge request, and what packages say has no meaning there")
def test_markdown_tables_cannot_be_left() -> None:
    hostile = rpm("foo 1-1.x86_64", license="a|b`c\n\\|d @all [x](y) <script>")
    lines = list(lock_diff.markdown(difference(lock(FOO), lock(hostile)), lock(FOO), lock(hostile)))
    row = lines[-1]
    assert row == "| `foo` | `x86_64` | `MIT` | `a¦b'c\N{REPLACEMENT CHARACTER}\\¦d @all [x](y) <script>` |"
    assert "**relicensed** (1)" in lines


def test_json_holds_all_of_it() -> None:
    before, after = sample()
    found = json.loads(json.dumps(lock_diff.document(difference(before, after), before, after)))
    assert found["equal"] is False
    assert found["counts"]["upgraded"] == 2
    assert [entry["kinds"] for entry in found["packages"]] == [["removed"], ["upgraded"], ["upgraded"], ["added"]]
    assert found["packages"][3]["after"]["license"] == "a|b`c\n\\|d"
    assert found["packages"][3]["before"] is None


def test_every_kind_has_a_section() -> None:
    assert [kind.value for kind in Kind] == [
        "added", "removed", "upgraded", "downgraded", "rebuilt", "relicensed", "re-signed", "moved",
    ]  # fmt: skip
