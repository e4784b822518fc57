"""Running a command in namespaces of its own, without privileges.

`command` is pure: what will run.  `run` runs it.  Two kinds of command exist: the package
manager and rpm (as root of the nested user namespace, in a PID namespace of their own), and
code of the package (as ``mockbuild``: no capability, no network, nothing of the outside).
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import marshal
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermetic_rpm import files, process
from hermetic_rpm.errors import BuildrootUnusable, SandboxRefused
from hermetic_rpm.process import Completed

START = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import inside; sys.exit(inside.main())"
"""Starts `inside` by itself, as a module: a script would be compiled anew each time."""

HOSTNAME = "hermetic-rpm"
NAMESPACES = ("user", "mount", "ipc", "uts", "net", "pid")
MOCKBUILD_UID = 1000
MOCKBUILD_GID = 135

NOTHING, GIVEN, TERMINAL = "nothing", "given", "terminal"
"""Standard input of a command: /dev/null, the one given to `attach`, or that one as its controlling terminal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A mount below the new root: ``kind`` is ``bind``, ``dev``, ``sys`` or ``tmpfs``."""

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    recursive: bool = False


def bind(source: Path | str, target: str, *, read_only: bool = False, recursive: bool = False) -> Mount:
    """A bind mount of ``source`` on ``target``."""
    return Mount(kind="bind", source=str(source), target=target, read_only=read_only, recursive=recursive)


def system_mounts(prefix: str = "") -> tuple[Mount, ...]:
    """/dev, /proc and /sys for a root whose place is ``prefix``."""
    return (
        Mount(kind="dev", target=f"{prefix}/dev"),
        bind("/proc", f"{prefix}/proc", recursive=True),
        Mount(kind="sys", target=f"{prefix}/sys"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """A change of the new root before the command runs.

    ``kind`` is ``directory``, ``file`` (replaced), ``entry`` (a line added to a file like
    /etc/passwd unless its first field is there) or ``absent``.
    """

    kind: str
    path: str
    content: str = ""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A root directory, what is mounted in it, and who runs there with what environment.

    ``read_only`` is for the root alone: what is mounted in it says so itself.
    """

    root: Path
    mounts: tuple[Mount, ...]
    environment: tuple[tuple[str, str], ...]
    network: bool = False
    read_only: bool = False
    uid: int = 0
    gid: int = 0
    cwd: str = "/"
    limits: tuple[tuple[str, int], ...] = (("core", 0),)
    timeout: int | None = None
    prepare: tuple[Preparation, ...] = ()
    stdin: str = NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a command in a sandbox ended; ``returncode`` is None when its time was up.

    ``left_behind`` counts the processes that outlived it and were ended; ``inside`` is what
    the kernel said of the command's process just before it began.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str = ""
    tail: tuple[str, ...] = ()
    left_behind: int = 0
    inside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Specification:
    """The whole of what runs: the outer argv and the document that `inside` reads."""

    argv: tuple[str, ...]
    document: dict[str, Any] = field(hash=False)


def unshare_command(*, network: bool, pid: bool) -> tuple[str, ...]:
    """``unshare`` (util-linux 2.39 or later) with the container's whole range of ids."""
    namespaces = ["--user", "--map-users=all", "--map-groups=all", "--mount", "--ipc", "--uts"]
    if not network:
        namespaces.append("--net")
    if pid:
        namespaces += ["--pid", "--fork", "--kill-child"]
    return ("unshare", *namespaces, "--")


@functools.cache
def require_namespaces() -> None:
    """Make every namespace once, without ids; raises `SandboxRefused` where one of them is refused.

    There ``unshare --map-users`` would never end: util-linux 2.41 leaves a child behind that waits for it.
    """
    done = process.run(("unshare", *(f"--{kind}" for kind in NAMESPACES), "--fork", "--", "true"), check=False)
    if done.returncode != 0:
        raise _refused(" ".join(done.tail))


