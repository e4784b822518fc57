"""What is exported, held against the real tools: Tekton's own schemas, linters, a registry, a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from hermetic_rpm.export import github
from tests.support.documents import commands
from tests.support.servers import registry

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LINT = ROOT / "build/node/node_modules/.bin/tekton-lint"
DIGEST = "sha256:" + "a" * 64
MATRIX = pytest.mark.promise("6.3", "a matrix of architectures")
HAND_OFF = pytest.mark.promise("6.3", "hand-off as OCI artifacts")
VALID = pytest.mark.promise("6.3", "Tasks, Pipeline and PipelineRun are strictly valid")
ACTIONS = pytest.mark.promise("6.4", "action and workflow are valid, and their scripts run")
KUBERNETES = "1.36"
FORMS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "hand-off": ("--hand-off=registry.example.com/group/builds",),
    "architectures": ("--architecture", "amd64", "a-x86_64", "PINS", "--architecture", "arm64", "a-aarch64", "PINS"),
}
INT_OR_STRING = "x-kubernetes-int-or-string"
OPEN = "x-kubernetes-preserve-unknown-fields"


def export(kind: str, directory: Path, *options: str | Path) -> dict[str, list[dict[str, Any]]]:
    """The documents by file, of the pipeline file with everything that a stage can say, twice the same."""
    (directory / "x.src.rpm").write_bytes(b"x")
    pins = directory / "pins.yaml"
    names = "".join(
        f'  "localhost/hermetic-rpm/{name}:latest": "registry.example.com/h/{name}@{DIGEST}"\n'
        for name in ("resolver", "fetcher", "builder")
    )
    pins.write_text(f"version: 1\nimages:\n{names}")
    made = {}
    told = [pins if option == "PINS" else option for option in options]
    told += [] if pins in told else ["--pins", pins]
    for output in (directory / "again", directory / "out"):
        command = (BIN / "hermetic-rpm", "export", kind, "--output", output, *told)
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
        made[output.name] = {path.name: path.read_bytes() for path in sorted(output.iterdir())}
    assert made["again"] == made["out"]
    return {name: list(YAML(typ="safe", pure=True).load_all(content)) for name, content in made["out"].items()}


def strict(node: Any) -> Any:
    """A structural schema that refuses every field that it does not know."""
    if isinstance(node, list):
        return [strict(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items() if key not in ("description", "format", "default")}
    if isinstance(node.get("properties"), dict):  # whose keys are names of fields, whatever they look like
        made["properties"] = {name: strict(value) for name, value in node["properties"].items()}
    if node.get(INT_OR_STRING) is True:
        made["type"] = ["integer", "string"]
    if node.get("type") == "object" and not node.get(OPEN) and "additionalProperties" not in node:
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def kinds() -> dict[str, Any]:
    """The strict schema of each of Tekton's kinds, version 1."""
    place = os.environ.get("HERMETIC_RPM_REFERENCE")
    if not place:
        pytest.skip("HERMETIC_RPM_REFERENCE does not name the directory with Tekton's schemas")
    found = {}
    for path in (Path(place) / "tekton-crds").glob("*.yaml"):
        specification = YAML(typ="safe").load(path)["spec"]
        for version in specification["versions"]:
            if version["name"] == "v1":
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                found[specification["names"]["kind"]] = schema
    return found


