"""From facts and attempts to checks: what is refused, and who refuses it, as far as the evidence goes.  Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.preflight import advice
from hermetic_rpm.preflight.advice import Cause
from hermetic_rpm.preflight.check import OK, REFUSED, WARNING, Check, ok
from hermetic_rpm.preflight.facts import CAPABILITIES, Facts
from hermetic_rpm.units import size

NEEDED = ("SETFCAP", "SETGID", "SETUID")
"""Without these no user namespace gets the container's ids."""

SANDBOX, MOUNT, UNSHARE = "sandbox", "mount", "unshare"
CHROOT, PROFILES_WANT = "chroot", "SYS_CHROOT"
"""A system call that rpm makes, and what the usual seccomp profiles let it only be made with."""

DOCUMENTED = ("DAC_OVERRIDE", "SETFCAP", "SETGID", "SETUID", "SYS_CHROOT")
IDS = 65536
USED_IDS = 65534
LEAST_SPACE, SCARCE_SPACE = 1 << 30, 4 << 30
LEAST_FILES, LEAST_PROCESSES, LEAST_MEMORY = 1024, 256, 1 << 30
MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi")
"""What container engines cover; any of them is enough for the kernel to refuse a fresh procfs."""

RESTRICTED = "unprivileged_userns"
"""AppArmor's profile on Ubuntu for whoever makes a user namespace without leave."""

CALLS = {
    **dict.fromkeys(("user", "mnt", "ipc", "uts", "net", "pid"), (UNSHARE,)), SANDBOX: (UNSHARE, MOUNT),
    "pivot_root": ("pivot_root", "umount2"), CHROOT: (CHROOT,), "owners": (), "loopback": (), "no privileges": (),
}  # fmt: skip
"""The system calls that an attempt takes, where it is not mount."""

OPTIONAL = ("overlay",)
"""No stage needs it today."""

CLONE, APPARMOR, LIMIT = (
    "kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns", "user.max_{}_namespaces",
)  # fmt: skip
PLENTY = 28000


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """Something that was tried; ``errno`` 0 where it went well."""

    name: str
    errno: int
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempts:
    """All that was tried, in order; system calls that a filter refuses; AppArmor's label in a new user namespace.

    ``unshare`` is what the program said that makes the sandbox's namespaces, or empty if all was well.
    """

    namespaces: tuple[Attempt, ...]
    steps: tuple[Attempt, ...]
    filtered: tuple[str, ...]
    inner_label: str = ""
    unshare: str = ""


def judge(facts: Facts, attempts: Attempts, *, scratch: Path, free: int, network_expected: bool) -> tuple[Check, ...]:
    """Every check of a preflight; those of the sandbox come first."""
    return (
        *_sandbox(facts, attempts),
        _user(facts),
        _capabilities(facts),
        _ids(facts),
        _scratch(facts, scratch, free),
        *_limits(facts),
        _network(facts, expected=network_expected),
        *_hardening(facts),
    )


def _sandbox(facts: Facts, attempts: Attempts) -> tuple[Check, ...]:
    """Where a namespace is refused, what builds upon it would only say so again."""
    kinds = [_attempted(f"{attempt.name} namespace", attempt, facts, attempts) for attempt in attempts.namespaces]
    if refused := next((check for check in kinds if check.state == REFUSED), None):
        return (refused,)
    if attempts.unshare:
        cause = _cause(facts, attempts, errno.EPERM, SANDBOX)
        return (*kinds, _check(SANDBOX, REFUSED, attempts.unshare, cause))
    return (*kinds, *(_attempted(attempt.name, attempt, facts, attempts) for attempt in attempts.steps))


def _attempted(name: str, attempt: Attempt, facts: Facts, attempts: Attempts) -> Check:
    if attempt.errno == 0:
        return ok(name, "works")
    state = WARNING if attempt.name in OPTIONAL else REFUSED
    code = errno.errorcode.get(attempt.errno, str(attempt.errno))
    return _check(name, state, f"{code}: {attempt.message}", _cause(facts, attempts, attempt.errno, attempt.name))


def _cause(facts: Facts, attempts: Attempts, number: int, what: str) -> Cause:
    """The most probable cause; the surest evidence is asked first."""
    suspects = (
        *_filter_suspects(facts, attempts, what), *_setting_suspects(facts, attempts, number, what),
        *_policy_suspects(facts, number),
    )  # fmt: skip
    return next(iter(suspects), advice.UNKNOWN)


def _filter_suspects(facts: Facts, attempts: Attempts, what: str) -> Iterator[Cause]:
    missing = _missing_capabilities(facts)
    if what == CHROOT and PROFILES_WANT not in facts.capabilities and facts.seccomp:
        yield advice.chroot_capability(PROFILES_WANT)
    if facts.seccomp and set(attempts.filtered) & set(CALLS.get(what, (MOUNT,))):
        yield advice.seccomp(attempts.filtered)
    if what == SANDBOX and missing:
        yield missing


def _setting_suspects(facts: Facts, attempts: Attempts, number: int, what: str) -> Iterator[Cause]:
    limit = LIMIT.format(what)
    if number == errno.ENOSPC and (found := facts.sysctl(limit)) is not None:
        yield advice.sysctl(limit, found, PLENTY)
    if facts.chrooted:
        yield advice.CHROOT
    if facts.sysctl(CLONE) == 0:
        yield advice.sysctl(CLONE, 0, 1)
    if facts.sysctl(APPARMOR) and (not attempts.inner_label or RESTRICTED in attempts.inner_label):
        yield advice.sysctl(APPARMOR, 1, 0)


