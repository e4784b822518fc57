"""Many source RPMs: the order that is guessed, workspaces, the table, the lines of each."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import (
    DamagedRpm,
    Interrupted,
    PipelineInvalid,
    SpecFailed,
    SrpmsCollide,
    TargetInvalid,
    UnsatisfiedRequirement,
    WorkspaceBusy,
)
from hermetic_rpm.progress import JSON, Progress
from hermetic_rpm.result import Output
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.runner import chain, chain_run, execute, local_repository, many, packages, verdict_table
from hermetic_rpm.runner.chain_run import ChainRun, Tools
from hermetic_rpm.runner.execute import Report
from hermetic_rpm.runner.history import History
from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.local_repository import Made
from hermetic_rpm.runner.many import BUILT, FAILED, NOT_RUN, STOPPED, UNCHANGED, Crew, Verdict, Work
from hermetic_rpm.runner.packages import Package
from hermetic_rpm.runner.plan import Bind, Plan, StagePlan
from hermetic_rpm.target import load

TARGET = Path(__file__).resolve().parents[2] / "targets/demo-dnf5-x86_64.yaml"


def package(name: str, *requires: str) -> Package:
    return Package(name=name, nvr=f"{name}-1-1", srpm=Path(f"/{name}.src.rpm"), sha256="0" * 64, requires=requires)


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("foo", "foo"),
        ("foo-devel", "foo"),
        ("foo(x86-64)", "foo"),
        ("Foo-Bar-doc", "foo-bar"),
        ("pkgconfig(foo)", "foo"),
        ("perl(Foo::Bar)", "perl-foo-bar"),
        ("perl(Foo::Baz)", None),
        ("food", None),
        ("/usr/bin/foo", None),
    ],
)
def test_a_requirement_is_guessed_to_be_of_the_longest_name(requirement: str, name: str | None) -> None:
    assert chain.guess(requirement, ("foo", "foo-bar", "perl-foo-bar")) == name


def test_who_needs_whom_and_nobody_itself() -> None:
    found = chain.needs((package("a", "a-devel"), package("b", "(a-devel >= 1 or c)", "gcc"), package("c")))
    assert found == {"a-1-1": frozenset(), "b-1-1": {"a-1-1", "c-1-1"}, "c-1-1": frozenset()}


def test_waves_and_cycles() -> None:
    needs = chain.needs((package("a", "c"), package("b", "a"), package("c", "a"), package("d")))
    assert chain.wave(tuple(needs), tuple(needs), needs) == ("d-1-1",)
    assert chain.cycle(("b-1-1", "a-1-1", "c-1-1"), needs) == ("a-1-1", "c-1-1")
    assert chain.cycle(("b-1-1", "c-1-1"), needs) == ()


def header(monkeypatch: pytest.MonkeyPatch, **fields: str) -> None:
    found = Header(path="", **{"name": "a", "version": "1", "release": "1", **fields})  # type: ignore[arg-type]
    monkeypatch.setattr(rpmfile, "check_source_rpm", lambda _: found)
    monkeypatch.setattr(packages, "sha256_of", lambda _: "0" * 64)


def test_two_source_rpms_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    header(monkeypatch)
    with pytest.raises(SrpmsCollide, match=r"x/a\.src\.rpm and .*y/a\.src\.rpm both are a-1-1"):
        packages.read((Path("x/a.src.rpm"), Path("y/a.src.rpm")))


@pytest.mark.parametrize("name", ["..", "a/b", "", ".a", "a\n"])
def test_a_name_that_is_no_directory_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    header(monkeypatch, name=name)
    with pytest.raises(DamagedRpm):
        packages.read((Path("a.src.rpm"),))


def stage(kind: str, *arguments: str, binds: tuple[Bind, ...] = ()) -> StagePlan:
    return StagePlan(
        name=kind, kind=kind, image=kind, arguments=arguments, network="none", capabilities=(), environment=(),
        binds=binds, directories=(), expects=(), output=Path(f"/w/{kind}"),
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("--cache", "/workspace/cache"), ("--cache=/workspace/cache",)])
def test_all_share_the_cache_of_the_workspace(arguments: tuple[str, ...]) -> None:
    own = Bind(source=Path("/w/a-1-1"), target="/workspace", read_only=False)
    plan = Plan(stages=(stage("fetcher", *arguments, binds=(own,)), stage("builder")), files=())
    fetcher, builder = packages.with_cache(plan, Path("/w")).stages
    assert fetcher.binds == (own, Bind(source=Path("/w/cache"), target="/workspace/cache", read_only=False))
    assert fetcher.directories == (Path("/w/cache"),)
    assert builder == plan.stages[1]


def test_each_has_directories_of_its_own() -> None:
    given = packages.assignments(package("a"), {"output": "out", "target": "t"}, Path("/w"))
    assert given == {"srpm": "/a.src.rpm", "workspace": "/w/a-1-1", "output": "out/a-1-1", "target": "t"}


def test_the_target_of_a_chain_declares_the_repository_first_and_unsigned() -> None:
    text = local_repository.with_repository(TARGET.read_bytes(), "t.yaml")
    first, *others = load.parse(text.encode(), name="t", place="t.yaml").repositories
    assert (first.baseurl, first.gpgcheck, first.priority) == (("file:///chain",), False, 1)
    assert tuple(others) == load.load(TARGET).repositories
    with pytest.raises(TargetInvalid, match="hermetic-rpm-chain"):
        local_repository.with_repository(text.encode(), "t.yaml")


def test_one_chain_at_a_time_uses_the_repository(tmp_path: Path) -> None:
    first, second = (
        local_repository.LocalRepository(tmp_path, stage("builder"), address="", events=Events()) for _ in range(2)
    )
    with first.held(), pytest.raises(WorkspaceBusy), second.held():
        pass
    with second.held():
        pass


def test_source_rpms_are_not_offered() -> None:
    outputs = [Output(path=name, size=1, sha256="0" * 64) for name in ("a.rpm", "a.src.rpm", "b.nosrc.rpm", "x.log")]
    assert [rpm.path for rpm in local_repository.made("a", Path("/r"), outputs).rpms] == ["a.rpm"]


def test_a_chain_needs_a_builder_at_the_end() -> None:
    with pytest.raises(PipelineInvalid):
        local_repository.builder_of(Plan(stages=(stage("resolver"), stage("fetcher")), files=()))


class Repository:
    """What the packages of a chain are offered, as a set of names."""

    def publish(self, results: list[Made]) -> str:
        return " ".join(sorted(one.package for one in results))


class World:
    """Packages of which each builds once what it lacks is offered; the rounds that were run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lacks: dict[str, str], fails: tuple[str, ...] = ()) -> None:
        self.lacks, self.fails, self.rounds = lacks, fails, list[tuple[str, ...]]()
        monkeypatch.setattr(Crew, "run", self.run)
        self.run_of: ChainRun | None = None

    def chain(self, *found: Package, keep_going: bool = False) -> dict[str, str]:
        crew = Crew(
            address="", events=Events(), voice=Progress(stage="t", stream=io.StringIO()), jobs=1,
            keep_going=keep_going, named=True,
        )  # fmt: skip
        plan = Plan(stages=(stage("builder"),), files=())
        tools = Tools(
            crew=crew,
            repository=Repository(),  # type: ignore[arg-type]
            work=lambda name, _first: Work(package=name, plan=plan, history=History()),
        )
        self.run_of = ChainRun(tuple(one.nvr for one in found), chain.needs(found), tools, ())
        return {verdict.package: verdict.result for verdict in self.run_of.run()}

    def run(self, works: list[Work], *, forgive_lack: bool) -> tuple[Verdict, ...]:
        assert forgive_lack
        assert self.run_of is not None
        offered = self.run_of._present.split()
        self.rounds.append(tuple(work.package for work in works))
        return tuple(self.verdict(work.package, offered) for work in works)

    def verdict(self, name: str, offered: list[str]) -> Verdict:
        if name in self.fails:
            return Verdict(package=name, result=FAILED, error=SpecFailed("bad"))
        if self.lacks.get(name, name) not in (name, *offered):
            return Verdict(package=name, result=FAILED, error=UnsatisfiedRequirement("lacking"))
        report = Report(seconds=(), total=1, kind="builder", directory=Path("/r"), outputs=())
        return Verdict(package=name, result=BUILT, report=report)


