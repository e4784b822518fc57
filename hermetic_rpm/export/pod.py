"""What Tekton's steps and plain pods have in common: confinement, scratch space, limits, network policy."""

from __future__ import annotations

from typing import Any

from hermetic_rpm.export.model import Stage

SCRATCH, WRITABLE = "/work", ("/run", "/tmp", "/var/tmp")  # noqa: S108 - inside the container
NETWORK_LABEL = "hermetic-rpm/network"
"""The label of pods that need no network; the `network_policy` takes it from them."""

PLAIN: dict[str, Any] = {
    "runAsUser": 0,
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the helpers beside a stage get: no capability at all."""


def security_context(stage: Stage, *, seccomp: str, apparmor_unconfined: bool) -> dict[str, Any]:
    """Root of the container with the capabilities of the stage and nothing more."""
    context: dict[str, Any] = {
        "runAsUser": 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **({"add": list(stage.capabilities)} if stage.capabilities else {})},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if stage.sandbox:
        context["seccompProfile"] = {"type": "Localhost", "localhostProfile": seccomp}
        if apparmor_unconfined:
            context["appArmorProfile"] = {"type": "Unconfined"}
    return context


def making_output(stage: Stage, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """A container that makes the output directory, which no stage makes, on volumes mounted as for the stage."""
    return {
        "name": "output",
        "image": stage.image,
        "command": ["/bin/mkdir", "-p", stage.output],
        "securityContext": PLAIN,
        **({"volumeMounts": mounts} if mounts else {}),
    }


def resources(stage: Stage) -> dict[str, Any]:
    """Requests and limits alike; empty where the pipeline file says nothing."""
    found: dict[str, str] = {}
    if stage.cpus is not None:
        found["cpu"] = f"{round(stage.cpus * 1000)}m"
    if stage.memory is not None:
        found["memory"] = str(stage.memory)
    return {"requests": found, "limits": dict(found)} if found else {}


def scratch_volumes(stage: Stage) -> list[dict[str, Any]]:
    """An emptyDir for each place that a stage writes and forgets."""
    memory = {"medium": "Memory"}
    scratch = memory if stage.scratch_in_memory else {}
    return [{"name": _name(path), "emptyDir": scratch if path == SCRATCH else {}} for path in (SCRATCH, *WRITABLE)]


def scratch_mounts() -> list[dict[str, Any]]:
    """The mounts of `scratch_volumes`."""
    return [{"name": _name(path), "mountPath": path} for path in (SCRATCH, *WRITABLE)]


def network_policy(name: str) -> dict[str, Any]:
    """No traffic from and to pods with `NETWORK_LABEL`, where the cluster's network plugin enforces policies."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{name}-no-network"},
        "spec": {"podSelector": {"matchLabels": {NETWORK_LABEL: "none"}}, "policyTypes": ["Ingress", "Egress"]},
    }


def _name(path: str) -> str:
    return "scratch" + path.replace("/", "-")
