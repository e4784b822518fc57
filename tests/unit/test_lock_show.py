"""Tables of packages: aligned, fitted, harmless."""

from __future__ import annotations

import pytest

from hermetic_rpm.runner import lock_show, table
from hermetic_rpm.runner.table import Column
from tests.support.whole_locks import lock, rpm, source

LONG = "GPL-2.0-or-later AND LGPL-2.1-or-later AND MIT"
FOO, BAR = rpm("foo 1:2-3.x86_64", license=LONG), rpm("barbecue 1-1.noarch", license="MIT", signature=None)
SAMPLE = lock(FOO, BAR, sources=(source(FOO, size=1_500_000), source(BAR, size=1, repository="demo", key=None)))


@pytest.mark.promise("3.9", "lock show is a sorted, aligned table of package, version, size, licence, repository, key")
def test_the_table_is_sorted_and_aligned() -> None:
    assert list(lock_show.text(SAMPLE, width=200)) == [
        "PACKAGE   VERSION  ARCH      SIZE  LICENCE                                         REPOSITORY  KEY",
        "barbecue  1-1      noarch     1 B  MIT                                             demo        -",
        f"foo       1:2-3    x86_64  1.5 MB  {LONG}  demo        89abcdef01234567",
        "",
        "2 packages; 1.5 MB; repository demo; key 89abcdef01234567; not signed: 1",
        "for hello-1-1.src.rpm on demo",
    ]


def test_the_licence_gives_way_first() -> None:
    lines = list(lock_show.text(SAMPLE, width=80))
    assert lines[0] == "PACKAGE   VERSION  ARCH      SIZE  LICENCE          REPOSITORY  KEY"
    assert lines[2] == "foo       1:2-3    x86_64  1.5 MB  GPL-2.0-or-lat…  demo        89abcdef01234567"


@pytest.mark.parametrize("width", range(30, 120))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = list(lock_show.text(SAMPLE, width=width))
    rows = lines[: lines.index("")]
    assert max(map(len, rows)) <= width
    for title in ("PACKAGE", "VERSION", "SIZE"):
        assert title in rows[0]
    left_out = [line for line in lines if line.startswith("not shown")]
    assert bool(left_out) == (len(rows[0].split()) < 7)


def test_a_narrow_terminal_never_costs_the_name() -> None:
    columns = (Column(title="A", cells=("x" * 50,)), Column(title="B", cells=("y",), spare=1))
    shown, left_out = table.fit(columns, 20)
    assert ([column.title for column in shown], left_out) == (["A"], ("B",))


def test_cells_cannot_steer_the_terminal() -> None:
    (column,) = table.columns(Column(title="L", cells=("a\x1b[31m\nb",)))
    assert column.cells == ("a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b",)


def test_json_holds_everything_uncut() -> None:
    found = lock_show.document(SAMPLE)
    assert [row["name"] for row in found["packages"]] == ["barbecue", "foo"]
    assert found["packages"][1]["license"] == LONG
    assert found["packages"][1]["size"] == 1_500_000
    assert found["packages"][0]["key"] is None
    assert found["totals"] == {
        "packages": 2, "size": 1_500_001, "repositories": ["demo"],
        "keys": ["0123456789abcdef0123456789abcdef01234567"], "unsigned": 1, "bootstrap_packages": 0,
        "bootstrap_size": 0,
    }  # fmt: skip


def test_a_lock_without_sidecar_says_what_it_does_not_know() -> None:
    lines = list(lock_show.text(lock(FOO, with_sidecar=False), width=200))
    assert lines[1].split()[:4] == ["foo", "1:2-3", "x86_64", "-"]
    assert lines[-1] == "no sidecar: sizes, repositories and fingerprints are not known"
