"""``hermetic-rpm shell``: an offline shell, or one command, in the buildroot that a failed build left."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from hermetic_rpm import process
from hermetic_rpm.buildroot import kept
from hermetic_rpm.errors import Interrupted, KeptUnusable, StageImageMissing
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import command as podman_run
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.keep import REPOSITORY
from hermetic_rpm.runner.pipeline import Stage, load
from hermetic_rpm.runner.plan import SCRATCH, Bind, StagePlan, preflight_plan
from hermetic_rpm.runner.reproduce import builder_only
from hermetic_rpm.runner.service import podman_environment

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@click.command("shell")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--repository", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None, metavar="REPO",
    help="The offline repository of the build.  [default: repo beside DIR]",
)  # fmt: skip
@pipeline_option("The pipeline file, whose builder's image and limits are used.")
@click.option("--root", "as_root", is_flag=True, help="As root of the sandbox rather than as mockbuild.")
@click.option("--remove", is_flag=True, help="Remove the buildroot, whose files belong to users of the container.")
@click.pass_obj
def shell(
    voice: Progress, directory: Path, command: tuple[str, ...], repository: Path | None, path: Path, *,
    as_root: bool, remove: bool,
) -> int:  # fmt: skip
    """Enter the buildroot that `hermetic-rpm run --keep-failed DIR` kept, as its build saw it: without a network.

    With COMMAND (after --) only that is run; the exit status is its own.
    """
    if not kept.is_kept(directory):
        raise KeptUnusable(f"{directory} holds no kept buildroot.")
    pipeline = builder_only(load(path))
    environment = process.host_environment(**podman_environment(pipeline.directory, os.environ))
    if remove:
        _remove(directory, environment)
        voice.say(f"the buildroot in {directory} is removed")
        return 0
    repository = repository or directory.absolute().parent / "repo"
    if not repository.is_dir():
        raise KeptUnusable(f"{repository} is no directory.", solution="Name the offline repository: --repository REPO.")
    stage = shell_plan(pipeline.stages[0], directory.absolute(), repository.absolute(), command, as_root=as_root)
    return _enter(stage, environment)


def shell_plan(
    stage: Stage, directory: Path, repository: Path, command: tuple[str, ...], *, as_root: bool
) -> StagePlan:
    """The container of a builder, confined and limited as in a run, that enters a kept buildroot."""
    root = ("--root",) if as_root else ()
    arguments = ("--shell", "--scratch", SCRATCH, "--repository", REPOSITORY, *root, "--", *command)
    return replace(
        preflight_plan(stage, arguments),
        binds=(
            Bind(source=directory, target=SCRATCH, read_only=False),
            Bind(source=repository, target=REPOSITORY, read_only=True),
        ),
    )


def _enter(stage: StagePlan, environment: Mapping[str, str]) -> int:
    """Let podman itself hold the terminal; the container ends with this process, and with the terminal."""
    if process.run(("podman", "image", "exists", stage.image), env=environment, check=False).returncode != 0:
        raise StageImageMissing(f"The image {stage.image} is not on this machine.")
    name = f"hermetic-rpm-shell-{secrets.token_hex(4)}"
    tty = ("--tty",) if sys.stdin.isatty() and sys.stdout.isatty() else ()
    argv = podman_run.argv(stage, ("--interactive", *tty, f"--name={name}"))
    try:
        with _ended_by_signals():
            code = process.attach(argv, env=environment).returncode
    except BaseException:
        removal = ("podman", "rm", "--force", "--ignore", "--volumes", "--time=1", name)
        process.run(removal, env=environment, check=False)
        raise
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise `Interrupted` where SIGTERM comes, or the terminal goes away."""

    def end(number: int, _frame: object) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        if number == signal.SIGHUP:  # the terminal is gone, and with it whoever would read why
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        raise Interrupted(f"The shell was ended by {signal.Signals(number).name}.", solution="")

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _remove(directory: Path, environment: Mapping[str, str]) -> None:
    """Remove what only the container's users may: as root, or in the user's own namespace of podman."""
    below = () if os.geteuid() == 0 else ("podman", "unshare")
    process.run((*below, "rm", "--recursive", "--force", "--", str(directory.absolute() / kept.KEPT)), env=environment)
    with contextlib.suppress(OSError):
        directory.rmdir()
