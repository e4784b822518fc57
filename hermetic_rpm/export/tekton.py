"""Tekton: a Task for each stage, a Pipeline, an example PipelineRun, and a network policy.

A Task hands the sha256 of what it made to the next as a result, so that nothing can be swapped on the volume between
them, and tells Chains of its ``result.json``, which holds the sha256 of every output
(https://tekton.dev/docs/chains/slsa-provenance/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.errors import ExportRefused
from hermetic_rpm.export import pod
from hermetic_rpm.export.model import (
    Export,
    GivenFile,
    MadeFile,
    Mount,
    Reference,
    Stage,
    Text,
    Volume,
    dns_label,
    used,
)

API = "tekton.dev/v1"
ARTIFACT = "ARTIFACT_OUTPUTS"
RESULT = "result-sha256"
_FIELDS = ("uri", "digest", "isBuildArtifact")
_SUBSTITUTION = re.compile(r"\$\(")

_REPORT = """\
#!/bin/sh
# $1: result.json, $2: the result for Chains, $3: whether this is what the build is about; then pairs of file, result
set -eu
digest() { sha256sum < "$1" | cut -c 1-64; }
printf '{"uri":"file://%s","digest":"sha256:%s","isBuildArtifact":"%s"}' "$1" "$(digest "$1")" "$3" > "$2"
shift 3
while [ "$#" -gt 0 ]; do
  printf %s "$(digest "$1")" > "$2"
  shift 2
done
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How it is written down; ``claim`` is the PersistentVolumeClaim of the example PipelineRun."""

    name: str
    claim: str
    seccomp: str
    apparmor_unconfined: bool
    retries: int


def documents(export: Export, options: Options) -> dict[str, tuple[dict[str, Any], ...]]:
    """The documents by the name of their file; raises `ExportRefused`."""
    dns_label(f"{options.name}-no-network", "The prefix of the objects makes")
    tasks = tuple(_task(export, stage, options) for stage in export.stages)
    return {
        "tasks.yaml": tasks,
        "pipeline.yaml": (_pipeline(export, options),),
        "networkpolicy.yaml": (pod.network_policy(options.name),),
        "pipelinerun.yaml": (_run(export, options),),
    }


def _task(export: Export, stage: Stage, options: Options) -> dict[str, Any]:
    made = _made(export, stage)
    return {
        "apiVersion": API,
        "kind": "Task",
        "metadata": {
            "name": dns_label(f"{options.name}-{stage.name}", "The Task"),
            "labels": {"app.kubernetes.io/version": "1", **({} if stage.has_network else {pod.NETWORK_LABEL: "none"})},
        },
        "spec": {
            "description": f"The stage {stage.name} of hermetic-rpm.",
            "params": _task_parameters(export, stage),
            "workspaces": [_declared(export, mount) for mount in stage.mounts],
            "results": [
                {
                    "name": ARTIFACT,
                    "description": "The result.json of the stage, which holds the sha256 of all it made.",
                    "type": "object",
                    "properties": {field: {"type": "string"} for field in _FIELDS},
                },
                *(
                    {"name": _sha256(item.role), "type": "string", "description": f"The sha256 of the {item.role}."}
                    for item in made
                ),
            ],
            "volumes": pod.scratch_volumes(stage),
            "steps": [pod.making_output(stage, []), _step(stage, options), _report_step(export, stage, made)],
        },
    }


def _step(stage: Stage, options: Options) -> dict[str, Any]:
    step: dict[str, Any] = {
        "name": stage.name,
        "image": stage.image,
        "args": [*(_text(stage, text) for text in stage.arguments), *_expectations(stage)],
        "securityContext": pod.security_context(
            stage, seccomp=options.seccomp, apparmor_unconfined=options.apparmor_unconfined
        ),
        "volumeMounts": pod.scratch_mounts(),
    }
    if stage.environment:
        step["env"] = [{"name": name, "value": _text(stage, value)} for name, value in stage.environment]
    if limits := pod.resources(stage):
        step["computeResources"] = limits
    return step


def _report_step(export: Export, stage: Stage, made: tuple[MadeFile, ...]) -> dict[str, Any]:
    """Digests of what the stage left, by a program that no package can have touched: the image's root is read-only."""
    pairs = [part for item in made for part in (item.path, f"$(results.{_sha256(item.role)}.path)")]
    last = stage is export.stages[-1]
    return {
        "name": "results",
        "image": stage.image,
        "script": _REPORT,
        "args": [f"{stage.output}/result.json", f"$(results.{ARTIFACT}.path)", "true" if last else "false", *pairs],
        "securityContext": pod.PLAIN,
    }


def _made(export: Export, stage: Stage) -> tuple[MadeFile, ...]:
    """What later stages expect of a stage, each once; of the last one the Pipeline tells its ``result.json``."""
    expected = [item for other in export.stages for item in other.expects if isinstance(item, MadeFile)]
    if stage is export.stages[-1]:
        expected.append(MadeFile(role="result", stage=stage.name, path=f"{stage.output}/result.json"))
    return tuple(dict.fromkeys(item for item in expected if item.stage == stage.name))


