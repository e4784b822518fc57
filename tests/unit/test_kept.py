"""A buildroot that is kept: whole, described, and entered like the build; or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermetic_rpm.buildroot import kept, rpmbuild
from hermetic_rpm.buildroot.commandlog import open_log
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.errors import BuildFailed, KeptUnusable, OutputRefused, PipelineInvalid
from hermetic_rpm.runner import keep, parameters, pipeline, reproduce
from hermetic_rpm.runner.plan import Bind, Plan, make_plan
from hermetic_rpm.runner.shell_cli import shell_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[PackageRoom]:
    """A buildroot as the builder has it while rpmbuild runs."""
    for name in ("buildroot", "inputs"):
        (tmp_path / "build-x" / name).mkdir(parents=True)
    with open_log(tmp_path / "log") as log:
        yield PackageRoom(root=tmp_path / "build-x/buildroot", architecture="x86_64", log=log, source_date=12,
                          options=("--with", "x"))  # fmt: skip


def test_what_is_kept_is_the_buildroot_and_how_it_was_built(package: PackageRoom, tmp_path: Path) -> None:
    kept.describe(package, "a.spec")
    assert not kept.is_kept(tmp_path)
    kept.keep(tmp_path / "build-x")
    assert kept.is_kept(tmp_path)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["buildroot", "inputs", "kept.json"]
    found = kept.load(tmp_path)
    assert (found.root, found.spec, found.source_date) == (tmp_path / "kept/buildroot", "a.spec", 12)
    assert (found.limits, found.options) == (package.limits, ("--with", "x"))
    assert not (tmp_path / "build-x").exists()


def test_a_buildroot_that_is_not_ready_is_not_kept(package: PackageRoom, tmp_path: Path) -> None:
    assert kept.keep(tmp_path / "build-x") is None
    assert not (tmp_path / "kept").exists()


def test_what_was_kept_is_not_overwritten(package: PackageRoom, tmp_path: Path) -> None:
    kept.refuse_taken(tmp_path)
    (tmp_path / "kept").mkdir()
    with pytest.raises(OutputRefused, match="is there already"):
        kept.refuse_taken(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"spec": "../a.spec"}, {"limits": {"cpu": 1}}, {"source_date": "now"}, {"more": 1}]
)
def test_a_damaged_record_is_refused(package: PackageRoom, tmp_path: Path, changes: dict[str, object]) -> None:
    kept.describe(package, "a.spec")
    kept.keep(tmp_path / "build-x")
    path = tmp_path / "kept/kept.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(KeptUnusable, match=next(iter(changes))):
        kept.load(tmp_path)
    path.unlink()
    with pytest.raises(KeptUnusable, match="cannot be read"):
        kept.load(tmp_path)


def test_the_build_directory_is_found_without_following_links(package: PackageRoom) -> None:
    build = package.root / "builddir/build/BUILD"
    build.mkdir(parents=True)
    assert rpmbuild.build_directory(package) == "/builddir/build/BUILD"
    (build / "a-1").mkdir()
    (build / "link").symlink_to("/etc")
    (build / "file").touch()
    assert rpmbuild.build_directory(package) == "/builddir/build/BUILD/a-1"
    (build / "a-2").mkdir()
    assert rpmbuild.build_directory(package) == "/builddir/build/BUILD"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "a.src.rpm").touch()
    declared = pipeline.load(ROOT / "pipeline.yaml")
    given = {"srpm": "a.src.rpm", "workspace": "workspace", "scratch": "memory"}
    values = parameters.resolve(declared, given, cwd=tmp_path, log_format="json")
    return make_plan(declared, values)


def test_only_the_builder_keeps_and_on_disk(plan: Plan, tmp_path: Path) -> None:
    made = keep.with_kept(plan, tmp_path / "kept")
    assert made.stages[:-1] == plan.stages[:-1]
    builder = made.stages[-1]
    assert builder.arguments == (*plan.stages[-1].arguments, "--keep-buildroot")
    assert builder.binds[-1] == Bind(source=tmp_path / "kept", target="/work", read_only=False)
    assert not builder.scratch_in_memory
    with pytest.raises(PipelineInvalid, match="no builder"):
        keep.with_kept(Plan(stages=plan.stages[:-1], files=()), tmp_path / "kept")


def fail_while_keeping(plan: Plan, home: Path, *left: str) -> None:
    """A run that fails after its builder left these files in ``kept``."""
    with keep.keeping(plan, home, Path("p.yaml")):
        home.mkdir()
        for name in left:
            (home / "kept").mkdir(exist_ok=True)
            (home / "kept" / name).touch()
        raise BuildFailed("no")


def test_an_error_says_how_to_enter_what_was_kept(plan: Plan, tmp_path: Path) -> None:
    home = tmp_path / "a kept one"
    with pytest.raises(BuildFailed) as raised:
        fail_while_keeping(plan, home, kept.RECORD)
    command = f"hermetic-rpm shell '{home}' --pipeline p.yaml --repository {tmp_path}/workspace/repo"
    assert raised.value.__notes__ == [f"Its buildroot is kept; enter it: {command}"]


def test_a_directory_in_which_nothing_was_kept_is_removed(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as raised:
        fail_while_keeping(plan, tmp_path / "kept")
    assert not hasattr(raised.value, "__notes__")
    assert not (tmp_path / "kept").exists()


def test_a_shell_is_confined_like_the_build_and_sees_less(plan: Plan, tmp_path: Path) -> None:
    stage = reproduce.builder_only(pipeline.load(ROOT / "pipeline.yaml")).stages[0]
    made = shell_plan(stage, tmp_path / "kept", tmp_path / "repo", ("ls", "--root"), as_root=False)
    build = plan.stages[-1]
    assert (made.image, made.network, made.capabilities) == (build.image, "none", build.capabilities)
    assert [(bind.source.name, bind.read_only) for bind in made.binds] == [("kept", False), ("repo", True)]
    assert made.arguments[0] == "--shell"
    assert made.arguments[-3:] == ("--", "ls", "--root")