def test_a_chain_is_built_in_the_guessed_order_and_asked_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {})
    found = world.chain(package("c", "b-devel"), package("b", "a"), package("a"))
    assert set(found.values()) == {BUILT}
    assert world.rounds == [("a-1-1",), ("b-1-1",), ("c-1-1",), ("c-1-1", "b-1-1", "a-1-1")]


def test_what_lacks_something_is_tried_again_after_another_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"c-1-1": "b-1-1"})
    assert set(world.chain(package("c", "virtual"), package("b", "a"), package("a")).values()) == {BUILT}
    assert world.rounds[:3] == [("c-1-1", "a-1-1"), ("c-1-1", "b-1-1"), ("c-1-1",)]


def test_what_nobody_provides_ends_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"a-1-1": "nobody"})
    found = world.chain(package("b", "a"), package("a"), package("d"))
    assert found == {"b-1-1": NOT_RUN, "a-1-1": FAILED, "d-1-1": BUILT}
    assert world.rounds[:2] == [("a-1-1", "d-1-1"), ("a-1-1",)]


def test_a_cycle_is_tried_since_the_target_may_have_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {})
    assert set(world.chain(package("a", "b"), package("b", "a"), package("c", "a")).values()) == {BUILT}
    assert world.rounds[:2] == [("a-1-1", "b-1-1"), ("c-1-1",)]


