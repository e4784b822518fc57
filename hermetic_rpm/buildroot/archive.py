"""Trees and archives, one from the other, by GNU tar in a sandbox.

The sandbox's root holds the tools and what is read or written, nothing else, and has no
network: whatever an archive says, it can only change the destination.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hermetic_rpm.buildroot import sandbox
from hermetic_rpm.buildroot.sandbox import Mount, Outcome, Sandbox
from hermetic_rpm.errors import CommandFailed

TOOLS_LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
ENVIRONMENT = (("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"))
TREE, FILE, DIRECTORY = "/tree", "/archive", "/archives"
OWNERS = ("--numeric-owner", "--xattrs", "--xattrs-include=security.capability", "--xattrs-include=user.*")


def extract_command(*options: str) -> tuple[str, ...]:
    """tar from /archive into /tree, owners, modes and capabilities as they were: pure."""
    return (
        "tar", "--extract", f"--file={FILE}", f"--directory={TREE}", "--same-owner", "--same-permissions", *OWNERS,
        "--delay-directory-restore", *options,
    )  # fmt: skip


def unpack(path: Path, destination: Path, scratch: Path, *options: str) -> Outcome:
    """Unpack an archive with further options of tar; the outcome is for the caller to judge."""
    mounts = (sandbox.bind(path, FILE, read_only=True), sandbox.bind(destination, TREE))
    return _run(extract_command(*options), mounts, scratch)


def extract(path: Path, destination: Path, scratch: Path) -> None:
    """Unpack an archive of our own; raises `CommandFailed`."""
    _check(unpack(path, destination, scratch), f"{path} cannot be unpacked.")


def create(tree: Path, path: Path, scratch: Path) -> None:
    """Archive a tree as ``path``, which appears when tar is done; raises `CommandFailed`."""
    argv = (
        "tar", "--create", f"--file={DIRECTORY}/{path.name}", f"--directory={TREE}", "--format=posix", *OWNERS,
        "--one-file-system", ".",
    )  # fmt: skip
    mounts = (sandbox.bind(tree, TREE, read_only=True), sandbox.bind(path.parent, DIRECTORY))
    _check(_run(argv, mounts, scratch), f"{tree} cannot be archived.")


def _check(outcome: Outcome, reason: str) -> None:
    if outcome.returncode != 0:
        raise CommandFailed(reason, log_tail=outcome.tail, solution="Is there enough space in the cache?")


def programs_of_stage(root: Path) -> Mount:
    """Make a directory the root of a sandbox that finds the programs of this stage's image in the mount returned."""
    for name in TOOLS_LINKS:
        if (Path("/") / name).is_symlink() and not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    return sandbox.bind("/usr", "/usr", read_only=True, recursive=True)


def _run(argv: tuple[str, ...], mounts: tuple[Mount, ...], scratch: Path) -> Outcome:
    root = scratch / "tools"
    root.mkdir(parents=True)
    try:
        programs = programs_of_stage(root)
        room = Sandbox(root=root, mounts=(programs, *mounts, Mount(kind="dev", target="/dev")), environment=ENVIRONMENT)
        return sandbox.run(room, argv)
    finally:
        shutil.rmtree(root)