def _task_parameters(export: Export, stage: Stage) -> list[dict[str, str]]:
    descriptions = {parameter.name: parameter.description for parameter in export.parameters}
    named = used((stage,)) - {item.parameter for item in stage.expects if isinstance(item, GivenFile)}
    texts = {part.parameter for text in stage.arguments for part in text if isinstance(part, Reference)}
    plain = [
        {"name": name, "type": "string", "description": descriptions[name]} for name in sorted(named | texts)
    ]  # fmt: skip
    expected = [
        {"name": _sha256(item.role), "type": "string", "description": f"The sha256 that the {item.role} must have."}
        for item in stage.expects
    ]
    return [*plain, *expected]


def _declared(export: Export, mount: Mount) -> dict[str, Any]:
    volume = next(volume for volume in export.volumes if volume.name == mount.volume)
    return {
        "name": _workspace(mount),
        "description": volume.description,
        "mountPath": mount.target,
        "readOnly": mount.read_only,
        **_optional(volume),
    }


def _pipeline(export: Export, options: Options) -> dict[str, Any]:
    last = export.stages[-1]
    parameters: list[dict[str, str]] = []
    for parameter in export.parameters:
        told = {"name": parameter.name, "type": "string", "description": parameter.description}
        if parameter.sha256 is None:
            parameters.append(told | {"default": parameter.value})
            continue
        parameters.append(told)
        description = f"The sha256 that the file {parameter.name} must have."
        parameters.append({"name": _sha256(parameter.name), "type": "string", "description": description})
    return {
        "apiVersion": API,
        "kind": "Pipeline",
        "metadata": {"name": options.name, "labels": {"app.kubernetes.io/version": "1"}},
        "spec": {
            "description": "From a source RPM to RPMs, from locked and verified inputs only.",
            "params": parameters,
            "workspaces": [
                {"name": volume.name, "description": volume.description, **_optional(volume)}
                for volume in export.volumes
            ],
            "tasks": [_pipeline_task(export, index, options) for index in range(len(export.stages))],
            "results": [
                {
                    "name": RESULT,
                    "type": "string",
                    "description": "The sha256 of the last stage's result.json, which holds those of the RPMs.",
                    "value": f"$(tasks.{last.name}.results.{RESULT})",
                }
            ],
        },
    }  # fmt: skip


def _pipeline_task(export: Export, index: int, options: Options) -> dict[str, Any]:
    stage = export.stages[index]
    task: dict[str, Any] = {
        "name": stage.name,
        "taskRef": {"name": f"{options.name}-{stage.name}"},
        "params": [_handed_on(stage, parameter["name"]) for parameter in _task_parameters(export, stage)],
        "workspaces": [
            {"name": _workspace(mount), "workspace": mount.volume, **_subpath(mount)}
            for mount in stage.mounts
        ],
    }  # fmt: skip
    if index:
        task["runAfter"] = [export.stages[index - 1].name]
    if stage.timeout is not None:
        task["timeout"] = f"{stage.timeout}s"
    if stage.has_network and options.retries:
        task["retries"] = options.retries
    return task


def _handed_on(stage: Stage, name: str) -> dict[str, str]:
    for item in stage.expects:
        if name == _sha256(item.role):
            if isinstance(item, MadeFile):
                return {"name": name, "value": f"$(tasks.{item.stage}.results.{name})"}
            return {"name": name, "value": f"$(params.{_sha256(item.parameter)})"}
    return {"name": name, "value": f"$(params.{name})"}


def _run(export: Export, options: Options) -> dict[str, Any]:
    claim = dns_label(options.claim, "The claim")
    values: list[dict[str, str]] = []
    for parameter in export.parameters:
        values.append({"name": parameter.name, "value": parameter.value})
        if parameter.sha256 is not None:
            values.append({"name": _sha256(parameter.name), "value": parameter.sha256})
    return {
        "apiVersion": API,
        "kind": "PipelineRun",
        "metadata": {"generateName": f"{options.name}-"},
        "spec": {
            "pipelineRef": {"name": options.name},
            "params": values,
            "workspaces": [
                {"name": volume.name, "subPath": volume.name, "persistentVolumeClaim": {"claimName": claim}}
                for volume in export.volumes
                if volume.present or not volume.optional
            ],
            "taskRunTemplate": {"podTemplate": {"automountServiceAccountToken": False, "enableServiceLinks": False}},
        },
    }


def _expectations(stage: Stage) -> list[str]:
    return [f"--expect={item.role}=$(params.{_sha256(item.role)})" for item in stage.expects]


def _text(stage: Stage, text: Text) -> str:
    """A text in which Tekton replaces our references, and nothing else: it has no way to quote its ``$(``.

    Kubernetes reads the text afterwards, and takes ``$$`` for ``$``.
    """
    literal = "".join(part for part in text if isinstance(part, str))
    if _SUBSTITUTION.search(literal) or any(isinstance(p, str) and p.endswith("$") for p in text[:-1]):
        raise ExportRefused(f"The stage {stage.name} is told {literal!r}: Tekton would replace what it finds in $(…).")
    return "".join(
        part.replace("$", "$$") if isinstance(part, str) else f"$(params.{part.parameter})" for part in text
    )  # fmt: skip


def _optional(volume: Volume) -> dict[str, bool]:
    return {"optional": True} if volume.optional else {}


def _subpath(mount: Mount) -> dict[str, str]:
    return {"subPath": mount.subpath} if mount.subpath else {}


def _workspace(mount: Mount) -> str:
    """The name of a Task's workspace: one for each mount, for a Task mounts no workspace twice."""
    return dns_label("-".join((mount.volume, *PurePosixPath(mount.subpath).parts)), "The workspace")


def _sha256(name: str) -> str:
    return f"{name}-sha256"
