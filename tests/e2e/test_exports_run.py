"""What is exported runs: the Pods by `podman kube play`, the scripts of the action and of the workflow in bash."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from containers import QUICK, ROOT, Engine, Workspace, commands, runner, sample, with_runner
from hermetic_rpm.files import sha256_of

ACTIONS = pytest.mark.promise("6.4", "action and workflow are valid, and their scripts run")


def digests(directory: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(directory.glob("*.rpm"))}


def bash(script: str, cwd: Path, environment: dict[str, str]) -> None:
    """As GitHub runs a step with `shell: bash`."""
    command = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
    done = subprocess.run(command, check=False, text=True, capture_output=True, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@ACTIONS
def test_the_scripts_of_the_action_build(rootful: Engine, quick: Workspace, tmp_path: Path) -> None:
    """All but the one that is `make images`, which `make test` has run."""
    steps = YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"]
    scripts = {step["name"]: step["run"] for step in steps if "run" in step}
    shutil.copy(quick.path / QUICK, tmp_path)
    given = {"SRPM": QUICK, "TARGET": "demo-dnf5-x86_64", "TARGETS": "", "WORKSPACE": "w", "OUTPUT": "results"}
    environment = {
        **rootful.environment, **given, "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }  # fmt: skip
    for name in ("Build", "Summarise"):
        bash(scripts[name], tmp_path, environment)
    assert digests(tmp_path / "results") == digests(quick.path / "results")
    lines = (tmp_path / "output").read_text().splitlines()
    assert lines[0].startswith("rpms<<")
    rpms = lines[1 : lines.index(lines[0].removeprefix("rpms<<"))]
    assert rpms
    assert all(Path(path).is_file() for path in rpms)
    assert "lockfile<<" in lines[len(rpms) + 2]
    for name, sha256 in digests(tmp_path / "results").items():
        assert f"`{name}`" in (tmp_path / "summary").read_text()
        assert f"`{sha256}`" in (tmp_path / "summary").read_text()


@ACTIONS
def test_the_scripts_of_the_workflow_build(rootful: Engine, quick: Workspace, tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    (checkout / "build").mkdir(parents=True)
    shutil.copytree(ROOT / "targets", checkout / "targets")
    shutil.copy(ROOT / "pipeline.yaml", checkout)
    shutil.copy(quick.path / QUICK, checkout)
    (checkout / "build/demo").symlink_to((ROOT / "build/demo").resolve())
    done = runner(
        "export", "github", "-p", f"srpm={QUICK}", "--allow-tags", "--output", "made",
        environment={**rootful.environment, "PYTHONPATH": str(ROOT)}, cwd=checkout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    workflow = YAML(typ="safe").load(checkout / "made/hermetic-rpm.yml")
    inputs = workflow["on"]["workflow_dispatch"]["inputs"]
    for step in workflow["jobs"]["build"]["steps"]:
        if step["name"].startswith("Run the "):
            names = {key: value.removeprefix("${{ inputs.").removesuffix(" }}") for key, value in step["env"].items()} \
                if "env" in step else {}  # fmt: skip
            values = {key: inputs[name]["default"] for key, name in names.items()}
            bash(step["run"], checkout, {**rootful.environment, **values})
    assert digests(checkout / "build/workspace/results") == digests(quick.path / "results")


@pytest.fixture
def played(rootful: Engine, tmp_path: Path) -> Iterator[Path]:
    """Where Pods are exported to; those that ran are gone at the end, and what podman made of their emptyDirs."""
    yield tmp_path / "pods"
    for path in sorted((tmp_path / "pods").glob("[123]-*.yaml")):
        rootful.run("podman", "kube", "down", path)
        document: dict[str, Any] = YAML(typ="safe").load(path)
        for volume in document["spec"]["volumes"]:
            if "emptyDir" in volume:
                rootful.run("podman", "volume", "rm", "--force", volume["name"])


@pytest.mark.promise("6.3", "Pods run by `podman kube play`")
def test_the_pods_build_as_podman_run_does(rootful: Engine, quick: Workspace, played: Path, tmp_path: Path) -> None:
    if shutil.which("catatonit") is None:
        pytest.skip("catatonit is not installed: run `make setup`")
    name = f"h{tmp_path.name.replace('_', '-')}"[:30].rstrip("-")
    done = runner(
        "export", "kubernetes", "-p", f"srpm={quick.path / QUICK}", "-p", f"workspace={tmp_path}/workspace",
        "--allow-tags", "--kind=Pod", "--host-path", f"--name={name}", "--output", played,
        environment=rootful.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for number, stage in enumerate(("resolver", "fetcher", "builder"), start=1):
        path = played / f"{number}-{stage}.yaml"
        network = ("--network=none",) if stage == "builder" else ()
        rootful.run(
            "podman", "kube", "play", *network, "--seccomp-profile-root", ROOT / "containers", path, check=True
        )  # fmt: skip
        container = f"{name}-{stage}-{stage}"
        status = rootful.run("podman", "wait", container, check=True).stdout.strip()
        assert status == "0", rootful.run("podman", "logs", container).stderr
    assert digests(tmp_path / "workspace/results") == digests(quick.path / "results")


@pytest.mark.promise("6.3", "Pods run by `podman kube play`")
def test_an_ordinary_user_plays_the_pods_of_the_how_to(rootless: Engine, hello: Workspace) -> None:
    if shutil.which("catatonit") is None:
        pytest.skip("catatonit is not installed: run `make setup`")
    place = rootless.home / "pods"
    rootless.run("mkdir", "-p", place / "build/workspace", place / "targets", check=True)
    for name in ("pipeline.yaml", *(f"targets/{path.name}" for path in (ROOT / "targets").glob("demo-*.yaml"))):
        shutil.copy(ROOT / name, place / name)
    shutil.copy(sample("hello"), place / "hello.src.rpm")
    for name in ("build/demo", "containers"):
        (place / name).symlink_to((ROOT / name).resolve())
    with_runner(rootless, place).run("bash", "-euc", commands("run-on-tekton.md", "pods"), check=True)
    play = ("env", "NETWORK=none", "bash", "-euc", commands("run-on-tekton.md", "play"))
    rootless.run(*play, cwd=place, check=True)
    assert digests(place / "build/workspace/results") == digests(hello.path / "results")
    assert rootless.run("podman", "ps", "--all", "--quiet", check=True).stdout == ""
