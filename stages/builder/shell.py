"""An offline shell, or a command, in the buildroot of a failed build: what a person debugs with."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm.buildroot import kept, rpmbuild, sandbox, terminal
from hermetic_rpm.buildroot.commandlog import open_log
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.errors import KeptUnusable
from hermetic_rpm.progress import Progress
from stages.builder.build import REPOSITORY

FILES = (0, 1, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellRequest:
    """Whose buildroot to enter (``scratch`` holds it) and what to run there; without a command a shell."""

    scratch: Path
    repository: Path
    command: tuple[str, ...]
    as_root: bool


def enter(request: ShellRequest, progress: Progress) -> int:
    """Run the shell or command in the sandbox of the build; its exit status, 128 and the signal's number if killed.

    On a terminal if standard input and output are one, else on these files as they are.
    """
    found = kept.load(request.scratch)
    if not request.repository.is_dir():
        raise KeptUnusable(f"{request.repository} is missing.", solution="Mount the offline repository of the build.")
    with open_log(Path(os.devnull)) as log:
        package = PackageRoom(
            root=found.root, architecture=found.architecture, log=log, source_date=found.source_date,
            mounts=(
                sandbox.bind(request.repository, REPOSITORY, read_only=True),
                *rpmbuild.input_mounts(found.inputs),
            ),
            limits=found.limits, options=found.options,
        )  # fmt: skip
        room = replace(rpmbuild.room(package), cwd=rpmbuild.build_directory(package))
    if request.as_root:
        room = replace(room, uid=0, gid=0)
    argv = rpmbuild.shell_command(request.command)
    if not terminal.is_given():
        return _status(sandbox.attach(replace(room, stdin=sandbox.GIVEN), argv, FILES).returncode)
    if not request.command:
        user = "root" if request.as_root else "mockbuild"
        progress.say(
            f"offline shell as {user}; rpmbuild was: {rpmbuild.rpmbuild_command(package, found.spec, '-bb')[-1]}"
        )
    return _status(terminal.run(room, argv).returncode)


def _status(code: int | None) -> int:
    assert code is not None, "a shell has no time limit"
    return code if code >= 0 else 128 - code
