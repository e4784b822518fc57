"""Which package is there for what, from what rpm says of the installed ones."""

from __future__ import annotations

import random

import pytest

from hermetic_rpm.lock.lockfile import InstalledRow
from stages.resolver import edges
from stages.resolver.capability import Capability, capability, meet, named
from stages.resolver.loop import Requirements

LT, LE, EQ, GE, GT = 2, 10, 8, 12, 4


@pytest.mark.parametrize(
    ("required", "provided", "expected"),
    [
        ((0, ""), (EQ, "1-1"), True),
        ((GE, "1"), (0, ""), True),
        ((GE, "1"), (EQ, "1-1"), True),
        ((GE, "1.1"), (EQ, "1.0-1"), False),
        ((GT, "1"), (EQ, "1-5"), False),
        ((GT, "1-4"), (EQ, "1-5"), True),
        ((EQ, "1"), (EQ, "1-5"), True),
        ((EQ, "1-4"), (EQ, "1-5"), False),
        ((LT, "2"), (EQ, "2~rc1-1"), True),
        ((LT, "2"), (EQ, "2-1"), False),
        ((LE, "2"), (EQ, "2-1"), True),
        ((GE, "1:1"), (EQ, "2-1"), False),
        ((GE, "2"), (EQ, "1:1-1"), True),
        ((EQ, "0:1-1"), (EQ, "1-1"), True),
        ((GE, "2"), (LE, "2"), True),
        ((GE, "3"), (LE, "2"), False),
        ((LT, "1"), (GT, "2"), False),
        ((GT, "1"), (GT, "2"), True),
    ],
)
def test_versions_meet_as_in_rpm(required: tuple[int, str], provided: tuple[int, str], *, expected: bool) -> None:
    one, other = (Capability(name="x", sense=sense, version=version) for sense, version in (required, provided))
    assert (meet(one, other), meet(other, one)) == (expected, expected)


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("make", [("make", 0, "")]),
        ("gcc >= 4", [("gcc", GE, "4")]),
        ("perl(Foo::Bar) = 1:2-3", [("perl(Foo::Bar)", EQ, "1:2-3")]),
        ("(gcc-c++ or clang)", [("gcc-c++", 0, ""), ("clang", 0, "")]),
        ("(a >= 1 with a < 2)", [("a", GE, "1"), ("a", LT, "2")]),
        ("((perl(A) and b) or (c and lib.so.1(X)(64bit)))",
         [("perl(A)", 0, ""), ("b", 0, ""), ("c", 0, ""), ("lib.so.1(X)(64bit)", 0, "")]),
        ("(langpack if (x or y))", [("langpack", 0, "")]),
        ("(a if b else c)", [("a", 0, ""), ("c", 0, "")]),
        ("(a unless b)", [("a", 0, "")]),
        ("((a if b) and c)", [("a", 0, ""), ("c", 0, "")]),
        ("(a without b)", [("a", 0, "")]),
        ("((((", []),
        ("))))", [("))))", 0, "")]),
        ("(a", [("a", 0, "")]),
        ("(a))) b", [("a", 0, ""), ("b", 0, "")]),
        ("", []),
    ],
)  # fmt: skip
def test_requirements_name_capabilities(requirement: str, expected: list[tuple[str, int, str]]) -> None:
    assert [(one.name, one.sense, one.version) for one in named(requirement)] == expected


def test_flags_that_are_no_number_mean_any_version() -> None:
    assert capability("x", "(none)", "1") == Capability(name="x", version="1")
    assert capability("x", str(GE | 1 << 9), "1") == Capability(name="x", sense=GE, version="1")


def row(name: str) -> InstalledRow:
    return (name, "x86_64", "MIT", "1", "1", "(none)", f"md5 of {name}", "(none)")


def package(name: str, *lines: str) -> str:
    """rpm's answer for a package; a line is its kind and its values, separated by blanks where it has versions."""
    own = f"P\t{name}\tx86_64\t1\t1\t(none)\tmd5 of {name}\nV\t{name}\t8\t1-1\n"
    return own + "".join(f"{line}\n" for line in lines)


def find(answer: str, names: str, **asked: tuple[str, ...]) -> edges.RequirementEdges:
    rows = tuple(row(name) for name in names.split())
    minimal = tuple(row(name) for name in asked.get("minimal", ()))
    return edges.edges(
        answer, rows, minimal=minimal, buildroot=asked.get("buildroot", ()),
        requirements=Requirements(static=asked.get("static", ()), dynamic=asked.get("dynamic", ())),
    )  # fmt: skip


