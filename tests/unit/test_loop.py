"""The loop over build requirements, with a package that answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermetic_rpm.buildroot import rpmbuild
from hermetic_rpm.buildroot.commandlog import CommandLog, open_log
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.buildroot.sandbox import Outcome
from hermetic_rpm.errors import ResolveDidNotSettle, SpecFailed
from stages.resolver import loop
from stages.resolver.loop import MAX_ROUNDS, Requirements, Steps

DYNAMIC = "rpmlib(DynamicBuildRequires) <= 4.15.0-1"
Answer = Callable[[frozenset[str]], tuple[str, ...]]
SETTLES = pytest.mark.promise("2.4", "requirements that never settle are an error that names them")


class FakePackage:
    """A spec whose requirements depend on what is installed; it records the options of rpmbuild."""

    def __init__(self, static: Answer, dynamic: Answer, *, status: int = 11) -> None:
        self.static, self.dynamic, self.status = static, dynamic, status
        self.installed: frozenset[str] = frozenset()
        self.options: list[tuple[str, ...]] = []
        self.said: list[str] = []
        self.conflicts: tuple[str, ...] = ()

    def install(self, wanted: tuple[str, ...]) -> bool:
        before = self.installed
        self.installed |= set(wanted)
        return self.installed != before

    def requirements(self, _package: PackageRoom, path: str) -> tuple[str, ...]:
        return (self.static if path == "static" else self.dynamic)(self.installed)

    def rpmbuild(self, _package: PackageRoom, _spec: str, *options: str) -> Outcome:
        self.options.append(options)
        return Outcome(argv=("rpmbuild",), returncode=self.status)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[PackageRoom]:
    with open_log(tmp_path / "x.log") as log:
        yield PackageRoom(root=tmp_path, architecture="x86_64", log=_typed(log))


def _typed(log: CommandLog) -> CommandLog:
    return log


def resolve(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom, package: FakePackage, path: str | None = "dynamic"
) -> Requirements:
    monkeypatch.setattr(rpmbuild, "source_rpm", lambda _package, _spec: "static")
    monkeypatch.setattr(rpmbuild, "generated_requirements_rpm", lambda _package: path)
    monkeypatch.setattr(rpmbuild, "requirements", package.requirements)
    monkeypatch.setattr(rpmbuild, "conflicts", lambda _package, _path: package.conflicts)
    monkeypatch.setattr(rpmbuild, "rpmbuild", package.rpmbuild)
    return loop.resolve(room, "x.spec", Steps(install=package.install, say=package.said.append))


def nothing(_installed: frozenset[str]) -> tuple[str, ...]:
    return ()


def test_a_plain_package_settles_in_the_round_after_the_first(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom
) -> None:
    package = FakePackage(lambda _installed: ("gcc", "make", "rpmlib(CompressedFileNames) <= 3.0.4-1"), nothing)
    assert resolve(monkeypatch, room, package) == Requirements(static=("gcc", "make"), dynamic=())
    assert package.options == []
    assert len(package.said) == 2
    assert package.said[1].endswith("nothing new")


def test_a_package_that_needs_nothing_is_done_at_once(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(nothing, nothing)
    assert resolve(monkeypatch, room, package) == Requirements(static=(), dynamic=())
    assert len(package.said) == 1


def test_macros_that_a_requirement_brings_bring_requirements(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom
) -> None:
    package = FakePackage(
        lambda installed: ("macros", *(("gcc",) if "macros" in installed else ()), *(("make",) * ("gcc" in installed))),
        nothing,
    )
    assert resolve(monkeypatch, room, package).static == ("macros", "gcc", "make")
    assert "new: gcc" in package.said[1]


@pytest.mark.promise("2.4", "the resolver finds generated build requirements in two rounds and names both in its log")
def test_generated_requirements_may_generate_more(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(
        lambda _installed: ("python3", DYNAMIC),
        lambda installed: ("python3", "setuptools", *(("wheel",) if "setuptools" in installed else ())),
    )
    assert resolve(monkeypatch, room, package) == Requirements(static=("python3",), dynamic=("setuptools", "wheel"))
    assert package.options == [("-br", "--nodeps")] + [("-br", "--nodeps", "--noprep")] * 2
    assert [line for line in package.said if "new: wheel" in line] == [
        "round 2 of %generate_buildrequires: 3 requirements, new: wheel"
    ]


@SETTLES
def test_requirements_that_come_and_go_are_named(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    count = iter(range(100))
    package = FakePackage(lambda _installed: (DYNAMIC,), lambda _installed: ("steady", f"odd{next(count)}"))
    with pytest.raises(ResolveDidNotSettle) as caught:
        resolve(monkeypatch, room, package)
    assert "odd8, odd9" in caught.value.reason
    assert "steady" not in caught.value.reason
    assert len(package.options) == MAX_ROUNDS


@SETTLES
def test_a_spec_that_keeps_asking_for_more_does_not_settle(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(lambda installed: (f"p{len(installed)}",), nothing)
    with pytest.raises(ResolveDidNotSettle, match=f"x.spec did not settle in {MAX_ROUNDS} rounds"):
        resolve(monkeypatch, room, package)


@pytest.mark.parametrize("status", [0, 11])
def test_unmet_generated_requirements_are_no_failure(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom, status: int
) -> None:
    package = FakePackage(lambda _installed: (DYNAMIC,), nothing, status=status)
    assert resolve(monkeypatch, room, package) == Requirements(static=(), dynamic=())


def test_a_failing_generator_is_told(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    with pytest.raises(SpecFailed, match=r"%generate_buildrequires of x\.spec failed"):
        resolve(monkeypatch, room, FakePackage(lambda _installed: (DYNAMIC,), nothing, status=1))


def test_a_generator_that_leaves_no_package_is_told(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    with pytest.raises(SpecFailed, match="made no package with requirements"):
        resolve(monkeypatch, room, FakePackage(lambda _installed: (DYNAMIC,), nothing), path=None)


def test_build_conflicts_are_told_once(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(lambda _: ("make",), lambda _: ())
    package.conflicts = ("cmake < 3",)
    resolve(monkeypatch, room, package)
    assert [line for line in package.said if "cmake < 3" in line] == [package.said[0]]
