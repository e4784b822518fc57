"""``hermetic-rpm init``: what it writes, and that it overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import OutputRefused, StarterInTheWay, TargetInvalid, TargetUnknown
from hermetic_rpm.policy import load as policies
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import pipeline, starter
from hermetic_rpm.runner.cli import cli

ROOT = Path(__file__).resolve().parents[2]
DEMO = "demo-dnf4-x86_64"


def init(directory: Path, target: str) -> list[str]:
    done = CliRunner().invoke(
        cli, ["init", str(directory), "--target", target], obj=Progress(stage="hermetic-rpm"),
        env={"XDG_CONFIG_HOME": str(ROOT / "no-such-directory")},
    )  # fmt: skip
    if done.exception is not None:
        raise done.exception
    return done.stdout.splitlines()


def test_it_writes_a_pipeline_for_the_target_chosen(tmp_path: Path) -> None:
    project = tmp_path / "new/project"
    written = init(project, DEMO)
    assert written == [
        f"{project}/{name}"
        for name in ("pipeline.yaml", f"targets/{DEMO}.yaml", "policy.yaml", "README.md", ".gitignore")
    ]
    declared = pipeline.load(project / "pipeline.yaml")
    assert {parameter.name: parameter.default for parameter in declared.parameters}["target"] == DEMO
    assert "build/demo" in (project / "README.md").read_text()


@pytest.mark.parametrize("target", sorted(path.stem for path in (ROOT / "targets").glob("*.yaml")))
def test_every_shipped_target_can_be_chosen(target: str) -> None:
    files = starter.content(ROOT / f"targets/{target}.yaml")
    chosen = parse_yaml(files["pipeline.yaml"], "pipeline.yaml", TargetInvalid).data["parameters"]["target"]["default"]
    assert chosen == target
    assert (b"build/demo" in files["README.md"]) == target.startswith("demo-")


def test_its_policy_is_valid(tmp_path: Path) -> None:
    init(tmp_path, DEMO)
    rules = policies.load(tmp_path / "policy.yaml")
    assert rules.sidecar_required


@pytest.mark.parametrize("taken", ["pipeline.yaml", f"targets/{DEMO}.yaml", "README.md"])
def test_what_is_there_is_named_and_nothing_is_written(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StarterInTheWay, match=taken):
        init(tmp_path, DEMO)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_where_a_directory_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "targets").write_text("")
    with pytest.raises(StarterInTheWay, match=r"has already: targets\. Nothing was written"):
        init(tmp_path, DEMO)
    with pytest.raises(OutputRefused, match="is no directory"):
        init(tmp_path / "targets", DEMO)


def test_a_mistyped_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TargetUnknown, match=r"Did you mean demo-dnf4-x86_64\?$"):
        init(tmp_path, "demo-dnf4-x8664")
    assert list(tmp_path.iterdir()) == []
