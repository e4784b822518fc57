"""The bootstrap: the unpacked image whose own rpm and package manager work on the buildroot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.buildroot import sandbox
from hermetic_rpm.buildroot.commandlog import CommandLog
from hermetic_rpm.buildroot.sandbox import Mount, Outcome, Preparation, Sandbox
from hermetic_rpm.errors import BuildTimeout, PackageManagerFailed
from hermetic_rpm.lock import lockfile
from hermetic_rpm.lock.lockfile import InstalledRow

BUILDROOT = "/buildroot"
"""Where the bootstrap sees the buildroot."""

HOME = "/hermetic-rpm-home"
ENVIRONMENT = (
    ("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
    ("HOME", HOME),
    ("LANG", "C.UTF-8"),
    ("TERM", "vt100"),
)
RPM_MACROS = "%_netsharedpath /proc:/sys:/dev\n%__transaction_unshare %{nil}\n"
"""Else rpm tries to chown the mount points that a ``filesystem`` package owns, and its plugin that gives scriptlets a
/tmp of their own takes a capability to mount, with which they could undo the sandbox."""

VOLATILE = ("/run", "/tmp", "/var/log", "/var/tmp")  # noqa: S108 - inside the sandbox
"""What a program may write to in a bootstrap that is otherwise read-only."""

LANGUAGE_MACROS = "/etc/rpm/macros.image-language-conf"
"""Container images drop locales by it; it must not shape the buildroot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """An unpacked bootstrap image and the buildroot it works on (paths on the stage's side)."""

    root: Path
    buildroot: Path
    log: CommandLog


def room(
    bootstrap: Bootstrap,
    *,
    network: bool = False,
    writable: bool = False,
    mounts: tuple[Mount, ...] = (),
    timeout: int | None = None,
) -> Sandbox:
    """The sandbox in which the bootstrap's programs run: with a network, or with what packages run.

    Scriptlets are root there and can leave the buildroot (chroot keeps root nowhere), so that
    the bootstrap, whose programs judge what was installed, is read-only to them unless ``writable``:
    while the bootstrap itself is looked at or completed, when the buildroot is out of sight.
    """
    own_mounts = (
        (sandbox.bind("/etc/resolv.conf", "/etc/resolv.conf", read_only=True),)
        if network
        else tuple(Mount(kind="tmpfs", target=path) for path in VOLATILE)
    )
    return Sandbox(
        root=bootstrap.root,
        mounts=(
            *sandbox.system_mounts(),
            *own_mounts,
            *(() if writable else (sandbox.bind(bootstrap.buildroot, BUILDROOT), *sandbox.system_mounts(BUILDROOT))),
            *mounts,
        ),
        environment=ENVIRONMENT,
        network=network,
        read_only=not (network or writable),
        timeout=timeout,
        prepare=(
            Preparation(kind="directory", path=HOME),
            Preparation(kind="file", path=f"{HOME}/.rpmmacros", content=RPM_MACROS, mode=0o644),
            Preparation(kind="absent", path=LANGUAGE_MACROS),
        ),
    )


def run(
    bootstrap: Bootstrap, sandbox_: Sandbox, argv: tuple[str, ...], *, on_line: Callable[[str], None] | None = None
) -> Outcome:
    """Run a program of the bootstrap; everything it prints goes to the log and to ``on_line``.

    Raises `BuildTimeout`.
    """
    bootstrap.log.command(argv)

    def line(text: str) -> None:
        bootstrap.log.line(text)
        if on_line is not None:
            on_line(text)

    outcome = sandbox.run(sandbox_, argv, on_line=line)
    if outcome.returncode is None:
        raise BuildTimeout(f"{argv[0]} was ended after {sandbox_.timeout} seconds.", log_tail=outcome.tail)
    return outcome


def query(bootstrap: Bootstrap, argv: tuple[str, ...], *, writable: bool = False) -> str:
    """The standard output of a program of the bootstrap that must succeed; raises `PackageManagerFailed`."""
    bootstrap.log.command(argv)
    done = sandbox.run(room(bootstrap, writable=writable), argv)
    if done.returncode != 0:
        raise PackageManagerFailed(f"{argv[0]} of the bootstrap image failed.", log_tail=done.tail)
    return done.stdout


def installed(bootstrap: Bootstrap) -> tuple[InstalledRow, ...]:
    """The packages in the buildroot as Mock lists them, in its order."""
    return lockfile.installed_rows(query(bootstrap, ("rpm", "-qa", "--root", BUILDROOT, "--qf", lockfile.QUERY_FORMAT)))


def version(bootstrap: Bootstrap, program: str) -> str:
    """What a program of the bootstrap answers to ``--version``; nothing if it is missing or broken."""
    # Writable, since dnf 4 makes its cache even to tell its version; nothing was installed yet.
    probe = room(bootstrap, writable=True)
    done = sandbox.run(probe, (program, "--version"))
    return done.stdout if done.returncode == 0 else ""
