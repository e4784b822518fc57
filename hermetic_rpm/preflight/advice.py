"""Why a host refuses something, and the setting that allows it, by kind of host."""

from __future__ import annotations

from dataclasses import dataclass

PODMAN, DOCKER, KUBERNETES, GITHUB = "podman", "Docker", "Kubernetes", "GitHub Actions"
HOSTS = (PODMAN, DOCKER, KUBERNETES, GITHUB)
PROFILE = "containers/seccomp.json"
LOCALHOST = "securityContext.seccompProfile: {type: Localhost, localhostProfile: seccomp.json}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A probable cause as a sentence, and what to set against it, by kind of host."""

    text: str
    settings: tuple[tuple[str, str], ...] = ()


def everywhere(text: str, setting: str) -> Cause:
    """A cause against which the same helps on every kind of host."""
    return Cause(text=text, settings=tuple((host, setting) for host in HOSTS))


def seccomp(calls: tuple[str, ...]) -> Cause:
    """A seccomp filter refuses system calls."""
    option = f"--security-opt seccomp={PROFILE}"
    return Cause(
        text=f"The container's seccomp profile refuses {', '.join(calls)}.",
        settings=(
            (PODMAN, f"{option}, or no seccomp option at all: podman's own profile allows it"),
            (DOCKER, option),
            (KUBERNETES, f"{PROFILE} into each node's /var/lib/kubelet/seccomp/, and {LOCALHOST}"),
            (GITHUB, f"use podman, or docker run {option}"),
        ),
    )


def apparmor(label: str) -> Cause:
    """An AppArmor profile confines the container."""
    return Cause(
        text=f"The AppArmor profile {label} confines the container.",
        settings=(
            (PODMAN, "--security-opt apparmor=unconfined"),
            (DOCKER, "--security-opt apparmor=unconfined"),
            (KUBERNETES, "securityContext.appArmorProfile: {type: Unconfined}"),
            (GITHUB, "--security-opt apparmor=unconfined"),
        ),
    )


def selinux(label: str) -> Cause:
    """SELinux confines the container."""
    return Cause(
        text=f"SELinux is enforced and confines the container as {label or 'an unknown type'}.",
        settings=(
            (PODMAN, "--security-opt label=disable"),
            (DOCKER, "--security-opt label=disable"),
            (KUBERNETES, "securityContext.seLinuxOptions: {type: container_engine_t}"),
        ),
    )


def capability(names: tuple[str, ...], text: str = "") -> Cause:
    """Capabilities were not given."""
    options = f"--cap-add={','.join(names)}"
    return Cause(
        text=text or f"The container lacks {', '.join(names)}, which a user namespace with its ids takes.",
        settings=(
            (PODMAN, options),
            (DOCKER, " ".join(f"--cap-add={name}" for name in names)),
            (KUBERNETES, f"securityContext.capabilities.add: [{', '.join(names)}]"),
            (GITHUB, options),
        ),
    )


def chroot_capability(name: str) -> Cause:
    """podman's and Docker's profiles have a rule that depends on a capability."""
    return capability((name,), f"The seccomp profile refuses chroot to a container without {name}.")


NOT_ROOT = Cause(
    text="The container does not start as its root.",
    settings=(
        (PODMAN, "leave --user away: the container's root is an ordinary user outside where podman is rootless"),
        (DOCKER, "leave --user away"),
        (KUBERNETES, "securityContext.runAsUser: 0"),
        (GITHUB, "leave --user away"),
    ),
)
FEW_IDS = Cause(
    text="The container has not enough user or group ids.",
    settings=(
        (PODMAN, "a range of 65536 ids for the user in /etc/subuid and /etc/subgid, then `podman system migrate`"),
        (DOCKER, "a range of 65536 ids in /etc/subuid and /etc/subgid for userns-remap or rootless Docker"),
        (KUBERNETES, "hostUsers: true, or a kubelet that gives pods 65536 ids"),
        (GITHUB, "a range of 65536 ids in /etc/subuid and /etc/subgid"),
    ),
)
CHROOT = everywhere(
    "The container was started inside a chroot, where the kernel refuses user namespaces to everybody.",
    "start the container engine outside the chroot",
)
UNKNOWN = everywhere(
    "Nothing that can be seen from inside explains it: a kernel or a policy of the host says no.",
    "ask whoever runs the host for nested user namespaces; docs/reference/hosts.md says what they take",
)
OLD_KERNEL = everywhere("The kernel cannot do that.", "a kernel of 5.11 or newer with user namespaces and overlay")


def sysctl(name: str, found: int, wanted: int) -> Cause:
    """A setting of the host's kernel forbids it."""
    return everywhere(f"{name} is {found} on the host.", f"as root of the host: sysctl -w {name}={wanted}")
