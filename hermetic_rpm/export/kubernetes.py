"""Plain Kubernetes: a Job or a Pod for each stage, to be run one after another, and a network policy.

Nothing hands sha256 from one to the next here, as Tekton's results do; only those of given files are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.export import pod
from hermetic_rpm.export.model import Export, GivenFile, Mount, Stage, concrete, dns_label

HOSTNAME = "hermetic-rpm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How it is written down; ``kind`` is ``Job`` or ``Pod``, ``host_path`` whether the volumes are this host's."""

    name: str
    claim: str
    seccomp: str
    apparmor_unconfined: bool
    kind: str
    host_path: bool


def documents(export: Export, options: Options) -> dict[str, tuple[dict[str, Any], ...]]:
    """The documents by the name of their file; raises `ExportRefused`."""
    dns_label(f"{options.name}-no-network", "The prefix of the objects makes")
    stages = {
        f"{number}-{stage.name}.yaml": (_stage(export, stage, options),)
        for number, stage in enumerate(export.stages, start=1)
    }
    return {**stages, "networkpolicy.yaml": (pod.network_policy(options.name),)}


def _stage(export: Export, stage: Stage, options: Options) -> dict[str, Any]:
    name = dns_label(f"{options.name}-{stage.name}", f"The {options.kind}")
    metadata: dict[str, Any] = {"labels": {"app.kubernetes.io/name": options.name}}
    if not stage.has_network:
        metadata["labels"][pod.NETWORK_LABEL] = "none"
    specification = _pod(export, stage, options)
    if options.kind == "Pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": specification}
    job: dict[str, Any] = {"backoffLimit": 0, "template": {"metadata": metadata, "spec": specification}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job}


def _pod(export: Export, stage: Stage, options: Options) -> dict[str, Any]:
    present = {volume.name for volume in export.volumes if volume.present or not volume.optional}
    mounts = [mount for mount in stage.mounts if mount.volume in present]
    container: dict[str, Any] = {
        "name": stage.name,
        "image": stage.image,
        "args": [*(_literal(concrete(text, export.parameters)) for text in stage.arguments), *_told(export, stage)],
        "securityContext": pod.security_context(
            stage, seccomp=options.seccomp, apparmor_unconfined=options.apparmor_unconfined
        ),
        "volumeMounts": [*(_mount(mount, options) for mount in mounts), *pod.scratch_mounts()],
    }
    if stage.environment:
        container["env"] = [
            {"name": name, "value": _literal(concrete(value, export.parameters))} for name, value in stage.environment
        ]
    if limits := pod.resources(stage):
        container["resources"] = limits
    return {
        "restartPolicy": "Never",
        "hostname": HOSTNAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **({} if stage.timeout is None else {"activeDeadlineSeconds": stage.timeout}),
        "initContainers": [pod.making_output(stage, [_mount(mount, options) for mount in mounts])],
        "containers": [container],
        "volumes": [*_volumes(export, mounts, options), *pod.scratch_volumes(stage)],
    }


def _told(export: Export, stage: Stage) -> list[str]:
    digests = {parameter.name: parameter.sha256 for parameter in export.parameters}
    given = (item for item in stage.expects if isinstance(item, GivenFile))
    return [f"--expect={item.role}={digests[item.parameter]}" for item in given]


def _mount(mount: Mount, options: Options) -> dict[str, Any]:
    """On a claim each volume is a directory of its name; a directory of this host is a volume of its own."""
    told: dict[str, Any] = {"mountPath": mount.target, "readOnly": mount.read_only}
    if options.host_path:
        return {"name": _host_volume(mount), **told}
    return {"name": "claim", "subPath": str(PurePosixPath(mount.volume) / mount.subpath), **told}


def _volumes(export: Export, mounts: list[Mount], options: Options) -> list[dict[str, Any]]:
    if not options.host_path:
        claim = dns_label(options.claim, "The claim")
        return [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}]
    paths = {volume.name: volume.path for volume in export.volumes}
    return [
        {
            "name": _host_volume(mount),
            "hostPath": {"path": str(PurePosixPath(paths[mount.volume]) / mount.subpath), "type": "DirectoryOrCreate"},
        }
        for mount in mounts
    ]


def _host_volume(mount: Mount) -> str:
    return dns_label("-".join(("host", mount.volume, *PurePosixPath(mount.subpath).parts)), "The volume")


def _literal(text: str) -> str:
    """A text that Kubernetes takes as it is: it reads ``$(…)``, and ``$$`` as ``$``."""
    return text.replace("$", "$$")
