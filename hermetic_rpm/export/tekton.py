"""Tekton: a Task for each stage, a Pipeline, an example PipelineRun, and a network policy.

For several architectures the Pipeline has a row of tasks for each: a ``matrix`` cannot do it, for what one of its
TaskRuns results in does not reach just its counterpart of the next task
(https://tekton.dev/docs/pipelines/matrix/#results-from-fanned-out-pipelinetasks).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.export import handoff, pod
from hermetic_rpm.export.model import Export, MadeFile, Mount, Stage, Volume, dns_label
from hermetic_rpm.export.tekton_task import (
    API,
    Options,
    bound,
    optional,
    sha256,
    task,
    task_parameters,
    workspace,
)

RESULT = "result-sha256"
_POD: dict[str, Any] = {"automountServiceAccountToken": False, "enableServiceLinks": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The stages of one architecture, as Kubernetes calls it; empty if there is but one."""

    architecture: str = ""
    export: Export

    def name(self, stage: str) -> str:
        """The name of a stage's task in the Pipeline."""
        return dns_label("-".join(part for part in (stage, self.architecture) if part), "The task")

    def result(self, name: str) -> str:
        """The name of a result of the Pipeline; Chains looks at how it ends."""
        return "-".join(part for part in (self.architecture, name) if part)


def documents(rows: tuple[Row, ...], options: Options) -> dict[str, tuple[dict[str, Any], ...]]:
    """The documents by the name of their file, of rows that differ in images and fixed values only.

    Raises `ExportRefused`.
    """
    dns_label(f"{options.name}-no-network", "The prefix of the objects makes")
    tasks = tuple(
        task(row.export, stage, options, name=f"{options.name}-{row.name(stage.name)}")
        for row in rows
        for stage in row.export.stages
    )
    policy = {} if options.hand_off else {"networkpolicy.yaml": (pod.network_policy(options.name),)}
    return {
        "tasks.yaml": tasks,
        "pipeline.yaml": (_pipeline(rows, options),),
        **policy,
        "pipelinerun.yaml": (_run(rows, options),),
    }


def _pipeline(rows: tuple[Row, ...], options: Options) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "Pipeline",
        "metadata": {"name": options.name, "labels": {"app.kubernetes.io/version": "1"}},
        "spec": {
            "description": "From a source RPM to RPMs, from locked and verified inputs only.",
            "params": _parameters(rows[0].export, options),
            "workspaces": [
                {"name": volume.name, "description": volume.description, **optional(volume)}
                for volume in _volumes(rows[0].export, options)
            ],
            "tasks": [_pipeline_task(row, index, options) for row in rows for index in range(len(row.export.stages))],
            "results": [result for row in rows for result in _results(row, options)],
        },
    }


def _parameters(export: Export, options: Options) -> list[dict[str, str]]:
    parameters: list[dict[str, str]] = []
    for parameter in export.parameters:
        told = {"name": parameter.name, "type": "string", "description": parameter.description}
        if parameter.sha256 is None:
            parameters.append(told | {"default": parameter.value})
            continue
        parameters.append(told)
        description = f"The sha256 that the file {parameter.name} must have."
        parameters.append({"name": sha256(parameter.name), "type": "string", "description": description})
    if options.hand_off:
        description = "The repository of a registry that takes what the stages hand on."
        name = handoff.REPOSITORY
        parameters.append({"name": name, "type": "string", "description": description, "default": options.hand_off})
    return parameters


def _volumes(export: Export, options: Options) -> list[Volume]:
    """What whoever runs the Pipeline brings."""
    own = handoff.written(export) if options.hand_off else frozenset()
    return [volume for volume in export.volumes if volume.name not in own]


def _results(row: Row, options: Options) -> list[dict[str, str]]:
    told = {RESULT: "The sha256 of the last stage's result.json, which holds those of the RPMs."}
    if options.hand_off:
        told[handoff.URL] = "The repository that has what the last stage left."
        told[handoff.DIGEST] = "Its digest there."
    maker = row.name(row.export.stages[-1].name)
    return [
        {"name": row.result(name), "type": "string", "description": text, "value": f"$(tasks.{maker}.results.{name})"}
        for name, text in told.items()
    ]


def _pipeline_task(row: Row, index: int, options: Options) -> dict[str, Any]:
    stage = row.export.stages[index]
    told: dict[str, Any] = {
        "name": row.name(stage.name),
        "taskRef": {"name": f"{options.name}-{row.name(stage.name)}"},
        "params": [
            {"name": parameter["name"], "value": _handed_on(row, stage, parameter["name"])}
            for parameter in task_parameters(row.export, stage, options)
        ],
        "workspaces": [
            {"name": workspace(mount), "workspace": mount.volume, **_subpath(row, mount)}
            for mount in bound(row.export, stage, options)
        ],
    }
    if index:
        told["runAfter"] = [row.name(row.export.stages[index - 1].name)]
    if stage.timeout is not None:
        told["timeout"] = f"{stage.timeout}s"
    if stage.has_network and options.retries:
        told["retries"] = options.retries
    return told


def _handed_on(row: Row, stage: Stage, name: str) -> str:
    for place in handoff.taken_by(row.export, stage):
        if name == handoff.digest_of(place):
            return f"$(tasks.{row.name(place.stage)}.results.{handoff.DIGEST})"
    for item in stage.expects:
        if name == sha256(item.role):
            if isinstance(item, MadeFile):
                return f"$(tasks.{row.name(item.stage)}.results.{name})"
            return f"$(params.{sha256(item.parameter)})"
    return f"$(params.{name})"


def _subpath(row: Row, mount: Mount) -> dict[str, str]:
    """What the stages write is apart for each architecture."""
    apart = row.architecture if mount.volume in handoff.written(row.export) else ""
    path = str(PurePosixPath(apart) / mount.subpath)
    return {} if path == "." else {"subPath": path}


def _run(rows: tuple[Row, ...], options: Options) -> dict[str, Any]:
    claim = dns_label(options.claim, "The claim")
    export = rows[0].export
    values: list[dict[str, str]] = []
    for parameter in export.parameters:
        values.append({"name": parameter.name, "value": parameter.value})
        if parameter.sha256 is not None:
            values.append({"name": sha256(parameter.name), "value": parameter.sha256})
    nodes = [node for row in rows if row.architecture for node in _nodes(row)]
    return {
        "apiVersion": API,
        "kind": "PipelineRun",
        "metadata": {"generateName": f"{options.name}-"},
        "spec": {
            "pipelineRef": {"name": options.name},
            "params": values,
            "workspaces": [
                {"name": volume.name, "subPath": volume.name, "persistentVolumeClaim": {"claimName": claim}}
                for volume in _volumes(export, options)
                if volume.present or not volume.optional
            ],
            "taskRunTemplate": {"podTemplate": _POD},
            **({"taskRunSpecs": nodes} if nodes else {}),
        },
    }


def _nodes(row: Row) -> list[dict[str, Any]]:
    """On which nodes the tasks of an architecture run; each is told all that the pods are told."""
    template = _POD | {"nodeSelector": {"kubernetes.io/arch": row.architecture}}
    return [{"pipelineTaskName": row.name(stage.name), "podTemplate": template} for stage in row.export.stages]
