"""Stages that share no volume: the exported Tasks hand on OCI artifacts by a real registry that wants a login."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tasks_in_podman import TaskRun, authentication, handed_on, secret

from containers import DEMO, ROOT, Engine, Workspace, commands, runner, sample, with_runner
from hermetic_rpm.files import sha256_of
from tests.support.images import oci_layout
from tests.support.servers import Registry, registry

HAND_OFF = pytest.mark.promise("6.3", "hand-off as OCI artifacts")
SRPM = sample("hello") if (DEMO / "stamp").is_file() else Path()


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was exported, and the registry to hand off by."""

    engine: Engine
    documents: dict[str, list[dict[str, Any]]]
    server: Registry
    login: Path
    place: Path

    def task(self, index: int, **parameters: str) -> TaskRun:
        task = self.documents["tasks.yaml"][index]
        workspaces = {"srpm": SRPM.parent, "targets": ROOT / "targets", "build-demo": DEMO}
        return TaskRun(
            engine=self.engine, task=task, place=self.place / task["metadata"]["name"], login=self.login,
            parameters=parameters, workspaces=workspaces,
        )  # fmt: skip


@pytest.fixture
def exported(rootful: Engine, tmp_path: Path) -> Iterator[Exported]:
    directory = tmp_path / "registry"
    with registry(directory, auth=authentication(directory)) as server:
        done = runner(
            "export", "tekton", "-p", f"srpm={SRPM}", "--allow-tags", "--hand-off", f"{server.address}/group/builds",
            "--output", tmp_path / "tekton", environment=rootful.environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        documents = {p.name: list(YAML(typ="safe").load_all(p)) for p in (tmp_path / "tekton").iterdir()}
        login = secret(tmp_path / "login", server)
        yield Exported(engine=rootful, documents=documents, server=server, login=login, place=tmp_path / "pods")


@HAND_OFF
def test_tasks_without_a_common_volume_build_hello_as_the_runner_does(
    exported: Exported, hello: Workspace, tmp_path: Path
) -> None:
    (pipeline,), (run,) = exported.documents["pipeline.yaml"], exported.documents["pipelinerun.yaml"]
    given = {told["name"]: told["value"] for told in run["spec"]["params"]}
    given = {told["name"]: told["default"] for told in pipeline["spec"]["params"] if "default" in told} | given
    assert {bound["name"] for bound in run["spec"]["workspaces"]} <= {"srpm", "targets", "build-demo", "keys"}
    runs: dict[str, TaskRun] = {}
    for index, task in enumerate(pipeline["spec"]["tasks"]):
        runs[task["name"]] = exported.task(index, **handed_on(task, given, runs))
        runs[task["name"]].run()
    told = runs["builder"].results
    assert told["result-sha256"] == sha256_of(exported.place / "hermetic-rpm-builder/volumes/made-workspace"
                                              / "results/result.json")  # fmt: skip
    somewhere = with_runner(
        exported.engine, tmp_path / "somewhere", IMAGE=f"{told['IMAGE_URL']}@{told['IMAGE_DIGEST']}",
        REGISTRY_AUTH_FILE=str(exported.login / ".dockerconfigjson"), **exported.server.environment,
    )  # fmt: skip
    somewhere.home.mkdir()
    somewhere.run("bash", "-euc", commands("run-on-tekton.md", "results"), check=True)
    made = {path.name: sha256_of(path) for path in sorted((somewhere.home / "results").glob("*.rpm"))}
    assert made == {path.name: sha256_of(path) for path in hello.rpms()}
    assert len(made) == 3


@pytest.fixture
def given(exported: Exported) -> tuple[TaskRun, dict[str, Any], Path]:
    """An artifact as the resolver hands it on, the Task and step of the fetcher that take it, and where to."""
    maker = exported.task(0, **{"hand-off": f"{exported.server.address}/group/builds"})
    lock = maker.place / "volumes/made-workspace/lock"
    lock.mkdir(parents=True)
    (lock / "buildroot_lock.json").write_text("a lock")
    done = maker.step(maker.task["spec"]["steps"][-1])
    assert done.returncode == 0, done.stderr
    digest = (maker.place / "results/IMAGE_DIGEST").read_text()
    taker = exported.task(1, **maker.parameters, **{"resolver-artifact": digest})
    return taker, taker.task["spec"]["steps"][0], taker.place / "volumes/made-workspace/lock"


def blob(place: Path, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return place / f"registry/storage/docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"


@HAND_OFF
def test_what_was_handed_on_is_taken_as_it_was(given: tuple[TaskRun, dict[str, Any], Path]) -> None:
    taker, step, lock = given
    assert taker.step(step).returncode == 0
    assert [path.name for path in lock.iterdir()] == ["buildroot_lock.json"]
    assert (lock / "buildroot_lock.json").read_text() == "a lock"


@HAND_OFF
@pytest.mark.parametrize("what", ["layer", "manifest", "another artifact", "an image", "a tag"])
def test_a_registry_that_gives_something_else_is_refused(
    given: tuple[TaskRun, dict[str, Any], Path], exported: Exported, tmp_path: Path, what: str
) -> None:
    taker, step, lock = given
    digest = taker.parameters["resolver-artifact"]
    manifest = blob(tmp_path, digest)
    layer = blob(tmp_path, manifest.read_text().rsplit("sha256:", 1)[1][:64])
    if what == "layer":
        layer.write_bytes(layer.read_bytes().replace(b"a lock", b"b lock"))
    elif what == "manifest":
        manifest.write_text(manifest.read_text().replace("empty", "other"))
    elif what == "another artifact":
        manifest.write_bytes(push_image(exported, tmp_path).read_bytes())
    elif what == "an image":
        taker.parameters["resolver-artifact"] = f"sha256:{push_image(exported, tmp_path).parent.name}"
    else:
        taker.parameters["resolver-artifact"] = "latest"
    done = taker.step(step)
    assert done.returncode != 0
    assert ("not what a stage handed on" in done.stderr) == (what == "an image")
    assert list(lock.iterdir()) == []


def push_image(exported: Exported, tmp_path: Path) -> Path:
    """The manifest, in the registry, of an image that no stage made."""
    layout = oci_layout(tmp_path / "oci", {"etc/passwd": b"evil"})
    name = f"docker://{exported.server.address}/group/builds:evil"
    subprocess.run(
        ("skopeo", "copy", "--quiet", "--insecure-policy", "--preserve-digests",
         f"--authfile={exported.login}/.dockerconfigjson", f"--digestfile={tmp_path / 'digest'}",
         f"oci:{layout}:latest", name),
        check=True, capture_output=True, env={**os.environ, **exported.server.environment},
    )  # fmt: skip
    return blob(tmp_path, (tmp_path / "digest").read_text())


@HAND_OFF
def test_without_the_login_nothing_is_handed_on(exported: Exported) -> None:
    maker = exported.task(0, **{"hand-off": f"{exported.server.address}/group/builds"})
    (exported.login / ".dockerconfigjson").unlink()
    assert maker.step(maker.task["spec"]["steps"][-1]).returncode != 0
    assert not (maker.place / "results/IMAGE_DIGEST").exists()
