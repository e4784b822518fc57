"""A Tekton Task of one stage, as `tekton` puts it into a Pipeline.

A Task hands the sha256 of what it made to the next as a result, so that nothing can be swapped between them, and tells
Chains of its ``result.json``, which holds the sha256 of every output (https://tekton.dev/docs/chains/slsa-provenance/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.errors import ExportRefused
from hermetic_rpm.export import handoff, pod
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
    """How it is written down; ``claim`` is the PersistentVolumeClaim of the example PipelineRun.

    ``hand_off`` is the repository by which stages hand on what they made, empty for a volume that they share.
    """

    name: str
    claim: str
    seccomp: str
    apparmor_unconfined: bool
    retries: int
    hand_off: str = ""

    @property
    def login(self) -> str:
        """The secret with the login to the registry of ``hand_off``."""
        return f"{self.name}-registry"


def task(export: Export, stage: Stage, options: Options, *, name: str) -> dict[str, Any]:
    """The Task ``name``; raises `ExportRefused`."""
    made = _made(export, stage)
    labels = {"app.kubernetes.io/version": "1"}
    if not stage.has_network and not options.hand_off:  # which needs the registry
        labels[pod.NETWORK_LABEL] = "none"
    return {
        "apiVersion": API,
        "kind": "Task",
        "metadata": {"name": dns_label(name, "The Task"), "labels": labels},
        "spec": {
            "description": f"The stage {stage.name} of hermetic-rpm.",
            "params": task_parameters(export, stage, options),
            "workspaces": [_declared(export, mount) for mount in bound(export, stage, options)],
            "results": _results(made, options),
            "volumes": [
                *(handoff.volumes(export, stage, options.login) if options.hand_off else ()),
                *pod.scratch_volumes(stage),
            ],
            "steps": _steps(export, stage, made, options),
        },
    }


def bound(export: Export, stage: Stage, options: Options) -> list[Mount]:
    """The mounts of a stage that workspaces of its Task are for."""
    own = handoff.written(export) if options.hand_off else frozenset()
    return [mount for mount in stage.mounts if mount.volume not in own]


def _made(export: Export, stage: Stage) -> tuple[MadeFile, ...]:
    """What later stages expect of a stage, each once; of the last one the Pipeline tells its ``result.json``."""
    expected = [item for other in export.stages for item in other.expects if isinstance(item, MadeFile)]
    if stage is export.stages[-1]:
        expected.append(MadeFile(role="result", stage=stage.name, path=f"{stage.output}/result.json"))
    return tuple(dict.fromkeys(item for item in expected if item.stage == stage.name))


def task_parameters(export: Export, stage: Stage, options: Options) -> list[dict[str, str]]:
    """The parameters of a stage's Task."""
    descriptions = {parameter.name: parameter.description for parameter in export.parameters}
    texts = used((stage,)) - {item.parameter for item in stage.expects if isinstance(item, GivenFile)}
    named = {part.parameter for text in stage.arguments for part in text if isinstance(part, Reference)}
    told = {name: descriptions[name] for name in sorted(texts | named)}
    told |= {sha256(item.role): f"The sha256 that the {item.role} must have." for item in stage.expects}
    if options.hand_off:
        told[handoff.REPOSITORY] = "The repository of a registry that takes the artifacts."
        for place in handoff.taken_by(export, stage):
            told[handoff.digest_of(place)] = f"The digest of what the stage {place.stage} left."
    return [{"name": name, "type": "string", "description": text} for name, text in told.items()]


def sha256(name: str) -> str:
    """The parameter or result with the sha256 of a file."""
    return f"{name}-sha256"


def optional(volume: Volume) -> dict[str, bool]:
    """What says that a workspace may stay unbound."""
    return {"optional": True} if volume.optional else {}


def workspace(mount: Mount) -> str:
    """The name of a Task's workspace: one for each mount, for a Task mounts no workspace twice."""
    return dns_label("-".join((mount.volume, *PurePosixPath(mount.subpath).parts)), "The workspace")


def _declared(export: Export, mount: Mount) -> dict[str, Any]:
    volume = next(volume for volume in export.volumes if volume.name == mount.volume)
    return {
        "name": workspace(mount),
        "description": volume.description,
        "mountPath": mount.target,
        "readOnly": mount.read_only,
        **optional(volume),
    }


def _results(made: tuple[MadeFile, ...], options: Options) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": ARTIFACT,
            "description": "The result.json of the stage, which holds the sha256 of all it made.",
            "type": "object",
            "properties": {field: {"type": "string"} for field in _FIELDS},
        }
    ]
    told = {sha256(item.role): f"The sha256 of the {item.role}." for item in made}
    if options.hand_off:
        told[handoff.URL] = "The repository that has what the stage left."
        told[handoff.DIGEST] = "Its digest there."
    return [*found, *({"name": name, "type": "string", "description": text} for name, text in told.items())]


def _steps(export: Export, stage: Stage, made: tuple[MadeFile, ...], options: Options) -> list[dict[str, Any]]:
    """What fills the volumes, the stage, what reports its results, and what hands them on."""
    own = handoff.mounts(export, stage) if options.hand_off else []
    taken = handoff.taken_by(export, stage) if options.hand_off else ()
    return [
        *([handoff.taking_step(export, taken)] if taken else ()),
        pod.making_output(stage, own),
        _step(stage, own, options),
        _report_step(export, stage, made, own),
        *([handoff.giving_step(export, stage)] if options.hand_off else ()),
    ]


def _step(stage: Stage, own: list[dict[str, Any]], options: Options) -> dict[str, Any]:
    step: dict[str, Any] = {
        "name": stage.name,
        "image": stage.image,
        "args": [*(_text(stage, text) for text in stage.arguments), *_expectations(stage)],
        "securityContext": pod.security_context(
            stage, seccomp=options.seccomp, apparmor_unconfined=options.apparmor_unconfined
        ),
        "volumeMounts": [*own, *pod.scratch_mounts()],
    }
    if stage.environment:
        step["env"] = [{"name": name, "value": _text(stage, value)} for name, value in stage.environment]
    if limits := pod.resources(stage):
        step["computeResources"] = limits
    return step


def _report_step(
    export: Export, stage: Stage, made: tuple[MadeFile, ...], own: list[dict[str, Any]]
) -> dict[str, Any]:  # fmt: skip
    """Digests of what the stage left, by a program that no package can have touched: the image's root is read-only."""
    pairs = [part for item in made for part in (item.path, f"$(results.{sha256(item.role)}.path)")]
    last = stage is export.stages[-1]
    return {
        "name": "results",
        "image": stage.image,
        "script": _REPORT,
        "args": [f"{stage.output}/result.json", f"$(results.{ARTIFACT}.path)", "true" if last else "false", *pairs],
        "securityContext": pod.PLAIN,
        **({"volumeMounts": own} if own else {}),
    }


def _expectations(stage: Stage) -> list[str]:
    return [f"--expect={item.role}=$(params.{sha256(item.role)})" for item in stage.expects]


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