def test_who_needs_one_that_failed_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    packages_of_it = (package("c", "b"), package("b", "a"), package("a"), package("d", "e"), package("e"))
    world = World(monkeypatch, {}, fails=("a-1-1",))
    found = world.chain(*packages_of_it, keep_going=True)
    assert found == {"c-1-1": NOT_RUN, "b-1-1": NOT_RUN, "a-1-1": FAILED, "d-1-1": BUILT, "e-1-1": BUILT}
    assert world.chain(*packages_of_it)["d-1-1"] == NOT_RUN


def test_a_chain_that_never_rests_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {})
    numbers = iter(range(100))
    monkeypatch.setattr(Repository, "publish", lambda *_: str(next(numbers)))
    world.chain(package("a"))
    assert len(world.rounds) == 1 + chain_run.MAX_SETTLING
    assert world.run_of is not None
    with pytest.raises(chain_run.ChainUnsettled, match="for a-1-1"):
        world.run_of.require_rest()


def crew_of(monkeypatch: pytest.MonkeyPatch, events: Events, *, jobs: int = 1, keep_going: bool = False) -> Crew:
    def run_at(_address: str, plan: Plan, *, events: Events, voice: Progress, history: History) -> Report:
        name = plan.stages[0].name
        voice.say("at work")
        if name == "bad":
            error = SpecFailed("It does not parse.")
            error.stage = name
            raise error
        if name == "slow":
            slow_is_at_work.set()
            events.take()
        if name == "bad-later":
            slow_is_at_work.wait()
            raise SpecFailed("Too late.")
        return Report(seconds=((name, None),), total=2, kind="builder", directory=Path("/r"), outputs=())

    slow_is_at_work = threading.Event()
    monkeypatch.setattr(execute, "run_at", run_at)
    voice = Progress(stage="hermetic-rpm", stream=io.StringIO())
    return Crew(address="", events=events, voice=voice, jobs=jobs, keep_going=keep_going, named=True)


def works(*names: str) -> list[Work]:
    return [
        Work(package=f"p{n}", plan=Plan(stages=(stage(name),), files=()), history=History())
        for n, name in enumerate(names)
    ]


def test_after_a_failure_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of(monkeypatch, Events())
    assert [one.result for one in crew.run(works("good", "bad", "good"))] == [UNCHANGED, FAILED, NOT_RUN]
    crew = crew_of(monkeypatch, Events(), keep_going=True)
    assert [one.result for one in crew.run(works("good", "bad", "good"))] == [UNCHANGED, FAILED, UNCHANGED]


