"""What the kernel tells a process about itself: read from /proc and /sys, or from a recorded tree of both."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""The kernel's capabilities in the order of their bits."""

NAMESPACE_LIMITS = tuple(f"user/max_{kind}_namespaces" for kind in ("user", "mnt", "ipc", "uts", "net", "pid"))
SYSCTLS = (*NAMESPACE_LIMITS, "kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns")
PIDS = ("pids.max", "pids/pids.max")
MEMORY = ("memory.max", "memory/memory.limit_in_bytes")
"""Where cgroups of version 2 and 1 have a container's own limits."""

UNLIMITED = 1 << 60
"""Version 1 says "no limit" with a number above this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """The mount that holds a path: its file system and its options."""

    path: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """A process and its container; a limit is None where there is none, ``ids`` counts those of users and groups."""

    uid: int
    capabilities: frozenset[str]
    seccomp: bool
    no_new_privileges: bool
    ids: tuple[int, int]
    label: str
    selinux_enforcing: bool
    sysctls: tuple[tuple[str, int], ...]
    mounts: tuple[Volume, ...]
    open_files: int | None
    processes: int | None
    cgroup_processes: int | None
    cgroup_memory: int | None
    interfaces: tuple[str, ...]

    def sysctl(self, name: str) -> int | None:
        """A setting such as ``kernel.unprivileged_userns_clone``; None where the kernel has none of that name."""
        return dict(self.sysctls).get(name)

    @property
    def chrooted(self) -> bool:
        """In a chroot nothing is mounted on what the process sees as ``/``."""
        return not any(mount.path == "/" for mount in self.mounts)

    def volume(self, path: Path) -> Volume | None:
        """The mount that an absolute path lies on."""
        holders = [mount for mount in self.mounts if path.is_relative_to(mount.path)]
        return max(holders, key=lambda mount: len(mount.path), default=None)


def read(root: Path = Path("/")) -> Facts:
    """The facts in ``root``/proc and ``root``/sys; what cannot be read counts as absent."""
    process = root / "proc/self"
    status = dict(line.split(":", 1) for line in _text(process / "status").splitlines() if ":" in line)
    limits = _text(process / "limits")
    return Facts(
        uid=int(status.get("Uid", "0 0").split()[1]),
        capabilities=capabilities(int(status.get("CapEff", "0"), 16)),
        seccomp=status.get("Seccomp", "0").strip() == "2",
        no_new_privileges=status.get("NoNewPrivs", "0").strip() == "1",
        ids=(_mapped(_text(process / "uid_map")), _mapped(_text(process / "gid_map"))),
        label=_text(process / "attr/current").strip("\0\n"),
        selinux_enforcing=_text(root / "sys/fs/selinux/enforce").strip() == "1",
        sysctls=tuple(
            (name.replace("/", "."), int(found)) for name in SYSCTLS if (found := _text(root / "proc/sys" / name))
        ),
        mounts=_mounts(_text(process / "mountinfo")),
        open_files=_soft_limit(limits, "Max open files"),
        processes=_soft_limit(limits, "Max processes"),
        cgroup_processes=_cgroup(root, PIDS),
        cgroup_memory=_cgroup(root, MEMORY),
        interfaces=tuple(
            line.split(":")[0].strip() for line in _text(process / "net/dev").splitlines() if ":" in line
        ),
    )  # fmt: skip


def capabilities(mask: int) -> frozenset[str]:
    """The names of the bits that are set in a line such as ``CapEff``."""
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def free_bytes(path: Path) -> int:
    """What an unprivileged user may still write on the volume of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _mapped(table: str) -> int:
    return sum(int(line.split()[2]) for line in table.splitlines())


def _mounts(table: str) -> tuple[Volume, ...]:
    found = []
    for line in table.splitlines():
        fields, _, more = line.partition(" - ")
        _, _, _, _, path, options, *_ = fields.split()
        found.append(Volume(path=path, kind=more.split()[0], options=frozenset(options.split(","))))
    return tuple(found)


def _soft_limit(table: str, name: str) -> int | None:
    for line in table.splitlines():
        if line.startswith(name):
            soft = line[len(name) :].split()[0]
            return None if soft == "unlimited" else int(soft)
    return None


def _cgroup(root: Path, places: tuple[str, ...]) -> int | None:
    for place in places:
        found = _text(root / "sys/fs/cgroup" / place).strip()
        if found.isdigit() and int(found) < UNLIMITED:
            return int(found)
    return None