def problems(document: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(kinds[document["kind"]])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.fixture
def form() -> str:
    return "plain"


@pytest.fixture
def tekton(tmp_path: Path, form: str) -> dict[str, list[dict[str, Any]]]:
    return export(
        "tekton", tmp_path, "-p", f"srpm={tmp_path / 'x.src.rpm'}", "--retries=1", "--apparmor-unconfined",
        *FORMS[form],
    )  # fmt: skip


@VALID
@MATRIX
@HAND_OFF
@pytest.mark.parametrize("form", FORMS)
def test_every_document_is_strictly_valid_to_tekton(
    tekton: dict[str, list[dict[str, Any]]], kinds: dict[str, Any], form: str
) -> None:
    seen = []
    for documents in tekton.values():
        for document in documents:
            if document["kind"] != "NetworkPolicy":
                seen.append(document["kind"])
                assert problems(document, kinds) == []
    assert sorted(seen) == ["Pipeline", "PipelineRun", *["Task"] * (6 if form == "architectures" else 3)]


@VALID
def test_the_comparison_itself_finds_a_fault(tekton: dict[str, list[dict[str, Any]]], kinds: dict[str, Any]) -> None:
    task = tekton["tasks.yaml"][0]
    for step in task["spec"]["steps"]:
        assert problems({**task, "spec": {"steps": [{**step, "imagePullPolicies": "x"}]}}, kinds)
    assert problems({**task, "spec": {**task["spec"], "params": [{"name": 1}]}}, kinds)
    assert problems({**task, "specification": {}}, kinds)


def faults(directory: Path) -> list[str]:
    if not LINT.exists():
        pytest.skip("not run here: npm has not installed @ibm/tekton-lint (`make setup` with Node.js 20)")
    command = ("node", LINT, "--format=json", f"{directory}/*.yaml")
    done = subprocess.run(command, check=False, text=True, capture_output=True, cwd=directory)
    return [f"{fault['path']}: {fault['message']}" for fault in json.loads(done.stdout)]


@VALID
@MATRIX
@HAND_OFF
@pytest.mark.parametrize("form", FORMS)
def test_tekton_lint_finds_nothing(tekton: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    assert faults(tmp_path / "out") == []
    pipeline = tmp_path / "out/pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace('- "fetcher', '- "nobody'))
    assert any("nobody" in fault for fault in faults(tmp_path / "out"))


@pytest.mark.promise("6.3", "Jobs, Pods and NetworkPolicy are strictly valid to Kubernetes")
@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_every_job_and_pod_is_strictly_valid_to_kubernetes(tmp_path: Path, kind: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="run `make setup`")
    srpm = f"srpm={tmp_path / 'x.src.rpm'}"
    made = export("kubernetes", tmp_path, "-p", srpm, "--kind", kind, "--apparmor-unconfined")
    documents = [document for every in made.values() for document in every]
    assert sorted(document["kind"] for document in documents) == sorted([kind] * 3 + ["NetworkPolicy"])
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate({**document, "spec": {**document["spec"], "x": 1}}, KUBERNETES, strict=True)


def test_the_pod_of_the_how_to_is_strictly_valid_to_kubernetes() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="run `make setup`")
    text = (ROOT / "docs/how-to/run-on-docker-and-kubernetes.md").read_text()
    pod = YAML(typ="safe", pure=True).load(text.partition("```yaml\n")[2].partition("```")[0])
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@VALID
def test_the_commands_of_the_how_to_export(tmp_path: Path) -> None:
    export("kubernetes", tmp_path, "-p", f"srpm={tmp_path / 'x.src.rpm'}")  # writes pins.yaml
    (tmp_path / "x.src.rpm").rename(tmp_path / "hello.src.rpm")
    for name in ("pins-amd64.yaml", "pins-arm64.yaml"):
        shutil.copy(tmp_path / "pins.yaml", tmp_path / name)
    shutil.copy(ROOT / "pipeline.yaml", tmp_path)
    shutil.copytree(ROOT / "targets", tmp_path / "targets")
    for name, files in (("tekton", 4), ("hand-off", 3), ("architectures", 3), ("jobs", 4)):
        done = documented("run-on-tekton.md", name, tmp_path, REGISTRY="registry.example.com/group")
        assert len(done.stdout.splitlines()) == files
        shutil.rmtree(tmp_path / ("jobs" if name == "jobs" else "tekton"))
    (tmp_path / ".github").mkdir()
    documented("run-in-github-actions.md", "export", tmp_path)
    assert (tmp_path / ".github/workflows/hermetic-rpm.yml").is_file()


@MATRIX
@pytest.mark.parametrize("more", [("--architecture", "amd64", "b", "pins.yaml"), ("--pins", "pins.yaml")])
def test_an_architecture_told_twice_or_with_other_pins_is_refused(tmp_path: Path, more: tuple[str, ...]) -> None:
    once = ("--architecture", "amd64", "a", "pins.yaml")
    command = (BIN / "hermetic-rpm", "export", "tekton", "--output", tmp_path / "out", *once, *more)
    done = subprocess.run(command, check=False, text=True, capture_output=True, cwd=ROOT)
    assert (done.returncode, "--architecture once" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "out").exists()


def documented(how_to: str, name: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The commands of a how-to that are marked with ``name``, run as they stand there."""
    script = commands(f"docs/how-to/{how_to}", name)
    environment = {**os.environ, **environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ("bash", "-euc", script), check=False, text=True, capture_output=True, cwd=cwd, env=environment
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done


@pytest.mark.promise("6.3", "what a Task made reaches the next one by sha256, and Chains")
def test_the_step_that_tells_results_tells_the_right_ones(
    tekton: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    step = tekton["tasks.yaml"][2]["spec"]["steps"][2]
    script = tmp_path / "script"
    script.write_text(step["script"])
    script.chmod(0o755)
    (tmp_path / "result.json").write_bytes(b"{}")
    told = subprocess.run(("sha256sum", tmp_path / "result.json"), check=True, text=True, capture_output=True)
    sha256 = told.stdout.split()[0]
    places = {"/results/result.json": "result.json", "$(results.ARTIFACT_OUTPUTS.path)": "artifact"}
    places["$(results.result-sha256.path)"] = "sha256"
    arguments = [str(tmp_path / places[text]) if text in places else text for text in step["args"]]
    subprocess.run((script, *arguments), check=True)
    assert json.loads((tmp_path / "artifact").read_bytes()) == {
        "uri": f"file://{tmp_path}/result.json", "digest": f"sha256:{sha256}", "isBuildArtifact": "true",
    }  # fmt: skip
    assert (tmp_path / "sha256").read_text() == sha256


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with registry(tmp_path / "registry") as server:
        yield server.address, server.environment


@pytest.mark.promise("6.3", "images are pinned by digest, and pushing them writes the pins")
def test_pushing_the_images_writes_pins_that_the_registry_knows(
    registered: tuple[str, dict[str, str]], own_podman: tuple[str, ...], tiny_layout: Path, tmp_path: Path
) -> None:
    address, environment = registered
    storage = tmp_path / "storage.conf"
    root, runroot = own_podman[2], own_podman[4]
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{root}"\nrunroot = "{runroot}"\n')
    environment = {**os.environ, **environment, "CONTAINERS_STORAGE_CONF": str(storage)}
    name = subprocess.run(
        (*own_podman, "pull", "--quiet", f"oci:{tiny_layout}:latest"), check=True, text=True, capture_output=True
    ).stdout.split()[-1]  # fmt: skip
    subprocess.run((*own_podman, "tag", name, "localhost/tiny:1"), check=True)
    pipeline = YAML(typ="safe").load(ROOT / "pipeline.yaml")
    for stage in pipeline["stages"]:
        stage["image"] = "localhost/tiny:1"
    (tmp_path / "pipeline.yaml").write_text(json.dumps(pipeline))
    environment |= {"REGISTRY": f"{address}/group"}
    assert documented("run-on-tekton.md", "push", tmp_path, **environment).stdout == "pins.yaml\n"
    (pin,) = YAML(typ="safe").load(tmp_path / "pins.yaml")["images"].values()
    assert pin.startswith(f"{address}/group/tiny@sha256:")
    subprocess.run(("skopeo", "inspect", "--raw", f"docker://{pin}"), check=True, capture_output=True, env=environment)


@ACTIONS
def test_the_action_and_the_workflow_are_valid_to_the_tools_of_the_field(tmp_path: Path) -> None:
    srpm = ROOT / "build/x.src.rpm"  # a checkout holds it
    export_directory = tmp_path / "export"
    export_directory.mkdir()
    srpm.write_bytes(b"x")
    try:
        export("github", export_directory, "-p", f"srpm={srpm}")
    finally:
        srpm.unlink()
    workflow = tmp_path / ".github/workflows/hermetic-rpm.yml"
    workflow.parent.mkdir(parents=True)
    shutil.copy(export_directory / "out/hermetic-rpm.yml", workflow)
    action = ROOT / "action.yml"
    for command in (
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow),
        ("check-jsonschema", "--builtin-schema", "vendor.github-actions", action),
        ("actionlint", f"-shellcheck={BIN / 'shellcheck'}", workflow),
        ("zizmor", "--offline", "--no-progress", "--persona=pedantic", "--min-severity=low", workflow, action),
    ):
        done = subprocess.run((BIN / command[0], *command[1:]), check=False, text=True, capture_output=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    text = workflow.read_text().replace('"${PARAMETER_TARGET}"', "${{ inputs.nothing }}")
    workflow.write_text(text.replace("persist-credentials: false", "persist-credentials: true"))
    for name in ("actionlint", "zizmor"):
        offline = ("--offline", "--no-progress", "--persona=pedantic") if name == "zizmor" else ()
        assert subprocess.run((BIN / name, *offline, workflow), check=False, capture_output=True).returncode != 0


SYSCTL = "kernel/apparmor_restrict_unprivileged_userns"


@ACTIONS
@pytest.mark.parametrize("of_workflow", [True, False])
@pytest.mark.parametrize("before", ["1", ""])
def test_the_step_about_namespaces_sets_what_ubuntu_has_and_passes_elsewhere(
    tmp_path: Path, before: str, of_workflow: bool
) -> None:
    """In a mount namespace, where /proc/sys/kernel is a directory of this test; sudo is root's own there."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    action = YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"]
    (script,) = (step["run"] for step in action if "namespaces" in step["name"])
    script = github.ALLOW_NAMESPACES if of_workflow else script
    if before:
        (tmp_path / "kernel").mkdir()
        (tmp_path / SYSCTL).write_text(before)
        (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (tmp_path / "sudo").chmod(0o755)
        script = f"mount --bind {tmp_path / 'kernel'} /proc/sys/kernel\n{script}"
    subprocess.run(
        ("unshare", "--mount", "bash", "-euo", "pipefail", "-c", script),
        check=True, capture_output=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}:/usr/sbin:/sbin"},
    )  # fmt: skip
    if before:
        assert (tmp_path / SYSCTL).read_text().strip() == "0"


@ACTIONS
def test_the_step_that_makes_the_images_asks_make_for_them() -> None:
    """Without making them again, which `make test` does before: make only says what it would do."""
    steps = YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"]
    (script,) = (step["run"] for step in steps if step["name"] == "Make the images")
    environment = {**os.environ, "GITHUB_ACTION_PATH": str(ROOT), "MAKEFLAGS": "n"}
    done = subprocess.run(
        ("bash", "-euo", "pipefail", "-c", script), check=True, text=True, capture_output=True, env=environment
    )  # fmt: skip
    assert "python3 -m setup images" in done.stdout


@ACTIONS
def test_no_script_of_the_action_holds_an_expression(tmp_path: Path) -> None:
    action = YAML(typ="safe").load(ROOT / "action.yml")
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert len(scripts) == 4
    for script in scripts:
        assert "${{" not in script
        path = tmp_path / "script"
        path.write_text(script)
        subprocess.run((BIN / "shellcheck", "--shell=bash", "--exclude=SC1091", path), check=True)
