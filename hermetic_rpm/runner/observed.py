"""What podman's inspect says of a stage's container once it has ended: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hermetic_rpm.runner.pipeline import NO_NETWORK

ALLOWED = frozenset(("CAP_DAC_OVERRIDE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"))
"""The capabilities that a pipeline file may give."""

NO_NEW_PRIVILEGES = "no-new-privileges"
UNLABELLED = "label=disable"
"""What a sandbox needs where there is SELinux, whose confined containers may not mount."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mounted:
    """A place in the container where something of the host was."""

    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container as podman made it; ``started`` and ``finished`` are in UTC, to the second.

    ``image`` is the id of its image with ``sha256:``; ``arguments`` are those for the entry point.
    """

    id: str
    image: str
    image_digest: str
    runtime: str
    arguments: tuple[str, ...]
    network_mode: str
    effective_capabilities: tuple[str, ...]
    bounding_capabilities: tuple[str, ...]
    read_only_root: bool
    privileged: bool
    security_options: tuple[str, ...]
    devices: tuple[str, ...]
    pid_mode: str
    ipc_mode: str
    user_mode: str
    mounts: tuple[Mounted, ...]
    started: str
    finished: str


def container(attributes: Mapping[str, Any]) -> Container:
    """The container that ``podman container inspect`` describes."""
    host = attributes["HostConfig"]
    mounts = (Mounted(target=one["Destination"], read_only=not one["RW"]) for one in attributes.get("Mounts") or ())
    return Container(
        id=attributes["Id"],
        image=f"sha256:{attributes['Image'].removeprefix('sha256:')}",
        image_digest=attributes["ImageDigest"],
        runtime=attributes["OCIRuntime"],
        arguments=tuple(attributes["Config"].get("Cmd") or ()),
        network_mode=host["NetworkMode"],
        effective_capabilities=tuple(sorted(attributes.get("EffectiveCaps") or ())),
        bounding_capabilities=tuple(sorted(attributes.get("BoundingCaps") or ())),
        read_only_root=host["ReadonlyRootfs"],
        privileged=host["Privileged"],
        security_options=tuple(sorted(host.get("SecurityOpt") or ())),
        devices=tuple(sorted(device["PathInContainer"] for device in host.get("Devices") or ())),
        pid_mode=host.get("PidMode", ""),
        ipc_mode=host.get("IpcMode", ""),
        user_mode=host.get("UsernsMode", ""),
        mounts=tuple(sorted(mounts, key=lambda one: one.target)),
        started=_seconds(attributes["State"]["StartedAt"]),
        finished=_seconds(attributes["State"]["FinishedAt"]),
    )


def expected(found: Container) -> dict[str, str]:
    """The sha256 by role that the stage was told of its inputs, by whoever saw them before."""
    pairs = zip(found.arguments, found.arguments[1:], strict=False)
    told = (value.rpartition("=") for option, value in pairs if option == "--expect")
    return {role: digest for role, _, digest in told}


def weaknesses(found: Container) -> Iterator[str]:
    """In what a builder's container was less confined than the runner confines it."""
    if found.network_mode != NO_NETWORK:
        yield f"its network mode was {found.network_mode!r}"
    if found.privileged:
        yield "it was privileged"
    if not found.read_only_root:
        yield "its root was writable"
    if NO_NEW_PRIVILEGES not in found.security_options:
        yield "it could gain new privileges"
    if more := sorted({*found.effective_capabilities, *found.bounding_capabilities} - ALLOWED):
        yield f"it had {', '.join(more)}"
    if loose := [option for option in found.security_options if option not in (NO_NEW_PRIVILEGES, UNLABELLED)]:
        yield f"it had the security options {', '.join(loose)}"
    if found.devices:
        yield f"it had the devices {', '.join(found.devices)}"
    if shared := [
        name for name, mode in (("PID", found.pid_mode), ("IPC", found.ipc_mode), ("user", found.user_mode))
        if mode == "host"
    ]:  # fmt: skip
        yield f"it shared the host's {' and '.join(shared)} namespace"


def _seconds(text: str) -> str:
    """A moment as podman writes it (nanoseconds, any offset) in UTC, to the second."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
