"""Parameters, interpolation, the plan and the command it becomes: all without touching the host."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest

from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import PipelineInvalid, SrpmMissing
from hermetic_rpm.runner.command import argv, script
from hermetic_rpm.runner.interpolate import interpolate
from hermetic_rpm.runner.parameters import parse_assignments, resolve
from hermetic_rpm.runner.pipeline import Pipeline, load, parse
from hermetic_rpm.runner.plan import Plan, StagePlan, make_plan, with_arguments

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path("/project")


def pipeline(stage: str = "") -> Pipeline:
    text = f"""
version: 1
parameters:
  srpm: {{type: file, required: true, description: the source RPM}}
  workspace: {{type: directory, default: build/ws, description: scratch}}
  output: {{type: directory, default: "${{workspace}}/results", description: results}}
  mode: {{type: string, default: quick, description: how}}
stages:
  - name: first
    kind: resolver
    image: localhost/first:latest
    network: default
    arguments: ["--srpm", "/input/${{srpm.name}}", "--mode=${{mode}}", "${{log_format}}"]
    output: ${{output}}
    {stage}
"""
    return parse(parse_yaml(text.encode(), "pipeline.yaml", PipelineInvalid), directory=PROJECT)


def values(declared: Pipeline, *assignments: str) -> dict[str, str]:
    given = parse_assignments(assignments)
    return resolve(declared, given, cwd=Path("/here"), log_format="human", is_file=lambda _: True)


def plan(stage: str = "", *, exists: bool = True) -> StagePlan:
    declared = pipeline(stage)
    made = make_plan(declared, values(declared, "srpm=in/hello.src.rpm"), exists=lambda _: exists)
    return made.stages[0]


def test_given_paths_are_relative_to_the_caller_and_defaults_to_the_pipeline() -> None:
    found = values(pipeline(), "srpm=../in/hello.src.rpm")
    assert found["srpm"] == "/in/hello.src.rpm"
    assert found["workspace"] == "/project/build/ws"
    assert found["output"] == "/project/build/ws/results"
    assert values(pipeline(), "srpm=a", "output=out")["output"] == "/here/out"


def test_unknown_and_missing_parameters_are_told_together_with_a_suggestion() -> None:
    with pytest.raises(PipelineInvalid) as caught:
        values(pipeline(), "sprm=x", "colour=blue")
    unknown, other, missing = caught.value.reason.splitlines()
    assert "'sprm' (did you mean srpm?)" in unknown
    assert "'colour' (there are: srpm, workspace, output, mode)" in other
    assert missing == "The parameter srpm is missing: -p srpm=… (the source RPM)"


@pytest.mark.parametrize("assignments", [("srpm=",), ("srpm=x", "workspace=")])
def test_an_empty_value_is_a_missing_one(assignments: tuple[str, ...]) -> None:
    with pytest.raises(PipelineInvalid, match="is missing"):
        values(pipeline(), *assignments)


def test_an_assignment_needs_an_equals_sign() -> None:
    with pytest.raises(PipelineInvalid, match=r"-p hello\.src\.rpm: this is not NAME=VALUE"):
        values(pipeline(), "hello.src.rpm")


def test_an_srpm_that_is_not_there_has_its_own_error() -> None:
    with pytest.raises(SrpmMissing, match=r"/here/gone\.src\.rpm is not an existing file"):
        resolve(pipeline(), {"srpm": "gone.src.rpm"}, cwd=Path("/here"), log_format="human", is_file=lambda _: False)


def test_values_are_not_interpreted_again() -> None:
    assert interpolate("${a} ${a.name}", {"a": "/x/${b}", "b": "no"}) == "/x/${b} ${b}"


def test_arguments_are_interpolated() -> None:
    assert plan().arguments == ("--srpm", "/input/hello.src.rpm", "--mode=quick", "human")


EITHER = """
version: 1
parameters:
  srpm: {type: file, required: true, unless: spec, description: the source RPM}
  spec: {type: file, description: the spec}
  sources: {type: directory, description: its sources}
stages:
  - name: first
    kind: resolver
    image: localhost/first:latest
    network: default
    arguments: ["--srpm=/input/${srpm.name}", "--spec=/spec/${spec.name}", "--sources=/sources", "--all"]
    mounts:
      - {source: "${srpm}", target: "/input/${srpm.name}", mode: ro}
      - {source: "${sources}", target: /sources, mode: ro}
    expects: {srpm: "${srpm}"}
    output: out
