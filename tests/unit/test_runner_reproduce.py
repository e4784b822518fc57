"""Building again: which results, inputs and packages are held against which."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import result
from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import InputsDiffer, PipelineInvalid, ResultsUnusable, SrpmMissing
from hermetic_rpm.files import sha256_of
from hermetic_rpm.result import Result
from hermetic_rpm.runner import pipeline, reproduce
from hermetic_rpm.runner.parameters import resolve
from hermetic_rpm.runner.plan import StagePlan, make_plan
from hermetic_rpm.runner.reproduce import Built

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose files have the right names, and the results of a build."""
    for name in ("lock/buildroot_lock.json", "lock/buildroot_lock.sources.json", "srpm/a-1-1.src.rpm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    results = tmp_path / "results"
    results.mkdir()
    for name in ("a-1-1.src.rpm", "a-1-1.noarch.rpm", "b-1-1.noarch.rpm"):
        (results / name).write_text(name)
    inputs = {
        "srpm": sha256_of(tmp_path / "srpm/a-1-1.src.rpm"),
        "lockfile": sha256_of(tmp_path / "lock/buildroot_lock.json"),
        "sidecar": sha256_of(tmp_path / "lock/buildroot_lock.sources.json"),
    }
    outputs = result.outputs_of(results, results.glob("*.rpm"))
    result.write(results, Result(stage="builder", inputs=inputs, outputs=outputs, timings={}))
    return tmp_path


def stage(workspace: Path) -> StagePlan:
    declared = reproduce.builder_only(pipeline.load(ROOT / "pipeline.yaml"))
    given = {"srpm": str(workspace / "srpm/a-1-1.src.rpm"), "workspace": str(workspace)}
    return make_plan(declared, resolve(declared, given, cwd=workspace, log_format="json")).stages[0]


def rewrite(workspace: Path, **changes: Any) -> None:
    path = workspace / "results/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_only_the_output_of_the_stage_is_another(workspace: Path) -> None:
    first = stage(workspace)
    second = reproduce.again(first, reproduce.read(workspace / "results"), workspace / "new")
    assert second.output == workspace / "new"
    assert [bind.source for bind in second.binds if not bind.read_only] == [workspace / "new"]
    assert workspace / "results" not in second.directories
    unchanged = ("image", "arguments", "network", "capabilities", "environment", "expects", "memory", "pids", "timeout")
    assert all(getattr(first, name) == getattr(second, name) for name in unchanged)
    assert [bind.target for bind in first.binds] == [bind.target for bind in second.binds]


def test_an_output_that_lies_below_another_mount_is_refused(workspace: Path) -> None:
    first = stage(workspace)
    binds = tuple(dataclasses.replace(bind, source=bind.source.parent) for bind in first.binds if not bind.read_only)
    shared = dataclasses.replace(first, binds=binds)
    with pytest.raises(PipelineInvalid, match="does not mount its output"):
        reproduce.again(shared, reproduce.read(workspace / "results"), workspace / "new")


def test_another_source_rpm_than_the_resolved_one_is_asked_for_again(workspace: Path) -> None:
    rewrite(workspace, facts={"srpm_was_resolved": False})
    second = reproduce.again(stage(workspace), reproduce.read(workspace / "results"), workspace / "new")
    assert second.arguments[-1] == "--allow-other-srpm"


def test_options_that_no_sidecar_records_are_given_again(workspace: Path) -> None:
    given = ["--with", "ssl", "--define", "x --allow-other-srpm"]
    rewrite(workspace, facts={"build_options": given})
    assert reproduce.read(workspace / "results").options == ()
    rewrite(workspace, inputs={}, facts={"build_options": given})
    assert reproduce.read(workspace / "results").options == tuple(given)


@pytest.mark.parametrize(
    "given", [["--allow-other-srpm"], ["--with", 7], "--with", ["--with"], ["--with", "a", "--timeout", "1"]]
)
def test_forged_options_are_refused(workspace: Path, given: Any) -> None:
    rewrite(workspace, inputs={}, facts={"build_options": given})
    with pytest.raises(ResultsUnusable, match="build options"):
        reproduce.read(workspace / "results")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("lock/buildroot_lock.json", "lockfile"), ("lock/buildroot_lock.sources.json", "sidecar"),
        ("srpm/a-1-1.src.rpm", "srpm"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gone", [False, True])
def test_another_input_is_refused(workspace: Path, name: str, role: str, *, gone: bool) -> None:
    first, built = stage(workspace), reproduce.read(workspace / "results")
    (workspace / name).write_text("other")
    if gone:
        (workspace / name).unlink()
    now = r"\(none\)" if gone else r"\w+"
    with pytest.raises(InputsDiffer, match=rf"(?m)^{role}: sha256 \w+ then, {now} now$"):
        reproduce.again(first, built, workspace / "new")


def test_a_sidecar_that_came_later_is_another_input(workspace: Path) -> None:
    sidecar = workspace / "lock/buildroot_lock.sources.json"
    built = reproduce.read(workspace / "results")
    inputs = {role: digest for role, digest in built.inputs.items() if role != "sidecar"}
    rewrite(workspace, inputs=inputs)
    with pytest.raises(InputsDiffer, match=r"sidecar: sha256 \(none\) then"):
        reproduce.again(stage(workspace), reproduce.read(workspace / "results"), workspace / "new")
    sidecar.unlink()
    second = reproduce.again(stage(workspace), reproduce.read(workspace / "results"), workspace / "new")
    assert [expected.role for expected in second.expects] == ["srpm", "lockfile"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "holds no result.json"),
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ({"stage": "fetcher"}, "is of a fetcher"),
        ({"status": "failed"}, "a build that failed"),
    ],
)
def test_a_directory_without_results_is_refused(workspace: Path, content: Any, says: str) -> None:
    path = workspace / "results/result.json"
    if isinstance(content, dict):
        rewrite(workspace, **content)
    elif content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(ResultsUnusable, match=says):
        reproduce.read(workspace / "results")