def specification(sandbox: Sandbox, argv: tuple[str, ...]) -> Specification:
    """What `run` will do, as a value; the two file descriptors are appended when it runs."""
    document = {
        "root": str(sandbox.root),
        "mounts": [dataclasses.asdict(entry) for entry in sandbox.mounts],
        "prepare": [dataclasses.asdict(entry) for entry in sandbox.prepare],
        "network": sandbox.network,
        "read_only": sandbox.read_only,
        "hostname": HOSTNAME,
        "uid": sandbox.uid,
        "gid": sandbox.gid,
        "cwd": sandbox.cwd,
        "argv": list(argv),
        "env": dict(sandbox.environment),
        "limits": dict(sandbox.limits),
        "timeout": sandbox.timeout,
        "stdin": sandbox.stdin,
    }
    outer = (*unshare_command(network=sandbox.network, pid=sandbox.uid == 0), sys.executable, "-I", "-S", "-c", START)
    return Specification(argv=outer, document=document)


def run(sandbox: Sandbox, argv: tuple[str, ...], *, on_line: Callable[[str], None] | None = None) -> Outcome:
    """Run ``argv`` inside; its exit status is in the outcome, whatever it is.

    Raises `SandboxRefused` with what the host said if the sandbox could not be made, and
    `BuildrootUnusable` where something in the tree is in its way.
    """

    def start(command: tuple[str, ...], handles: tuple[int, int]) -> Completed:
        return process.run(command, check=False, on_line=on_line, pass_fds=handles)

    return _outcome(sandbox, argv, *_supervised(specification(sandbox, argv), start))


def attach(
    sandbox: Sandbox, argv: tuple[str, ...], handles: tuple[int, int, int], meanwhile: Callable[[], None] | None = None
) -> Outcome:
    """Run ``argv`` inside on open files of ours: stdin (as `Sandbox.stdin` says), stdout and stderr.

    ``meanwhile`` is called while it runs.  Raises `SandboxRefused` like `run`.
    """

    def start(command: tuple[str, ...], pass_fds: tuple[int, int]) -> Completed:
        return process.attach(command, files=handles, pass_fds=pass_fds, meanwhile=meanwhile)

    return _outcome(sandbox, argv, *_supervised(specification(sandbox, argv), start))


def _supervised(
    spec: Specification, start: Callable[[tuple[str, ...], tuple[int, int]], Completed]
) -> tuple[Completed, str]:
    """Hand the specification to `inside`, whose command ``start`` runs; how that ended, and what it reports."""
    require_namespaces()
    read_end, write_end = os.pipe()
    spec_handle = os.memfd_create("specification", 0)
    os.write(spec_handle, marshal.dumps(spec.document))
    os.lseek(spec_handle, 0, os.SEEK_SET)
    try:
        done = start((*spec.argv, str(spec_handle), str(write_end)), (spec_handle, write_end))
    finally:
        os.close(spec_handle)
        os.close(write_end)
        with os.fdopen(read_end) as stream:
            report = stream.read()
    return done, report


def _outcome(sandbox: Sandbox, argv: tuple[str, ...], done: Completed, report: str) -> Outcome:
    outcome: dict[str, Any] = ast.literal_eval(report) if report else {"refused": "\n".join(done.tail) or "no answer"}
    if "code" not in outcome:
        files.check_space(sandbox.root, tuple(outcome.values()))
    if "unusable" in outcome:
        raise BuildrootUnusable(f"The build cannot use what packages left behind: {outcome['unusable']}.")
    if "refused" in outcome:
        raise _refused(outcome["refused"])
    return Outcome(
        argv=argv,
        returncode=outcome["code"],
        stdout=done.stdout,
        tail=done.tail,
        left_behind=outcome["left_behind"],
        inside=outcome["inside"],
    )


def remove(*trees: Path) -> None:
    """Remove trees whose files belong to any id of the container's range, as nobody but their own root can."""
    try:
        require_namespaces()
    except SandboxRefused:
        for tree in trees:
            shutil.rmtree(tree, ignore_errors=True)  # nobody else can have written there
        return
    process.run(
        (*unshare_command(network=True, pid=False), "rm", "-rf", "--one-file-system", "--", *trees), check=False
    )


def _refused(why: str) -> SandboxRefused:
    return SandboxRefused(f"The host does not let an unprivileged sandbox be made: {why}.")
