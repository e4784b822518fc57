"""The chains of requirements that lead to a package."""

from __future__ import annotations

import pytest

from hermetic_rpm.errors import EdgesMissing, PackageNotLocked
from hermetic_rpm.lock.model import BuildrootEntry, RequirementEdges
from hermetic_rpm.runner import lock_why
from tests.support.whole_locks import lock, rpm

NAMES = ("base", "compiler", "library", "linker", "lonely", "tool")
BASE, COMPILER, LIBRARY, LINKER, LONELY, TOOL = range(6)
EDGES = RequirementEdges(
    buildroot=(BuildrootEntry(name="@build", rows=(BASE, TOOL)),),
    static=((COMPILER,), ()),
    dynamic=(),
    packages=((), (LIBRARY, LINKER), (LINKER,), (COMPILER, LIBRARY), (), (LIBRARY,)),
)
SAMPLE = lock(*(rpm(f"{name} 1-1.x86_64") for name in NAMES), edges=EDGES, static_requirements=("cc >= 4", "rich"))


def ask(package: str) -> list[str]:
    return [line.replace("-1-1.x86_64", "") for line in lock_why.text(SAMPLE, lock_why.answers(SAMPLE, package))]


@pytest.mark.promise("3.9", "lock why tells the requirement chain from the BuildRequires down to a package")
def test_the_shortest_chains_from_the_spec_and_from_the_buildroot() -> None:
    assert ask("linker") == [
        "linker is there for",
        "  BuildRequires: cc >= 4",
        "    compiler",
        "      linker",
        "  the minimal buildroot: @build",
        "    tool",
        "      library",
        "        linker",
    ]
    assert ask("base") == ["base is there for", "  the minimal buildroot: @build", "    base"]
    assert ask("compiler.x86_64")[1:3] == ["  BuildRequires: cc >= 4", "    compiler"]


def test_what_nothing_leads_to_is_said() -> None:
    assert ask("lonely") == ["lonely is there for", "  nothing that the lock knows: the package manager chose it"]


def test_every_version_of_a_package_is_answered() -> None:
    edges = RequirementEdges(buildroot=(), static=((0, 1),), dynamic=(), packages=((), ()))
    twice = lock(rpm("k 1-1.x86_64"), rpm("k 2-1.x86_64"), edges=edges)
    assert [answer[0].version for answer in lock_why.answers(twice, "k")] == ["1", "2"]
    assert [answer[0].version for answer in lock_why.answers(twice, "k-2-1.x86_64")] == ["2"]


def test_json_has_the_path() -> None:
    (answer,) = lock_why.document(SAMPLE, lock_why.answers(SAMPLE, "library"))["packages"]
    assert answer["chains"][0] == {
        "origin": "BuildRequires", "name": "cc >= 4", "path": ["compiler-1-1.x86_64", "library-1-1.x86_64"],
    }  # fmt: skip


def test_an_unknown_package_is_an_error_with_a_hint() -> None:
    with pytest.raises(PackageNotLocked, match="Did you mean linker"):
        lock_why.answers(SAMPLE, "linkr")


def test_a_lock_without_edges_cannot_answer() -> None:
    with pytest.raises(EdgesMissing):
        lock_why.answers(lock(rpm("a 1-1.x86_64")), "a")
