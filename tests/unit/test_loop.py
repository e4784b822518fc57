"""The loop over build requirements, with a package that answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hermetic_rpm.buildroot import rpmbuild
from hermetic_rpm.buildroot.commandlog import CommandLog, open_log
from hermetic_rpm.buildroot.rpmbuild import Demands, PackageRoom
from hermetic_rpm.buildroot.sandbox import Outcome
from hermetic_rpm.errors import ResolveDidNotSettle, SpecFailed, WrongArchitecture
from stages.resolver import loop
from stages.resolver.loop import MAX_ROUNDS, Requirements, Steps, Wish

DYNAMIC = "rpmlib(DynamicBuildRequires) <= 4.15.0-1"
Answer = Callable[[frozenset[str]], tuple[str, ...]]
SETTLES = pytest.mark.promise("2.4", "requirements that never settle are an error that names them")

REPEATED = pytest.mark.promise(
    "3.4", "`--with`, `--without`, `--define` and further requirements are recorded and repeated by the builder"
)
ARCHITECTURE = pytest.mark.promise("3.4", "ExclusiveArch and ExcludeArch are refused early")


class FakePackage:
    """A spec whose requirements depend on what is installed; it records the options of rpmbuild."""

    def __init__(self, static: Answer, dynamic: Answer, *, status: int = 11) -> None:
        self.static, self.dynamic, self.status = static, dynamic, status
        self.installed: frozenset[str] = frozenset()
        self.options: list[tuple[str, ...]] = []
        self.said: list[str] = []
        self.demands = Demands(architecture="x86_64")
        self.wishes: list[Wish] = []

    def install(self, wish: Wish) -> bool:
        self.wishes.append(wish)
        before = self.installed
        self.installed |= set(wish.requirements)
        return self.installed != before

    def requirements(self, _package: PackageRoom, _path: str) -> tuple[str, ...]:
        return self.dynamic(self.installed)

    def all_demands(self, _package: PackageRoom, _path: str) -> Demands:
        return replace(self.demands, requirements=self.static(self.installed))

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
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom, package: FakePackage, path: str | None = "dynamic",
    further: tuple[str, ...] = (),
) -> Requirements:  # fmt: skip
    monkeypatch.setattr(rpmbuild, "source_rpm", lambda _package, _spec: "static")
    monkeypatch.setattr(rpmbuild, "generated_requirements_rpm", lambda _package: path)
    monkeypatch.setattr(rpmbuild, "requirements", package.requirements)
    monkeypatch.setattr(rpmbuild, "demands", package.all_demands)
    monkeypatch.setattr(rpmbuild, "rpmbuild", package.rpmbuild)
    return loop.resolve(room, "x.spec", Steps(install=package.install, say=package.said.append), further)


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
    assert resolve(monkeypatch, room, package).static == ("gcc", "macros", "make")
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


def test_conflicts_stay_in_force_in_every_round(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(lambda _: ("make", DYNAMIC), lambda _: ("gcc",))
    package.demands = Demands(architecture="x86_64", conflicts=("cmake < 3",))
    resolve(monkeypatch, room, package)
    assert {wish.conflicts for wish in package.wishes} == {("cmake < 3",)}
    assert [wish.by for wish in package.wishes] == ["x.spec"] * 2 + ["%generate_buildrequires of x.spec"] * 2


@REPEATED
def test_further_requirements_are_among_those_of_the_spec(monkeypatch: pytest.MonkeyPatch, room: PackageRoom) -> None:
    package = FakePackage(lambda _: ("make",), nothing)
    assert resolve(monkeypatch, room, package, further=("gcc >= 4", "make")).static == ("gcc >= 4", "make")


@ARCHITECTURE
@pytest.mark.parametrize(
    ("demands", "says"),
    [
        (Demands(architecture="x86_64", excluded=("s390x", "x86_64")), "its ExcludeArch names it"),
        (Demands(architecture="x86_64", exclusive=("aarch64", "s390x")), "its ExclusiveArch is aarch64 s390x"),
        (Demands(architecture="noarch", exclusive=("x86_64",)), "for noarch: its ExclusiveArch is x86_64"),
    ],
)
def test_a_package_for_other_architectures_is_refused_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom, demands: Demands, says: str
) -> None:
    package = FakePackage(lambda _: ("make",), nothing)
    package.demands = demands
    with pytest.raises(WrongArchitecture, match=says):
        resolve(monkeypatch, room, package)
    assert package.wishes == []


@ARCHITECTURE
@pytest.mark.parametrize(
    "demands",
    [
        Demands(architecture="x86_64", excluded=("i686",)),
        Demands(architecture="x86_64", exclusive=("aarch64", "x86_64")),
        Demands(architecture="noarch", exclusive=("aarch64", "noarch")),
        Demands(architecture="noarch", excluded=("x86_64",)),  # rpmbuild builds it
    ],
)
def test_a_package_for_the_architecture_passes(
    monkeypatch: pytest.MonkeyPatch, room: PackageRoom, demands: Demands
) -> None:
    package = FakePackage(lambda _: ("make",), nothing)
    package.demands = demands
    assert resolve(monkeypatch, room, package).static == ("make",)