def _policy_suspects(facts: Facts, number: int) -> Iterator[Cause]:
    if number == errno.EACCES and facts.selinux_enforcing:
        yield advice.selinux(facts.label)
    if number == errno.EACCES and facts.label not in ("", "unconfined"):
        yield advice.apparmor(facts.label)
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENODEV):
        yield advice.OLD_KERNEL


def _missing_capabilities(facts: Facts) -> Cause | None:
    missing = tuple(name for name in NEEDED if name not in facts.capabilities)
    return advice.capability(missing) if missing else None


def _user(facts: Facts) -> Check:
    found = f"user id {facts.uid}"
    return ok("user", found) if facts.uid == 0 else _check("user", REFUSED, found, advice.NOT_ROOT)


def _capabilities(facts: Facts) -> Check:
    if missing := _missing_capabilities(facts):
        return _check("capabilities", REFUSED, _given(facts), missing)
    extra = sorted(facts.capabilities - set(DOCUMENTED), key=CAPABILITIES.index)
    if extra:
        more = advice.everywhere(f"No stage needs {', '.join(extra)}.", "drop them: --cap-drop=all comes first")
        return _check("capabilities", WARNING, _given(facts), more)
    return ok("capabilities", _given(facts))


def _given(facts: Facts) -> str:
    lacking = [name for name in DOCUMENTED if name not in facts.capabilities]
    given = ", ".join(sorted(facts.capabilities)) or "none"
    return f"{given}; not given: {', '.join(lacking)}" if lacking else given


def _ids(facts: Facts) -> Check:
    found = "{} user ids, {} group ids".format(*facts.ids)
    if min(facts.ids) < USED_IDS:
        return _check("ids", REFUSED, found, advice.FEW_IDS)
    return _check("ids", WARNING, found, advice.FEW_IDS) if min(facts.ids) < IDS else ok("ids", found)


def _scratch(facts: Facts, path: Path, free: int) -> Check:
    volume = facts.volume(path)
    found = f"{path}: {volume.kind if volume else 'unknown'}, {size(free)} free"
    if volume is not None and "noexec" in volume.options:
        cause = advice.everywhere("Programs cannot be run there.", f"mount {path} with exec")
        return _check("scratch", REFUSED, found, cause)
    if volume is not None and volume.kind == "overlay":
        cause = advice.everywhere("It is the container's own root.", f"a volume, an emptyDir or a tmpfs at {path}")
        return _check("scratch", WARNING, found, cause)
    if free < SCARCE_SPACE:
        cause = advice.everywhere("Bootstrap and buildroot take 1 to 4 GB.", f"a larger volume at {path}")
        return _check("scratch", REFUSED if free < LEAST_SPACE else WARNING, found, cause)
    return ok("scratch", found)


def _limits(facts: Facts) -> tuple[Check, ...]:
    return (
        _limit("open files", facts.open_files, LEAST_FILES, "--ulimit nofile=20000:20000"),
        _limit("processes", facts.processes, LEAST_PROCESSES, "--ulimit nproc=4096:4096"),
        _limit("processes of the cgroup", facts.cgroup_processes, LEAST_PROCESSES, "--pids-limit=4096"),
        _limit("memory of the cgroup", facts.cgroup_memory, LEAST_MEMORY, "--memory=4g"),
    )


def _limit(name: str, found: int | None, least: int, option: str) -> Check:
    if found is None or found >= least:
        return ok(name, "no limit" if found is None else str(found))
    return _check(name, WARNING, str(found), advice.everywhere(f"Builds often need {least} or more.", option))


def _network(facts: Facts, *, expected: bool) -> Check:
    outside = [name for name in facts.interfaces if name != "lo"]
    found = ", ".join(facts.interfaces) or "none"
    if outside and not expected:
        cause = advice.everywhere(
            "The container has a network. The sandbox of the build has none all the same.",
            "--network=none; on Kubernetes a pod always has one",
        )
        return _check("network", WARNING, found, cause)
    if expected and not outside:
        cause = advice.everywhere(
            "Only repositories that are directories can be read.", "a network, if a repository is on a server"
        )
        return _check("network", WARNING, found, cause)
    return ok("network", found)


def _hardening(facts: Facts) -> tuple[Check, ...]:
    """What the stages can do without, but should have around them."""
    root = facts.volume(Path("/"))
    covered = tuple(mount.path for mount in facts.mounts if mount.path in MASKED)
    return (
        _wanted("read-only root", "ro" in root.options if root else False, "--read-only"),
        _wanted("no new privileges", facts.no_new_privileges, "--security-opt=no-new-privileges"),
        _wanted("seccomp filter", facts.seccomp, "do not say seccomp=unconfined"),
        _wanted("masked /proc", bool(covered), "do not say --privileged or unmask=ALL"),
    )


def _wanted(name: str, there: bool, option: str) -> Check:
    if there:
        return Check(name=name, state=OK, found="yes")
    cause = advice.everywhere("The container is less confined than it could be.", option)
    return _check(name, WARNING, "no", cause)


def _check(name: str, state: str, found: str, cause: Cause) -> Check:
    return Check(name=name, state=state, found=found, cause=cause.text, settings=cause.settings)
