"""The pipeline file: what is valid, and how a mistake is told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.runner.pipeline import Pipeline, load, parse

ROOT = Path(__file__).resolve().parents[2]

VALID = """\
version: 1
parameters:
  srpm: {type: file, required: true, description: the source RPM}
stages:
  - name: builder
    kind: builder
    image: localhost/builder:latest
    network: none
    arguments: ["--srpm", "${srpm.name}"]
    output: results
"""


def parsed(text: str) -> Pipeline:
    document = parse_yaml(textwrap.dedent(text).encode(), "pipeline.yaml", PipelineInvalid)
    return parse(document, directory=Path("/project"))


def problems(text: str) -> list[str]:
    with pytest.raises(PipelineInvalid) as caught:
        parsed(text)
    return [line.strip() for line in caught.value.reason.splitlines()[1:]]


def test_the_projects_own_pipeline_is_valid() -> None:
    pipeline = load(ROOT / "pipeline.yaml")
    assert [stage.name for stage in pipeline.stages] == ["resolver", "fetcher", "builder"]
    assert pipeline.directory == ROOT


def test_a_valid_pipeline_becomes_types() -> None:
    (stage,) = parsed(VALID).stages
    assert (stage.name, stage.network, stage.arguments) == ("builder", "none", ("--srpm", "${srpm.name}"))
    assert stage.resources.memory is None
    assert stage.expects == ()


@pytest.mark.promise("2.5", "a builder stage with a network is refused, with its place in pipeline.yaml")
def test_a_builder_with_a_network_is_refused() -> None:
    (problem,) = problems(VALID.replace("network: none", "network: default"))
    assert problem == "pipeline.yaml:8:5: stages[0].network: a builder never has a network; write `network: none`"


@pytest.mark.parametrize("key", ["privileged", "devices", "security_opt", "pid", "userns"])
@pytest.mark.promise("2.5", "pipeline.yaml has no word for privileges, devices or host namespaces")
def test_privileges_cannot_be_said(key: str) -> None:
    (problem,) = problems(VALID + f"    {key}: true\n")
    assert problem.startswith(f"pipeline.yaml:5:5: stages[0]: unknown '{key}'")


def test_a_capability_that_no_stage_may_have_is_refused() -> None:
    (problem,) = problems(VALID + "    capabilities: [SYS_ADMIN]\n")
    assert problem.startswith("pipeline.yaml:11:20: stages[0].capabilities[0]: 'SYS_ADMIN' is not one of")


@pytest.mark.promise("6.1", "every mistake is told with file, line, column and the nearest valid word")
@pytest.mark.promise("2.5", "pipeline.yaml is checked against its schema, and every mistake is told with its place")
def test_every_mistake_is_told_at_once_with_its_place() -> None:
    broken = VALID.replace("type: file", "type: fil").replace("network: none", "network: host") + "    timeot: 3\n"
    found = problems(broken)
    assert [problem.split(": ")[0] for problem in found] == [
        "pipeline.yaml:3:10", "pipeline.yaml:5:5", "pipeline.yaml:8:5",
    ]  # fmt: skip
    assert "did you mean file?" in found[0]
    assert "did you mean timeout?" in found[1]
    assert "a builder never has a network" in found[2]


def test_an_unknown_reference_is_named_with_the_nearest_parameter() -> None:
    found = problems(VALID.replace("${srpm.name}", "${sprm.name}").replace("output: results", "output: ${out}"))
    assert found == [
        "pipeline.yaml:9:27: ${sprm} names no parameter (did you mean srpm?)",
        "pipeline.yaml:10:5: ${out} names no parameter",
    ]


def test_a_default_uses_only_parameters_declared_before() -> None:
    declared = "  a: {type: string, default: '${b}', description: a}\n  b: {type: string, default: x, description: b}\n"
    (problem,) = problems(VALID.replace("stages:\n", declared + "stages:\n"))
    assert "${b} names no parameter" in problem


def test_two_stages_cannot_share_a_name() -> None:
    (problem,) = problems(VALID + VALID.split("stages:\n")[1])
    assert problem == "pipeline.yaml:11:5: stages[1].name: another stage has the name 'builder' already"


def test_log_format_is_not_for_declaring() -> None:
    assert problems(VALID.replace("  srpm:", "  log_format:"))


@pytest.mark.parametrize("text", ["", "[]", "version: 1", "stages: {builder: {kind: builder}}", "stages: [3]"])
def test_anything_else_is_refused_and_not_a_crash(text: str) -> None:
    assert problems(text)


def test_broken_yaml_has_line_and_column() -> None:
    with pytest.raises(PipelineInvalid, match=r"^pipeline\.yaml:3:1: "):
        parsed("version: 1\nstages: [\n")


def test_a_pipeline_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineInvalid, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