def test_the_source_rpm_is_found_by_its_checksum(workspace: Path) -> None:
    built = reproduce.read(workspace / "results")
    (workspace / "results/a-1-1.src.rpm").write_text("made anew")
    places = (workspace / "results", workspace / "srpm", workspace / "missing")
    assert reproduce.find_srpm(built, places) == workspace / "srpm/a-1-1.src.rpm"
    with pytest.raises(SrpmMissing) as caught:
        reproduce.find_srpm(built, places[:1])
    assert "--srpm FILE" in caught.value.solution


def test_one_builder_is_run() -> None:
    text = (ROOT / "pipeline.yaml").read_text()
    document = parse_yaml(text.replace("kind: builder", "kind: resolver").encode(), "p.yaml", PipelineInvalid)
    with pytest.raises(PipelineInvalid, match="0 stages of the kind builder"):
        reproduce.builder_only(pipeline.parse(document, directory=ROOT))


def test_packages_are_held_against_each_other_by_name(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = workspace / "new"
    made.mkdir()
    (made / "a-1-1.src.rpm").write_text("a-1-1.src.rpm")
    (made / "a-1-1.noarch.rpm").write_text("other")
    (made / "c-1-1.noarch.rpm").write_text("c")
    (made / "linked.rpm").symlink_to(made / "c-1-1.noarch.rpm")
    difference = reproduce.Difference(kind="tag", name="NAME", before="a", after="b")
    monkeypatch.setattr("hermetic_rpm.rpmdiff.compare", lambda _before, _after: ((difference,), 7))
    found = reproduce.verdicts(workspace / "results", reproduce.read(workspace / "results"), made)
    assert [(verdict.name, verdict.state, verdict.altered) for verdict in found] == [
        ("a-1-1.noarch.rpm", "different", False),
        ("a-1-1.src.rpm", "same", False),
        ("b-1-1.noarch.rpm", "missing", False),
        ("c-1-1.noarch.rpm", "additional", False),
    ]
    assert (found[0].differences, found[0].more) == ((difference,), 7)


def test_a_package_that_was_signed_since_is_told(workspace: Path) -> None:
    built = reproduce.read(workspace / "results")
    (workspace / "results/a-1-1.noarch.rpm").write_text("signed")
    found = reproduce.verdicts(workspace / "results", built, workspace / "results")
    assert [verdict.name for verdict in found if verdict.altered] == ["a-1-1.noarch.rpm"]


def test_a_build_knows_what_it_was_made_of(workspace: Path) -> None:
    built = reproduce.read(workspace / "results")
    assert isinstance(built, Built)
    assert sorted(built.inputs) == ["lockfile", "sidecar", "srpm"]
    assert not built.other_srpm
