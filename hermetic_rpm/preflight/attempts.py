"""Tries what the sandbox does, one thing after another, with the sandbox's own functions.

A script in a process of its own: one request as JSON on stdin, the answer as JSON on stdout.
``namespaces`` is tried as the container has started it, ``sandbox`` below ``unshare``.

Who refuses is told apart by calls that cannot succeed: the kernel has an answer of its own to
each (`IMPOSSIBLE`), so that any other one comes from a seccomp filter.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hermetic_rpm.buildroot import inside

NAMESPACES = {
    "user": 0x10000000, "mnt": 0x00020000, "ipc": 0x08000000, "uts": 0x04000000, "net": 0x40000000, "pid": 0x20000000,
}  # fmt: skip
INVALID_FLAG, INVALID_UMOUNT = 0x1, 0x7FFF0000
IMPOSSIBLE: tuple[tuple[str, Callable[[], int], int], ...] = (
    ("unshare", lambda: int(inside.LIBC.unshare(NAMESPACES["user"] | INVALID_FLAG)), errno.EINVAL),
    ("mount", lambda: int(inside.LIBC.mount(None, None, None, ctypes.c_ulong(0), None)), errno.EFAULT),
    ("umount2", lambda: int(inside.LIBC.umount2(None, INVALID_UMOUNT)), errno.EINVAL),
    ("chroot", lambda: int(inside.LIBC.chroot(None)), errno.EFAULT),
)
"""A system call, a call that does nothing, and the kernel's answer to it."""

MAY_MOUNT = (("pivot_root", lambda: int(inside.LIBC.syscall(_pivot_root(), None, None)), errno.EFAULT),)
"""The same for those that the kernel answers so only to whoever may mount."""

STRANGER = 65533
SYSTEM = Path("/usr")


def filtered(calls: tuple[tuple[str, Callable[[], int], int], ...]) -> list[str]:
    """The system calls that somebody else than the kernel answers."""
    found = []
    for name, call, answer in calls:
        if call() != -1 or ctypes.get_errno() != answer:
            found.append(name)
    return found


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of ``work``, done in a process of its own, or what it failed with."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = attempt(work)
            os.write(write_end, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else failure(errno.EPERM, f"ended with status {os.waitstatus_to_exitcode(status)}")


def attempt(work: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """``errno`` 0 and the answer of ``work``, or what it failed with."""
    try:
        return {"errno": 0, "message": ""} | (work() or {})
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failure(error.errno or errno.EPERM, f"{where}{error.strerror}")


def failure(number: int, message: str) -> dict[str, Any]:
    """An attempt that failed."""
    return {"errno": number, "message": message}


def namespaces() -> dict[str, Any]:
    """By kind of namespace what its creation is answered, in a user namespace but for the first."""
    return {
        "filtered": in_child(lambda: {"calls": filtered(IMPOSSIBLE)}).get("calls", []),
        "attempts": {kind: in_child(partial(_namespace, kind)) for kind in NAMESPACES},
    }


def _namespace(kind: str) -> dict[str, Any]:
    for flag in dict.fromkeys((NAMESPACES["user"], NAMESPACES[kind])):
        if inside.LIBC.unshare(flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"unshare: {os.strerror(number)}")
    return {"label": label()} if kind == "user" else {}


def label() -> str:
    """What a security module calls this process; without such a module the kernel refuses to tell."""
    try:
        return Path("/proc/self/attr/current").read_text().strip("\0\n")
    except OSError:
        return ""


def assemble(scratch: Path) -> dict[str, Any]:
    """By step what the making of a sandbox is answered, in the sandbox's order."""
    root = scratch / "root"
    answers = {"private mounts": attempt(lambda: inside.mount("none", "/", None, inside.MS_REC | inside.MS_PRIVATE))}
    may_mount = answers["private mounts"]["errno"] == 0
    blocked = filtered(IMPOSSIBLE + (MAY_MOUNT if may_mount else ()))
    answers |= {name: attempt(work) for name, work in _steps(scratch, str(root))}
    answers["pivot_root"] = attempt(lambda: _pivot(str(root)))
    answers["chroot"] = attempt(lambda: os.chroot("/"))
    answers["no privileges"] = in_child(_drop)
    return {"filtered": blocked, "attempts": answers}


def _steps(scratch: Path, root: str) -> tuple[tuple[str, Callable[[], None]], ...]:
    return (
        ("owners", lambda: os.chown(scratch / "owned", STRANGER, STRANGER)),
        ("loopback", inside.raise_loopback),
        ("bind", lambda: _bind(root)),
        ("tmpfs", lambda: inside.mount("tmpfs", inside.inner_path(root, "/tmp", directory=True), "tmpfs", 0)),  # noqa: S108
        ("devices and devpts", lambda: inside.devices(root, "/dev")),
        ("proc", lambda: inside.bind(root, {"source": "/proc", "target": "/proc", "recursive": True})),
        ("sys", lambda: inside.processors(root, "/sys")),
        ("overlay", lambda: _overlay(scratch)),
    )


def _bind(root: str) -> None:
    inside.mount(root, root, None, inside.MS_BIND)
    inside.bind(root, {"source": str(SYSTEM), "target": str(SYSTEM), "read_only": True, "recursive": True})


def _overlay(scratch: Path) -> None:
    """With a directory of the lower layer removed, which fails where extended attributes cannot be written."""
    options = f"userxattr,lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/index"
    inside.mount("overlay", f"{scratch}/merged", "overlay", 0, options)
    (scratch / "merged/directory").rmdir()


def _pivot_root() -> ctypes.c_long:
    return ctypes.c_long(inside.SYS_PIVOT_ROOT[os.uname().machine])


def _pivot(root: str) -> None:
    os.chdir(root)
    inside.pivot()


def _drop() -> dict[str, Any]:
    """Become nobody of importance, as package code is, and look whether that is so."""
    inside.drop_everything(1000, 135)
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    left = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd") if int(status[name], 16)}
    if left or status["Seccomp"] != "2":
        raise OSError(errno.EPERM, f"privileges are left: {left}, seccomp {status['Seccomp']}")
    return {}


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = namespaces() if request["what"] == "namespaces" else assemble(Path(request["scratch"]))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
