"""Tekton's part, played by podman: the steps of exported Tasks, one after another, as the documents say."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from containers import ROOT, Engine
from tests.support.servers import Registry, program

REFERENCE = re.compile(r"\$\(([^()]*)\)")
USER = "somebody:demo-only"


def authentication(directory: Path) -> str:
    """The configuration of a registry in ``directory`` that wants `USER`."""
    directory.mkdir()
    command = (program("htpasswd"), "-nbB", *USER.split(":"))
    users = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (directory / "htpasswd").write_text(users)
    return f"auth: {{htpasswd: {{realm: demo, path: {directory / 'htpasswd'}}}}}\n"


def secret(directory: Path, server: Registry) -> Path:
    """What the pods get as /login: the login, and whom to trust."""
    directory.mkdir()
    auth = base64.b64encode(USER.encode()).decode()
    (directory / ".dockerconfigjson").write_text(json.dumps({"auths": {server.address: {"auth": auth}}}))
    (directory / "ca.crt").write_bytes(Path(server.environment["SSL_CERT_FILE"]).read_bytes())
    return directory


@dataclass(kw_only=True)
class TaskRun:
    """One run of a Task; every volume of it is a directory below ``place``."""

    engine: Engine
    task: dict[str, Any]
    place: Path
    login: Path
    parameters: dict[str, str]
    workspaces: dict[str, Path]
    results: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Every step; what they told is in ``results``."""
        for step in self.task["spec"]["steps"]:
            done = self.step(step)
            assert done.returncode == 0, f"{step['name']}: {done.stderr[-3000:]}"
        for path in (self.place / "results").iterdir():
            self.results[path.name] = path.read_text()

    def step(self, step: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        (self.place / "results").mkdir(parents=True, exist_ok=True)
        entry = step.get("command", [])
        if "script" in step:
            script = self.place / "script"
            script.write_text(step["script"])
            script.chmod(0o755)
            entry = ["/tekton/script"]
        network = "host" if step["name"] in {"take", "give"} else "none"  # the registry is on this host's loopback
        words = [self._text(word) for word in (*entry[1:], *step.get("args", ()))]
        return self.engine.run(
            "podman", "run", "--rm", f"--network={network}", *self._confined(step["securityContext"]),
            *(f"--entrypoint={word}" for word in entry[:1]), "-v", f"{self.place}/results:/tekton/results",
            *(("-v", f"{self.place}/script:/tekton/script:ro") if "script" in step else ()),
            *self._volumes(step), step["image"], *words,
        )  # fmt: skip

    def _text(self, text: str) -> str:
        values = {f"params.{name}": value for name, value in self.parameters.items()}
        values |= {f"results.{r['name']}.path": f"/tekton/results/{r['name']}" for r in self.task["spec"]["results"]}
        values["context.taskRun.name"] = self.task["metadata"]["name"]
        return REFERENCE.sub(lambda found: values[found[1]], text).replace("$$", "$")

    def _confined(self, context: dict[str, Any]) -> list[str]:
        assert not context["privileged"]
        profile = context["seccompProfile"]
        local = profile["type"] == "Localhost"
        return [
            "--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges",
            *(f"--cap-add={name}" for name in context["capabilities"].get("add", ())),
            *([f"--security-opt=seccomp={ROOT}/containers/{profile['localhostProfile']}"] if local else []),
        ]  # fmt: skip

    def _volumes(self, step: dict[str, Any]) -> list[str]:
        found = []
        for mount in step.get("volumeMounts", ()):
            of_volume = self.login if mount["name"] == "login" else self.place / "volumes" / mount["name"]
            source = of_volume / mount.get("subPath", "")
            source.mkdir(parents=True, exist_ok=True)
            found.append((source, mount["mountPath"], mount.get("readOnly", False)))
        for workspace in self.task["spec"].get("workspaces", ()):
            if workspace["name"] in self.workspaces:
                source = self.workspaces[workspace["name"]]
                found.append((source, workspace["mountPath"], workspace["readOnly"]))
        return [part for source, target, ro in found for part in ("-v", f"{source}:{target}{':ro' if ro else ''}")]


def handed_on(pipeline_task: dict[str, Any], parameters: dict[str, str], runs: dict[str, TaskRun]) -> dict[str, str]:
    """The parameters of a Task, by those of the run and the results of earlier Tasks."""
    values = {f"params.{name}": value for name, value in parameters.items()}
    values |= {f"tasks.{name}.results.{key}": text for name, run in runs.items() for key, text in run.results.items()}
    return {
        told["name"]: REFERENCE.sub(lambda found: values[found[1]], told["value"]) for told in pipeline_task["params"]
    }