def test_after_a_failure_those_at_work_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events()
    found = crew_of(monkeypatch, events, jobs=2).run(works("slow", "bad-later", "good"))
    assert {one.package: one.result for one in found} == {"p0": STOPPED, "p1": FAILED, "p2": NOT_RUN}
    assert not events.is_stopped


def test_a_signal_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events()
    crew = crew_of(monkeypatch, events, keep_going=True)
    events.stop("SIGINT")
    assert [one.result for one in crew.run(works("slow", "good"))] == [STOPPED, NOT_RUN]


def test_who_follows_ends_with_the_first_but_not_the_other_way_round() -> None:
    first = Events()
    second = first.follower()
    second.stop("enough")
    first.check()
    first.stop("all")
    with pytest.raises(Interrupted, match="all"):
        first.follower().take(timeout=1)


def test_lines_name_their_package() -> None:
    stream = io.StringIO()
    voice = Progress(stage="hermetic-rpm", stream=stream).of_package("a-1-1")
    voice.lines(("resolver: round 1",))
    voice.say("done")
    assert stream.getvalue() == "a-1-1: resolver: round 1\na-1-1: hermetic-rpm: done\n"


def test_json_lines_have_their_package_whatever_was_printed() -> None:
    stream = io.StringIO()
    voice = Progress(stage="hermetic-rpm", log_format=JSON, stream=stream).of_package("a-1-1")
    voice.lines(('{"stage": "builder", "level": "info", "message": "x", "package": "forged"}', "no JSON", "[1]"))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert told[0] == {"stage": "builder", "level": "info", "message": "x", "package": "a-1-1"}
    assert [(line["level"], line["message"], line["package"]) for line in told[1:]] == [
        ("output", "no JSON", "a-1-1"), ("output", "[1]", "a-1-1"),
    ]  # fmt: skip


def verdicts() -> tuple[Verdict, ...]:
    error = SpecFailed("It does not parse.")
    error.stage = "resolver"
    report = Report(
        seconds=(), total=3, kind="builder", directory=Path("/w/a"),
        outputs=((Path("/w/a/a.rpm"), Output(path="a.rpm", size=1, sha256="0" * 64)),),
    )  # fmt: skip
    return (
        Verdict(package="a-1-1", result=BUILT, seconds=3.14, report=report),
        Verdict(package="b-1-1", result=FAILED, seconds=1, error=error, log=Path("/w/b/resolver.log")),
        Verdict(package="c-1-1", result=NOT_RUN, why="needs b-1-1"),
    )


def test_the_table_names_stage_code_and_log() -> None:
    assert verdict_table.table(verdicts(), width=100) == (
        "package  result   stage     code   time  RPMs  log",
        "a-1-1    built    -            -  3.1 s     1",
        "b-1-1    failed   resolver    14  1.0 s     -  /w/b/resolver.log",
        "c-1-1    not run  -            -      -     -  needs b-1-1",
    )


def test_programs_get_the_same_as_events() -> None:
    built, failed, left = (fields for _, fields in verdict_table.events(verdicts()))
    assert (built["result"], built["rpms"], built["exit_code"]) == ("built", ["/w/a/a.rpm"], None)
    assert (failed["failed_stage"], failed["exit_code"], failed["log"]) == ("resolver", 14, "/w/b/resolver.log")
    assert (left["result"], left["reason"]) == ("not run", "needs b-1-1")


def test_the_log_of_a_failure_is_that_of_its_stage(tmp_path: Path) -> None:
    error = SpecFailed("bad")
    error.stage = "builder"
    plan = Plan(stages=(StagePlan(**{**_fields(stage("builder")), "output": tmp_path}),), files=())
    assert many._log(plan, error) == tmp_path
    (tmp_path / "root.log").touch()
    assert many._log(plan, error) == tmp_path / "root.log"
    (tmp_path / "build.log").touch()
    assert many._log(plan, error) == tmp_path / "build.log"


def _fields(plan: StagePlan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in StagePlan.__slots__}