"""


def either(text: str = EITHER) -> Pipeline:
    return parse(parse_yaml(text.encode(), "pipeline.yaml", PipelineInvalid), directory=PROJECT)


@pytest.mark.promise("3.4", "a spec and a directory of sources are taken as input")
def test_what_uses_a_parameter_without_a_value_is_left_out() -> None:
    first = make_plan(either(), values(either(), "spec=x.spec"), exists=lambda _: True).stages[0]
    assert first.arguments == ("--spec=/spec/x.spec", "--sources=/sources", "--all")
    assert (first.binds, first.expects) == ((), ())
    made = make_plan(either(), values(either(), "srpm=x.src.rpm"), exists=lambda _: True)
    assert [bind.target for bind in made.stages[0].binds] == ["/input/x.src.rpm"]
    assert made.files == (Path("/here/x.src.rpm"),)


@pytest.mark.parametrize(
    ("assignments", "says"),
    [
        ((), r"The parameter srpm is missing: -p srpm=… \(the source RPM\), or -p spec=…"),
        (("srpm=a", "spec=b"), "-p srpm=… and -p spec=… exclude each other"),
        (("srpm=a", "spec="), "The parameter spec is missing"),
    ],
)
def test_one_of_two_parameters_must_be_given(assignments: tuple[str, ...], says: str) -> None:
    with pytest.raises(PipelineInvalid, match=says):
        values(either(), *assignments)


def test_a_parameter_takes_the_place_of_one_that_there_is() -> None:
    with pytest.raises(PipelineInvalid, match=r"parameters\.srpm\.unless: there is no parameter 'spce'"):
        either(EITHER.replace("unless: spec", "unless: spce"))


def test_further_arguments_go_to_the_stages_of_a_kind() -> None:
    made = make_plan(pipeline(), values(pipeline(), "srpm=x"), exists=lambda _: True)
    assert with_arguments(made, "resolver", ("--with", "x")).stages[0].arguments[-2:] == ("--with", "x")
    assert with_arguments(made, "fetcher", ("--with", "x")) == made


def test_relative_sources_are_below_the_pipelines_directory() -> None:
    (bind,) = plan("mounts: [{source: targets, target: /targets, mode: ro}]").binds
    assert (bind.source, bind.target, bind.read_only) == (PROJECT / "targets", "/targets", True)


def test_an_optional_mount_is_left_out_when_it_is_not_there() -> None:
    declared = "mounts: [{source: demo, target: /demo, mode: ro, optional: true}]"
    assert plan(declared, exists=False).binds == ()
    assert len(plan(declared).binds) == 1


def test_a_source_that_nobody_makes_is_refused() -> None:
    with pytest.raises(PipelineInvalid, match="The stage first mounts /project/targets, which does not exist"):
        plan("mounts: [{source: targets, target: /targets, mode: ro}]", exists=False)


def test_directories_to_make_are_part_of_the_plan() -> None:
    made = plan("mounts: [{source: '${workspace}', target: /w, mode: rw, create: true}]", exists=False)
    assert made.directories == (PROJECT / "build/ws", PROJECT / "build/ws/results")


def test_a_plan_refuses_a_builder_with_a_network_whoever_makes_it() -> None:
    with pytest.raises(PipelineInvalid, match="never has a network"):
        dataclasses.replace(plan(), kind="builder")


def test_limits_are_numbers() -> None:
    made = plan("resources: {memory: 2g, pids: 64, cpus: 1.5}")
    assert (made.memory, made.pids, made.cpus) == (2 << 30, 64, 1.5)


def test_scratch_is_on_disk_unless_asked_for_in_memory() -> None:
    assert not any("/work" in part for part in argv(plan()))
    assert "--tmpfs=/work:rw,exec,mode=755" in argv(plan("scratch: memory"))
    with pytest.raises(PipelineInvalid, match="wants its scratch in 'quick'"):
        plan("scratch: ${mode}")


def test_the_command_drops_everything_and_names_what_it_keeps() -> None:
    words = argv(plan("capabilities: [SETUID, DAC_OVERRIDE]"))
    assert words[:3] == ("podman", "run", "--rm")
    assert {"--read-only", "--cap-drop=all", "--cap-add=DAC_OVERRIDE", "--cap-add=SETUID"} <= set(words)
    assert "--security-opt=no-new-privileges" in words
    assert not any("privileged" in word and "no-new" not in word for word in words)


def test_a_path_with_commas_stays_one_field_of_the_mount() -> None:
    (bind,) = plan("mounts: [{source: 'a,ro=false', target: /a, mode: ro}]").binds
    words = argv(dataclasses.replace(plan(), binds=(bind,)))
    assert words[words.index("--mount") + 1] == 'type=bind,"source=/project/a,ro=false",destination=/a,ro=true'


def own_plan() -> Plan:
    declared = load(ROOT / "pipeline.yaml")
    found = resolve(declared, {"srpm": "/in/a b.src.rpm"}, cwd=ROOT, log_format="human", is_file=lambda _: True)
    return make_plan(declared, found, exists=lambda _: True)


@pytest.mark.promise("2.5", "the builder of the project's pipeline gets no network, no cache and read-only inputs")
def test_the_projects_builder_is_closed() -> None:
    builder = own_plan().stages[2]
    assert "--network=none" in argv(builder)
    assert [bind.target for bind in builder.binds if not bind.read_only] == ["/results"]
    assert not any("cache" in bind.source.parts for bind in builder.binds)
    assert "--require-no-network" in builder.arguments


@pytest.mark.promise("2.5", "each stage is told the sha256 of what the stage before wrote")
def test_the_projects_stages_expect_their_inputs() -> None:
    roles = [[expected.role for expected in stage.expects] for stage in own_plan().stages]
    assert roles == [["srpm"], ["lockfile", "sidecar"], ["srpm", "lockfile", "sidecar"]]


def test_the_fetcher_keeps_one_capability() -> None:
    assert own_plan().stages[1].capabilities == ("DAC_OVERRIDE",)


def test_the_script_is_valid_shell_and_hashes_when_the_stage_starts() -> None:
    text = script(own_plan(), podman_environment={"CONTAINERS_CONF": "/x y/containers.conf"}, notes={"fetcher": "a\nb"})
    assert "export CONTAINERS_CONF='/x y/containers.conf'" in text
    assert """--expect srpm="$(sha256sum < '/in/a b.src.rpm' | cut -c 1-64)\"""" in text
    assert "'--srpm=/input/a b.src.rpm'" in text
    assert shlex.split(text, comments=True)
    assert "# fetcher\n# a\N{REPLACEMENT CHARACTER}b\nmkdir" in text
