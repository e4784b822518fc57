"""What `hermetic-rpm export` writes: confined, pinned, the same bytes each time, and nothing can be injected."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hermetic_rpm.document import parse_yaml, yaml_text
from hermetic_rpm.errors import ExportRefused, PinMissing, PipelineInvalid
from hermetic_rpm.export import github, kubernetes, pins, summary, tekton, tekton_task
from hermetic_rpm.export.model import Export, dns_label, fixed
from hermetic_rpm.runner import parameters
from hermetic_rpm.runner.export_plan import make_export
from hermetic_rpm.runner.pipeline import Pipeline, load, parse

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "a" * 64
TEKTON = tekton_task.Options(name="rpm", claim="builds", seccomp="seccomp.json", apparmor_unconfined=False, retries=2)
PODS = kubernetes.Options(
    name="rpm", claim="builds", seccomp="seccomp.json", apparmor_unconfined=False, kind="Job", host_path=False
)
HOSTILE = ("a'b", 'a"b', "$(id)", "`id`", "a\nb: c", "${{ github.token }}", "$$(HOME)", "- x", "#", "\u2028x", "'\"$")
HAND_OFF = pytest.mark.promise("6.3", "hand-off as OCI artifacts")
MATRIX = pytest.mark.promise("6.3", "a matrix of architectures")
VALID = pytest.mark.promise("6.3", "Tasks, Pipeline and PipelineRun are strictly valid")
SAFE = pytest.mark.promise("6.3", "no value can inject anything into what is exported")
PINNED = pytest.mark.promise("6.3", "images are pinned by digest, and pushing them writes the pins")


def exported(pipeline: Pipeline, srpm: str = "/in/x-1-1.src.rpm", **given: str) -> Export:
    values = parameters.resolve(
        pipeline, {**({"srpm": srpm} if srpm else {}), **given}, cwd=ROOT, log_format="human", is_file=lambda _: True
    )
    return make_export(pipeline, values, sha256=lambda _: "b" * 64, exists=lambda _: True)


@pytest.fixture
def ours() -> Export:
    return exported(load(ROOT / "pipeline.yaml"))


def changed(**stage: Any) -> Pipeline:
    """The pipeline file with another resolver."""
    data = YAML(typ="safe", pure=True).load((ROOT / "pipeline.yaml").read_text())
    data["stages"][0] |= stage
    return parse(parse_yaml(json.dumps(data).encode(), "p", PipelineInvalid), directory=ROOT)


def tasks_of(
    *exports: Export, architectures: tuple[str, ...] = ("",), hand_off: str = ""
) -> dict[str, tuple[dict[str, Any], ...]]:
    """What is exported to Tekton, with a row of tasks for each architecture."""
    rows = zip(architectures, exports, strict=True)
    return tekton.documents(
        tuple(tekton.Row(architecture=architecture, export=export) for architecture, export in rows),
        replace(TEKTON, hand_off=hand_off),
    )


def steps(export: Export) -> Iterator[dict[str, Any]]:
    for task in tasks_of(export)["tasks.yaml"]:
        yield from task["spec"]["steps"]


def stage_step(export: Export) -> dict[str, Any]:
    return next(step for step in steps(export) if step["name"] == "resolver")


def pods(export: Export) -> list[dict[str, Any]]:
    made = kubernetes.documents(export, PODS)
    return [job["spec"]["template"] for (job,) in made.values() if job["kind"] == "Job"]


def test_every_container_is_confined(ours: Export) -> None:
    contexts = [step["securityContext"] for step in steps(ours)]
    contexts += [
        container["securityContext"]
        for pod in pods(ours)
        for containers in ("initContainers", "containers")
        for container in pod["spec"][containers]
    ]
    assert len(contexts) == 15
    allowed = {"DAC_OVERRIDE", "SETFCAP", "SETGID", "SETUID", "SYS_CHROOT"}
    for context in contexts:
        assert context["capabilities"]["drop"] == ["ALL"]
        assert set(context["capabilities"].get("add", ())) <= allowed
        assert (context["privileged"], context["allowPrivilegeEscalation"]) == (False, False)
        assert context["readOnlyRootFilesystem"] is True
    local = {"type": "Localhost", "localhostProfile": "seccomp.json"}
    profiles = [context["seccompProfile"] for context in contexts]
    assert profiles.count(local) == 4, "resolver and builder, in Tasks and in Jobs"
    assert all(profile in (local, {"type": "RuntimeDefault"}) for profile in profiles)


@pytest.mark.promise("6.3", "what a Task made reaches the next one by sha256, and Chains")
def test_a_task_is_told_the_sha256_of_what_the_one_before_made(ours: Export) -> None:
    (pipeline,) = tasks_of(ours)["pipeline.yaml"]
    _, fetcher, builder = pipeline["spec"]["tasks"]
    told = {item["name"]: item["value"] for item in (*fetcher["params"], *builder["params"])}
    assert told["lockfile-sha256"] == "$(tasks.resolver.results.lockfile-sha256)"
    assert told["srpm-sha256"] == "$(params.srpm-sha256)"
    assert builder["runAfter"] == ["fetcher"]
    assert (fetcher["retries"], "retries" in builder) == (2, False)
    arguments = next(step["args"] for step in steps(ours) if step["name"] == "builder")
    assert "--expect=sidecar=$(params.sidecar-sha256)" in arguments
    assert "--require-no-network" not in arguments


def test_the_builder_s_pods_carry_the_label_of_the_network_policy(ours: Export) -> None:
    (policy,) = tasks_of(ours)["networkpolicy.yaml"]
    wanted = policy["spec"]["podSelector"]["matchLabels"].items()
    tasks = tasks_of(ours)["tasks.yaml"]
    assert [wanted <= task["metadata"]["labels"].items() for task in tasks] == [False, False, True]
    assert [wanted <= pod["metadata"]["labels"].items() for pod in pods(ours)] == [False, False, True]
    assert "ingress" not in policy["spec"]
    assert "egress" not in policy["spec"]


def test_limits_and_memory_are_those_of_the_pipeline_file() -> None:
    export = exported(changed(resources={"memory": "4g", "cpus": 1.5}, timeout=90, scratch="memory"))
    step = stage_step(export)
    wanted = {"cpu": "1500m", "memory": str(4 << 30)}
    assert step["computeResources"] == {"requests": wanted, "limits": wanted}
    assert pods(export)[0]["spec"]["containers"][0]["resources"] == step["computeResources"]
    tasks = tasks_of(export)
    assert tasks["pipeline.yaml"][0]["spec"]["tasks"][0]["timeout"] == "90s"
    assert tasks["tasks.yaml"][0]["spec"]["volumes"][0]["emptyDir"] == {"medium": "Memory"}


@HAND_OFF
def test_stages_that_hand_off_share_no_volume(ours: Export) -> None:
    made = tasks_of(ours, hand_off="r.example.com/builds")
    assert "networkpolicy.yaml" not in made
    (run,) = made["pipelinerun.yaml"]
    assert "workspace" not in {bound["name"] for bound in run["spec"]["workspaces"]}
    resolver, fetcher, builder = made["tasks.yaml"]
    assert [step["name"] for step in resolver["spec"]["steps"]] == ["output", "resolver", "results", "give"]
    assert [step["name"] for step in builder["spec"]["steps"]] == ["take", "output", "builder", "results", "give"]
    assert {"name": "made-workspace", "emptyDir": {}} in fetcher["spec"]["volumes"]
    take, *_, give = fetcher["spec"]["steps"]
    assert {mount["mountPath"]: mount.get("subPath") for mount in take["volumeMounts"]}["/artifacts/resolver"] == "lock"
    assert {mount["mountPath"]: mount.get("subPath") for mount in give["volumeMounts"]}["/artifacts"] == "repo"
    (pipeline,) = made["pipeline.yaml"]
    told = {item["name"]: item["value"] for item in pipeline["spec"]["tasks"][2]["params"]}
    assert told["fetcher-artifact"] == "$(tasks.fetcher.results.IMAGE_DIGEST)"
    assert told["resolver-artifact"] == "$(tasks.resolver.results.IMAGE_DIGEST)"
    assert told["lockfile-sha256"] == "$(tasks.resolver.results.lockfile-sha256)"


@HAND_OFF
def test_only_the_steps_that_carry_see_the_login(ours: Export) -> None:
    for task in tasks_of(ours, hand_off="r.example.com/builds")["tasks.yaml"]:
        seeing = {s["name"] for s in task["spec"]["steps"] for m in s.get("volumeMounts", ()) if m["name"] == "login"}
        assert seeing == {"give"} | ({"take"} if "resolver" not in task["metadata"]["name"] else set())
        assert all(
            step["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            for step in task["spec"]["steps"] if step["name"] in seeing
        )  # fmt: skip


@MATRIX
def test_each_architecture_has_its_tasks_images_target_nodes_and_directory() -> None:
    pipeline = load(ROOT / "pipeline.yaml")
    pinned = [
        pins.pinned(exported(pipeline, target=f"x-{name}"), {stage.image: f"r/{stage.name}@{name}"
                    for stage in pipeline.stages}, allow_tags=False)
        for name in ("x86_64", "aarch64")
    ]  # fmt: skip
    made = tasks_of(*(fixed(export, "target") for export in pinned), architectures=("amd64", "arm64"))
    assert [task["metadata"]["name"] for task in made["tasks.yaml"][3:]] == [
        "rpm-resolver-arm64", "rpm-fetcher-arm64", "rpm-builder-arm64",
    ]  # fmt: skip
    for task, name in zip(made["tasks.yaml"], ["x86_64"] * 3 + ["aarch64"] * 3, strict=True):
        assert {step["image"].rpartition("@")[2] for step in task["spec"]["steps"]} == {name}
    assert "x-aarch64" in made["tasks.yaml"][3]["spec"]["steps"][1]["args"]
    (pipeline_document,), (run,) = made["pipeline.yaml"], made["pipelinerun.yaml"]
    assert "target" not in {parameter["name"] for parameter in pipeline_document["spec"]["params"]}
    fetcher = pipeline_document["spec"]["tasks"][4]
    assert (fetcher["name"], fetcher["runAfter"]) == ("fetcher-arm64", ["resolver-arm64"])
    assert {"name": "lockfile-sha256", "value": "$(tasks.resolver-arm64.results.lockfile-sha256)"} in fetcher["params"]
    assert {"name": "workspace-lock", "workspace": "workspace", "subPath": "arm64/lock"} in fetcher["workspaces"]
    nodes = {told["pipelineTaskName"]: told["podTemplate"]["nodeSelector"] for told in run["spec"]["taskRunSpecs"]}
    assert len(nodes) == 6
    assert nodes["builder-arm64"] == {"kubernetes.io/arch": "arm64"}
    assert nodes["builder-amd64"] == {"kubernetes.io/arch": "amd64"}


@MATRIX
def test_what_is_no_architecture_or_no_parameter_is_refused(ours: Export) -> None:
    with pytest.raises(ExportRefused):
        tasks_of(fixed(ours, "target"), architectures=("x86_64",))
    with pytest.raises(ExportRefused, match="srpm"):
        fixed(ours, "srpm")


def test_a_spec_takes_the_place_of_the_source_rpm() -> None:
    export = exported(load(ROOT / "pipeline.yaml"), srpm="", spec="/in/x.spec", sources="/in/sources")
    arguments = stage_step(export)["args"]
    assert "--spec=/input/spec/$(params.spec)" in arguments
    assert "--sources=/input/sources/sources" in arguments
    assert not any("srpm" in argument for argument in arguments)


@SAFE
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_stays_a_value(value: str) -> None:
    export = exported(load(ROOT / "pipeline.yaml"), target=value, srpm=f"/in/{value}.src.rpm")
    documents = {**tasks_of(export), **kubernetes.documents(export, PODS)}
    for every in documents.values():
        for document in every:
            assert YAML(typ="safe", pure=True).load(yaml_text(document)) == document
    (run,) = tasks_of(export)["pipelinerun.yaml"]
    assert {"name": "target", "value": value} in run["spec"]["params"]
    arguments = pods(export)[0]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--target") + 1].replace("$$", "$") == value
    script = github.script_of(exported(load(ROOT / "pipeline.yaml"), target=value, srpm=str(ROOT / "x.src.rpm")),
                              export.stages[0], "/")  # fmt: skip
    assert '"${PARAMETER_TARGET}"' in script
    assert value == "#" or value not in script.replace("'\"$", "")


@SAFE
@pytest.mark.parametrize("value", [*(value for value in HOSTILE if "}}" not in value), "${{ github.token"])
def test_a_hostile_argument_of_the_pipeline_file_stays_one_word(value: str) -> None:
    export = exported(changed(arguments=[value, "--target=${target}"]), srpm=str(ROOT / "x.src.rpm"))
    if "${{" in value:
        with pytest.raises(ExportRefused):
            github.script_of(export, export.stages[0], str(ROOT))
    else:
        assert value in shlex.split(github.script_of(export, export.stages[0], str(ROOT)).replace("\\\n", ""))
    if "$(" in value:
        with pytest.raises(ExportRefused, match="Tekton"):
            list(steps(export))
    else:
        assert stage_step(export)["args"][0].replace("$$", "$") == value


@SAFE
@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a" * 64, "a\n", "a.b", "é"])
def test_a_name_that_kubernetes_refuses_is_refused(name: str) -> None:
    with pytest.raises(ExportRefused):
        dns_label(name, "The name")


@pytest.mark.parametrize(
    "stage",
    [
        {"arguments": ["--srpm=${srpm}"]},
        {"mounts": [{"source": "${srpm}", "target": "/a/b", "mode": "ro"}]},
        {"name": "ends-"},
        {"output": "/elsewhere"},
        {"expects": {"x": "/nobody/makes/this"}},
    ],
)
def test_what_cannot_be_said_elsewhere_is_refused(stage: dict[str, Any]) -> None:
    with pytest.raises(ExportRefused):
        exported(changed(**stage))


@PINNED
def test_an_image_without_a_digest_is_refused(ours: Export) -> None:
    some = {ours.stages[0].image: f"registry.example.com/a/resolver@{DIGEST}"}
    with pytest.raises(PinMissing, match=r"fetcher.*builder"):
        pins.pinned(ours, some, allow_tags=False)
    assert pins.pinned(ours, some, allow_tags=True).stages[0].image.endswith(DIGEST)


@PINNED
def test_pins_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "pins.yaml"
    path.write_text(pins.render({"localhost/b:1": f"r.example.com:5000/b@{DIGEST}"}))
    assert pins.load(path) == {"localhost/b:1": f"r.example.com:5000/b@{DIGEST}"}
    path.write_text(path.read_text().replace(DIGEST, "latest"))
    with pytest.raises(PinMissing, match=r"pins\.yaml:4"):
        pins.load(path)


def test_two_images_of_one_name_cannot_be_pushed() -> None:
    with pytest.raises(ExportRefused):
        pins.destinations(("a/x:1", "b/x:1"), "r.example.com")
    with pytest.raises(ExportRefused):
        pins.destinations(("a/x",), "https://r.example.com")
    with pytest.raises(ExportRefused):
        pins.place("r.example.com/builds:tag")


def test_a_summary_holds_no_markup_of_a_package() -> None:
    text = summary.markdown({
        "status": "success", "timings_seconds": {"build": 61.0},
        "outputs": [{"path": "a|<b>`](x).rpm", "size": 1000, "sha256": "c" * 64}, {"path": "build.log"}],
    })  # fmt: skip
    assert "| `a??b????x?.rpm` | 1.0 kB |" in text
    assert "| build | 1:01 |" in text
    assert "build.log" not in text


def test_the_arithmetic_of_the_how_to_is_right() -> None:
    text = (ROOT / "docs/how-to/run-on-tekton.md").read_text()
    block = text.partition("<!-- test: arithmetic -->\n```text\n")[2].partition("```")[0]
    sums = [re.fullmatch(r".+?   *([0-9(][0-9 .\u00d7+/()]*) = ([0-9.]+)", line) for line in block.splitlines()]
    assert len(sums) == 7
    for found in sums:
        assert found is not None
        value = eval(found[1].replace("\u00d7", "*"))
        assert round(value, len(found[2].partition(".")[2])) == float(found[2]), found[0]
