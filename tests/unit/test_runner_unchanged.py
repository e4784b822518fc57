"""The key of a stage, what is believed of what it left, and which stages a run leaves out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from hermetic_rpm import __version__
from hermetic_rpm.errors import NotLocked, OutputRefused, StageFailed, WorkspaceBusy
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.model import BuildOptions, LockedSrpm
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import history, keep, memory, selection, unchanged
from hermetic_rpm.runner.history import History
from hermetic_rpm.runner.memory import Finished
from hermetic_rpm.runner.outcome import Outcome
from hermetic_rpm.runner.plan import Bind, Expectation, Plan, StagePlan
from hermetic_rpm.runner.record import StageImage, StageRecord
from tests.support import locks

pytestmark = pytest.mark.promise("6.1", "stages whose inputs did not change are skipped")

IMAGE = "sha256:" + "1" * 64


def stage(tmp_path: Path, name: str = "builder", **changes: Any) -> StagePlan:
    output = tmp_path / name
    output.mkdir(exist_ok=True)
    (tmp_path / "srpm").write_bytes(b"srpm")
    (tmp_path / "targets").mkdir(exist_ok=True)
    (tmp_path / "targets/x.yaml").write_text("x")
    plan = StagePlan(
        name=name, kind=name, image="localhost/x:latest", arguments=("--srpm", "/srpm"), network="none",
        capabilities=("SETUID",), environment=(("A", "b"),), expects=(), output=output, directories=(output,),
        binds=(
            Bind(source=tmp_path / "srpm", target="/srpm", read_only=True),
            Bind(source=tmp_path / "targets", target="/targets", read_only=True),
            Bind(source=output, target="/results", read_only=False),
        ),
    )  # fmt: skip
    return replace(plan, **changes)


def key(plan: StagePlan, image: str = IMAGE, told: tuple[str, ...] = ()) -> str:
    return unchanged.key(plan, image, told, {})


# -- the key ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"arguments": ("--srpm", "/srpm", "--createrepo=yes")},
        {"environment": (("A", "c"),)},
        {"kind": "builder"},
        {"network": "default"},
        {"capabilities": ()},
        {"memory": 1 << 30},
        {"binds": ()},
    ],
)
def test_what_is_declared_decides(tmp_path: Path, changes: dict[str, Any]) -> None:
    plan = stage(tmp_path, kind="resolver")
    assert key(plan) != key(replace(plan, **changes))


def test_image_and_expectations_decide(tmp_path: Path) -> None:
    plan = stage(tmp_path)
    assert len({key(plan), key(plan, "sha256:" + "2" * 64), key(plan, told=("--expect", "srpm=0"))}) == 3


def test_the_version_of_the_tool_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(stage(tmp_path))
    monkeypatch.setattr(unchanged, "__version__", f"{__version__}.1")
    assert key(stage(tmp_path)) != before


def test_what_is_mounted_decides_wherever_it_lies(tmp_path: Path) -> None:
    plan = stage(tmp_path)
    before = key(plan)
    (tmp_path / "srpm").write_bytes(b"other")
    other = key(plan)
    (tmp_path / "srpm").write_bytes(b"srpm")
    assert key(plan) == before != other
    (tmp_path / "targets/sub").mkdir()
    (tmp_path / "targets/sub/y.yaml").symlink_to("../x.yaml")
    linked = key(plan)
    (tmp_path / "targets/sub/y.yaml").unlink()
    (tmp_path / "targets/x.yaml").chmod(0o755)
    assert len({before, other, linked, key(plan)}) == 4
    (tmp_path / "elsewhere").mkdir()
    assert key(stage(tmp_path / "elsewhere")) == before


def test_a_link_given_as_a_file_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "srpm")
    plan = stage(tmp_path, binds=(Bind(source=tmp_path / "link", target="/srpm", read_only=True),))
    before = key(plan)
    (tmp_path / "srpm").write_bytes(b"other")
    assert key(plan) != before


def test_neither_time_nor_place_of_the_scratch_nor_an_origin_decides(tmp_path: Path) -> None:
    plan = stage(tmp_path)
    assert key(plan) == key(replace(plan, timeout=5, scratch_in_memory=True))
    kept = keep.with_kept(Plan(stages=(plan,), files=()), tmp_path / "kept").stages[0]
    assert kept != plan
    assert key(kept) == key(plan)
    demo = tmp_path / "demo"
    demo.mkdir()
    from_demo = replace(plan, binds=(*plan.binds, Bind(source=demo, target="/demo", read_only=True, origin=True)))
    before = key(from_demo)
    (demo / "a.rpm").write_bytes(b"a")
    assert key(from_demo) == before != key(plan)


def test_a_stage_before_counts_by_what_it_made_and_not_by_its_notes(tmp_path: Path) -> None:
    lock = tmp_path / "resolver"
    plan = replace(stage(tmp_path), binds=(Bind(source=lock, target="/lock", read_only=True),))
    done = leave(stage(tmp_path, "resolver"), {"lock.json": b"lock", "keys/a.asc": b"key", "resolver.log": b"12:00"})
    claimed = unchanged.key(plan, IMAGE, (), {lock: unchanged.of_outputs(done.outputs)})
    assert claimed == unchanged.key(plan, IMAGE, (), {})
    (lock / "resolver.log").write_bytes(b"13:00")
    assert claimed == unchanged.key(plan, IMAGE, (), {})
    (lock / "lock.json").write_bytes(b"other")
    assert claimed != unchanged.key(plan, IMAGE, (), {})


# -- what it left -------------------------------------------------------------------------


def leave(plan: StagePlan, files: Mapping[str, bytes], **changes: Any) -> Outcome:
    """What a stage leaves that made these files."""
    for name, content in files.items():
        (plan.output / name).parent.mkdir(exist_ok=True)
        (plan.output / name).write_bytes(content)
    outputs = [
        {"path": name, "size": len(content), "sha256": sha256_of(plan.output / name)}
        for name, content in files.items()
    ]  # fmt: skip
    document = {
        "schema_version": "1.0.0", "stage": plan.kind, "tool_version": "0", "status": "ok", "error": None, "inputs": {},
        "outputs": outputs, "timings_seconds": {}, "facts": {},
    }  # fmt: skip
    (plan.output / "result.json").write_text(json.dumps(document | changes))
    done = unchanged.left(plan, sha256_of(plan.output / "result.json"))
    assert done is not None
    return done


def remembered(place: Path, plan: StagePlan, done: Outcome, found: str | None = None) -> None:
    image = StageImage(reference=plan.image, id=IMAGE, digest=IMAGE)
    record = StageRecord(name=plan.name, kind=plan.kind, image=image, result=done.result)
    place.mkdir(exist_ok=True)
    memory.remember(place, plan, Finished(key=found or key(plan), record=record))


def is_skipped(past: History, plan: StagePlan, offers: Any = None) -> bool:
    return isinstance(past.judged(plan, past.key(plan, IMAGE, ()), lambda: offers), history.Unchanged)


def test_a_stage_is_skipped_while_nothing_changed(tmp_path: Path) -> None:
    plan, place = stage(tmp_path), tmp_path / "state"
    assert not is_skipped(History(place), plan)
    done = leave(plan, {"a.rpm": b"a"})
    remembered(place, plan, done)
    assert memory.recall(place, plan) is not None
    assert is_skipped(History(place), plan)
    assert not is_skipped(History(), plan)
    assert not is_skipped(History(place, force=True), plan)
    assert not is_skipped(History(place, forced="builder"), plan)
    assert not is_skipped(History(place), replace(plan, arguments=()))
    assert not is_skipped(History(place), replace(plan, name="other"))
    History(place).begins(plan)
    assert not is_skipped(History(place), plan)


@pytest.mark.parametrize("harm", ["altered", "missing", "link", "result", "failed"])
def test_what_is_not_as_it_was_left_is_made_again(tmp_path: Path, harm: str) -> None:
    plan, place = stage(tmp_path), tmp_path / "state"
    remembered(place, plan, leave(plan, {"a.rpm": b"a"}))
    made, result = plan.output / "a.rpm", plan.output / "result.json"
    if harm == "altered":
        made.write_bytes(b"b")
    elif harm == "missing":
        made.unlink()
    elif harm == "link":
        made.rename(tmp_path / "a.rpm")
        made.symlink_to(tmp_path / "a.rpm")
    elif harm == "result":  # somebody builds something else and says so
        made.write_bytes(b"b")
        leave(plan, {"a.rpm": b"b"})
    else:
        result.write_text(result.read_text().replace('"ok"', '"failed"'))
    assert not is_skipped(History(place), plan)


def test_a_stranger_beside_the_packages_of_a_repository_makes_the_fetcher_look(tmp_path: Path) -> None:
    plan, place = stage(tmp_path, "fetcher"), tmp_path / "state"
    remembered(place, plan, leave(plan, {"a.rpm": b"a", "keys/a.asc": b"a"}))
    (plan.output / ".made.json").write_text("[]")
    assert is_skipped(History(place), plan)
    (plan.output / "keys/stranger").symlink_to("/etc")
    assert not is_skipped(History(place), plan)


@pytest.mark.parametrize("options", [("--policy", "/p.yaml"), ("--policy=/p.yaml",), ("--sources", "/sources")])
def test_a_fetcher_with_a_policy_or_sources_always_runs(tmp_path: Path, options: tuple[str, ...]) -> None:
    plan, place = stage(tmp_path, "fetcher", arguments=options), tmp_path / "state"
    remembered(place, plan, leave(plan, {"a.rpm": b"a"}))
    assert not is_skipped(History(place), plan)


def test_a_resolver_is_skipped_only_while_its_origins_offer_the_same(tmp_path: Path) -> None:
    plan, place = stage(tmp_path, "resolver"), tmp_path / "state"
    offers = {"image": "sha256:1", "repositories": {"a": "1"}, "keys": {}}
    remembered(place, plan, leave(plan, {"lock": b"a"}, facts={"offers": offers}))
    assert is_skipped(History(place), plan, offers)
    assert not is_skipped(History(place), plan, {**offers, "repositories": {"a": "2"}})
    assert not is_skipped(History(place), plan, None)  # nobody could tell
    remembered(place, plan, leave(plan, {"lock": b"a"}))
    assert not is_skipped(History(place), plan, None)


def test_nothing_is_skipped_on_the_word_of_a_stage_that_lied(tmp_path: Path) -> None:
    plan, place = stage(tmp_path), tmp_path / "state"
    remembered(place, plan, leave(plan, {"a.rpm": b"a"}))
    before = stage(tmp_path, "fetcher")
    done = leave(before, {"b.rpm": b"b"})
    past = History(place)
    image = StageImage(reference="x", id=IMAGE, digest=IMAGE)
    past.ended(before, None, StageRecord(name="fetcher", kind="fetcher", image=image, result=done.result), done)
    (before.output / "b.rpm").write_bytes(b"other")
    with pytest.raises(StageFailed, match=r"b\.rpm is not what the fetcher says"):
        is_skipped(past, plan)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": 1, "record": {"image": {}}}', "\xff"])
def test_a_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    plan, place = stage(tmp_path), tmp_path / "state"
    remembered(place, plan, leave(plan, {"a.rpm": b"a"}))
    next(place.glob("*.json")).write_text(content, encoding="latin-1")
    assert memory.recall(place, plan) is None


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (('{"level": "info"}', "[" * 100_000, '{"offers": {"a": 1}}'), {"a": 1}),
        (("offers", '"offers"', "{}"), None),
    ],
)
def test_the_answer_of_a_resolver_is_found_among_what_it_prints(lines: tuple[str, ...], answer: object) -> None:
    assert history._answer(lines) == answer


# -- where it is remembered ---------------------------------------------------------------


def test_another_run_in_the_same_directories_is_refused(tmp_path: Path) -> None:
    plan, place = stage(tmp_path), tmp_path / "state"
    with memory.held(place, (plan,)):
        other = stage(tmp_path, "resolver")
        with pytest.raises(WorkspaceBusy, match=str(plan.output)), memory.held(place, (other, plan)):
            pass
        with memory.held(place, (other,)):
            pass
    with memory.held(place, (plan,)):
        assert place.stat().st_mode & 0o777 == 0o700


def test_what_a_stage_could_write_is_no_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = stage(tmp_path)
    place = plan.output / "state"
    with pytest.raises(OutputRefused), memory.held(place, (plan,)):
        pass
    past = History(place)
    with past.held(Plan(stages=(plan,), files=()), Progress(stage="hermetic-rpm")):
        assert past.key(plan, IMAGE, ()) is None
    assert not place.exists()
    assert "No stage will be skipped" in capsys.readouterr().err


def test_the_memory_is_where_the_user_has_such_things() -> None:
    assert memory.directory({"XDG_STATE_HOME": "/state"}) == Path("/state/hermetic-rpm")
    assert memory.directory({}).parts[-3:] == (".local", "state", "hermetic-rpm")


# -- which stages -------------------------------------------------------------------------


def plan_of(tmp_path: Path) -> Plan:
    return Plan(stages=tuple(stage(tmp_path, name) for name in ("resolver", "fetcher", "builder")), files=())


def names(plan: Plan) -> tuple[str, ...]:
    return tuple(stage.name for stage in plan.stages)


def test_from_and_until_cut_the_plan(tmp_path: Path) -> None:
    whole = plan_of(tmp_path)
    assert selection.between(whole, None, None) == whole
    assert names(selection.between(whole, "fetcher", None)) == ("fetcher", "builder")
    assert names(selection.between(whole, None, "fetcher")) == ("resolver", "fetcher")
    cut = selection.between(whole, "builder", "builder")
    assert (names(cut), [stage.name for stage in cut.left_out]) == (("builder",), ["resolver", "fetcher"])


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("fecher", None, "--from fecher: .*did you mean fetcher"),
        (None, "x", "--until x: .*there are: resolver, fetcher, builder"),
        ("builder", "resolver", "nothing would run"),
    ],
)
def test_stages_that_there_are_not_are_told(tmp_path: Path, first: str | None, last: str | None, says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        selection.between(plan_of(tmp_path), first, last)


def test_locked_needs_a_lock_and_something_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotLocked, match="There is no lockfile"):
        selection.locked(plan_of(tmp_path), BuildOptions())
    others = replace(plan_of(tmp_path), stages=plan_of(tmp_path).stages[1:])
    assert selection.locked(others, BuildOptions()) == others


def locked_plan(tmp_path: Path, **changes: Any) -> Plan:
    """A plan whose resolver left a lock of the source RPM."""
    plan = stage(
        tmp_path, "resolver", expects=(Expectation(role="srpm", path=tmp_path / "srpm"),),
        arguments=("--target", "demo"), **changes,
    )  # fmt: skip
    found = locks.locked()
    srpm = LockedSrpm(name="srpm", sha256=sha256_of(tmp_path / "srpm"), size=4)
    locks.write(plan.output, found, locks.beside(found, srpm=srpm, build_options=BuildOptions(with_=("x",))))
    return Plan(stages=(plan, stage(tmp_path)), files=())


def test_locked_leaves_out_the_resolver_of_a_lock_that_is_right(tmp_path: Path) -> None:
    found = selection.locked(locked_plan(tmp_path), BuildOptions(with_=("x",)))
    assert (names(found), [stage.name for stage in found.left_out]) == (("builder",), ["resolver"])


def test_locked_refuses_a_lock_of_something_else(tmp_path: Path) -> None:
    plan, options = locked_plan(tmp_path), BuildOptions(with_=("x",))
    resolver = plan.stages[0]

    def refused(stage: StagePlan, options: BuildOptions = options) -> str:
        with pytest.raises(NotLocked) as caught:
            selection.locked(replace(plan, stages=(stage, plan.stages[1])), options)
        return f"{caught.value.reason} {caught.value.solution}"

    assert "with other options" in refused(resolver, BuildOptions())
    assert "for the target demo, not for other" in refused(replace(resolver, arguments=("--target", "other")))
    assert f"-p srpm={resolver.output}/srpm" in refused(replace(resolver, expects=()))
    (tmp_path / "srpm").write_bytes(b"another")
    assert "but srpm has" in refused(resolver)
    (resolver.output / "buildroot_lock.sources.json").unlink()
    assert "has no sidecar" in refused(resolver)


def test_locked_alone_leaves_nothing_to_run(tmp_path: Path) -> None:
    plan = locked_plan(tmp_path)
    with pytest.raises(click.UsageError, match="nothing would run"):
        selection.locked(replace(plan, stages=plan.stages[:1]), BuildOptions(with_=("x",)))