def test_a_requirement_leads_to_all_that_satisfy_it() -> None:
    answer = (
        package("a", "R\tlib\t12\t1", "R\tlib\t12\t2", "R\trpmlib(X)\t16777226\t1-1", "R\t(none)\t(none)\t(none)")
        + package("b", "V\tlib\t8\t1.5", "R\t(c and d)\t0\t")
        + package("c", "V\tlib\t8\t2.0", "R\tc\t0\t", "R\tnowhere\t0\t")
        + package("d", "R\ta\t8\t2")
    )
    assert find(answer, "a b c d").packages == ((1, 2), (2, 3), (), ())


@pytest.mark.parametrize(
    ("required", "held", "expected"),
    [
        ("/usr/bin/sh", "/usr/bin/sh", (1,)),
        ("/bin/sh", "/usr/bin/sh", (1,)),
        ("/usr/sbin/sh", "/usr/bin/sh", (1,)),
        ("/lib64/x", "/usr/lib64/x", (1,)),
        ("/bin/sh", "/usr/lib/sh", ()),
        ("/etc/sh", "/usr/etc/sh", ()),
        ("/bin", "/usr/bin", ()),
    ],
)
def test_a_file_is_found_by_its_names(required: str, held: str, expected: tuple[int, ...]) -> None:
    answer = package("a", f"R\t{required}\t0\t") + package("b", f"F\t{held}", "F\t/other")
    assert find(answer, "a b").packages[0] == expected


def test_who_provides_a_path_comes_before_who_holds_it() -> None:
    answer = package("a", "R\t/bin/sh\t0\t") + package("b", "V\t/bin/sh\t0\t") + package("c", "F\t/bin/sh")
    assert find(answer, "a b c").packages[0] == (1,)


def test_build_requirements_are_parallel_to_their_rows() -> None:
    answer = package("a") + package("b", "F\t/usr/bin/b")
    found = find(answer, "a b", static=("(a or b)", "/usr/bin/b", "nowhere"), dynamic=("a = 1",))
    assert (found.static, found.dynamic) == (((0, 1), (1,), ()), ((0,),))


def test_public_keys_and_odd_lines_are_passed_over() -> None:
    answer = "P\tgpg-pubkey\t(none)\t1\t1\t(none)\t(none)\nR\ta\t0\t\n" + package("a", "R\ttoo\tfew", "", "?", "P\tx")
    assert find(answer, "a").packages == ((),)


def test_a_group_brought_what_nothing_else_leads_to() -> None:
    answer = (
        package("bash", "R\tlibc\t0\t")
        + package("libc", "R\tbash\t0\t")  # a cycle at the top: one of it stands for both
        + package("gcc", "R\tlibc\t0\t", "R\tcpp\t0\t")
        + package("cpp")
        + package("later", "R\tgcc\t0\t")  # installed for a build requirement
    )
    names = "bash libc gcc cpp later"
    minimal = ("bash", "libc", "gcc", "cpp", "gone")
    (group,) = find(answer, names, minimal=minimal, buildroot=("@build",)).buildroot
    assert (group.name, group.rows) == ("@build", (2,))
    plain = find(answer, names, minimal=minimal, buildroot=("cpp", "@build")).buildroot
    assert [(entry.name, entry.rows) for entry in plain] == [("cpp", (3,)), ("@build", (2,))]
    assert [entry.name for entry in find(answer, names, minimal=minimal, buildroot=("gcc", "@build")).buildroot] == [
        "gcc"
    ]


def test_from_what_a_group_brought_everything_can_be_reached() -> None:
    source = random.Random(3)
    for _ in range(50):
        count = source.randint(1, 30)
        names = [f"p{number:02}" for number in range(count)]
        answer = "".join(
            package(name, *(f"R\t{other}\t0\t" for other in source.sample(names, source.randint(0, min(3, count)))))
            for name in names
        )
        found = find(answer, " ".join(names), minimal=tuple(names), buildroot=("@g",))
        (group,) = found.buildroot
        everything = frozenset(range(count))
        assert edges._reached(group.rows, found.packages, everything) == everything
        for left_out in group.rows:
            others = [row for row in group.rows if row != left_out]
            assert left_out not in edges._reached(others, found.packages, everything)
