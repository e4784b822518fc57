"""What the edges of all stages share: options, signals, and errors turned into output.

A stage's ``__main__`` declares its arguments and calls `run`, which always leaves a
``result.json`` and exits with the code of the error's class.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from hermetic_rpm import __version__, inputs, result
from hermetic_rpm.errors import DiskFull, HermeticError, Interrupted, LockMismatch, OutputRefused
from hermetic_rpm.files import writing_errors
from hermetic_rpm.inputs import Input
from hermetic_rpm.lock import options
from hermetic_rpm.lock.model import BuildOptions
from hermetic_rpm.progress import HUMAN, JSON, Progress, printable
from hermetic_rpm.result import Output, Result

FULL = (errno.ENOSPC, errno.EDQUOT)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STAGES = ("resolver", "fetcher", "builder", "signer")
APART = "Give each stage a directory of its own."
ROLES = ("srpm", "lockfile", "sidecar", "result")


@dataclass(kw_only=True, slots=True)
class Report:
    """What a stage has to tell in its result; filled in while it works."""

    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    summary: str = ""


class Expectation(click.ParamType[tuple[str, str]]):
    """``ROLE=SHA256``: what the caller says an input must be."""

    name = "role=sha256"
    roles: tuple[str, ...] = ROLES

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split and check one expectation."""
        role, _, digest = value.partition("=")
        known = role in self.roles or inputs.is_role(role)
        if not known or re.fullmatch("[0-9a-f]{64}", digest) is None:
            roles = ", ".join((*self.roles, f"{inputs.ROLE}NAME"))
            self.fail(f"{value!r} is not ROLE=SHA256 with a role of {roles}", param, ctx)
        return role, digest


class LockedInput(click.ParamType[Input]):
    """``NAME=DIRECTORY``: a further input."""

    name = "name=directory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Input:
        """Split and check one input."""
        name, separator, directory = value.partition("=")
        if not separator or not directory or not inputs.NAME.fullmatch(name):
            self.fail(f"{value!r} is not NAME=DIRECTORY with a name of letters, digits, '.', '_' and '-'", param, ctx)
        return Input(name=name, directory=Path(directory))


class Pair(click.ParamType[tuple[str, str]]):
    """``LEFT=RIGHT``, cut at the first equals sign; both sides must be there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split one value."""
        left, _, right = str(value).partition("=")
        if not left or not right:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return left, right


class Date(click.ParamType[datetime]):
    """A date or a moment in ISO 8601; UTC where it says no offset."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read one date."""
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date such as 2026-01-31 or 2026-01-31T12:00:00+01:00", param, ctx)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


class OptionText(click.ParamType[str]):
    """A build option as `read` normalises it; what that gives None for is refused."""

    def __init__(self, name: str, read: Callable[[str], str | None]) -> None:
        self.name = name
        self.read = read

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Normalise one option."""
        found = self.read(value)
        if found is None:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return found


def spec_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--with``, ``--without`` and ``--define``, as rpmbuild has them."""
    name, macro = OptionText("NAME", options.condition), OptionText("'NAME VALUE'", options.definition)
    for option in (
        click.option("--define", type=macro, multiple=True, help="A macro for the spec, as 'NAME VALUE'."),
        click.option("--without", type=name, multiple=True, help="Switch off a %bcond of the spec."),
        click.option("--with", "with_", type=name, multiple=True, help="Switch on a %bcond of the spec."),
    ):
        command = option(command)
    return command


def resolver_options(command: Callable[..., None]) -> Callable[..., None]:
    """What `spec_options` has, and ``--build-requires``."""
    wanted = OptionText("a requirement such as 'gcc >= 4'", options.requirement)
    option = click.option(
        "--build-requires", "requires", type=wanted, multiple=True, metavar="REQUIREMENT",
        help="A build requirement besides those of the spec.",
    )  # fmt: skip
    return spec_options(option(command))


def build_options(
    with_: tuple[str, ...], without: tuple[str, ...], define: tuple[str, ...], requires: tuple[str, ...] = ()
) -> BuildOptions:
    """What the caller wants of the spec; a usage error if that contradicts itself."""
    if found := tuple(options.contradictions(with_, without, define)):
        raise click.UsageError("; ".join(found))
    return options.options(with_=with_, without=without, define=define, requires=requires)


def log_format_option(
    text: str = "How progress is written to standard error.",
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--log-format``; ``text`` is its help."""
    return click.option("--log-format", type=click.Choice((HUMAN, JSON)), default=HUMAN, show_default=True, help=text)


def common_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every stage has."""
    for option in (
        click.version_option(__version__),
        log_format_option(),
        click.option("--expect", type=Expectation(), multiple=True,
                     help=f"Refuse an input whose sha256 differs ({', '.join(ROLES)}, input:NAME)."),
    ):  # fmt: skip
        command = option(command)
    return command


def input_option(command: Callable[..., None]) -> Callable[..., None]:
    """The option of those that let package code read further inputs."""
    return click.option(
        "--input", "given", type=LockedInput(), multiple=True, metavar="NAME=DIRECTORY",
        help=f"Let the package read a copy of DIRECTORY at {inputs.PLACE}/NAME, and record its sha256.",
    )(command)  # fmt: skip


def expect_srpm(found: str, expected: Mapping[str, str]) -> None:
    """Hold the source RPM against the checksum the caller was given; raises `LockMismatch`."""
    if expected.get("srpm", found) != found:
        raise LockMismatch(f"The source RPM has the sha256 {found}, but {expected['srpm']} was expected.")


def run(stage: str, output: Path, log_format: str, work: Callable[[Progress, Report], None]) -> None:
    """Do the work of a stage, say how it ended, write ``result.json``, exit."""
    progress = Progress(stage=stage, log_format=log_format)
    report = Report()
    os.umask(0o022)  # whatever the container's: package code is another user and must be able to look
    end_on_signals()
    error: HermeticError | None = None
    if (other := _stage_of(output / result.RESULT_NAME)) not in (None, stage):
        show(progress, refused := OutputRefused(f"{output} holds what the {other} made.", solution=APART))
        _leave(refused.exit_code)  # its result.json stays as it is, too
    try:
        _prepare_output(output)
        work(progress, report)
    except HermeticError as caught:
        error = caught
    except OSError as caught:
        # Any write may be the one that finds the disk full; everything else is a bug.
        if caught.errno not in FULL:
            raise
        error = DiskFull(f"No space left{f' for {caught.filename}' if caught.filename else ''}.")
    if error is not None:
        show(progress, error)
    _write_result(output, progress, report, error)
    if error is not None:
        _leave(error.exit_code)
    progress.say(report.summary)


def end_on_signals() -> None:
    """Let whoever ends the container or its terminal end the work by `Interrupted`."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted("The stage was asked to end.")


def _leave(code: int) -> NoReturn:
    """Exit, and at once where a thread still waits for a silent server: nobody waits for it."""
    if threading.active_count() == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _prepare_output(output: Path) -> None:
    if not output.is_dir():
        raise OutputRefused(f"The output directory {output} does not exist.")
    with writing_errors(output):
        (output / result.RESULT_NAME).unlink(missing_ok=True)


def _stage_of(path: Path) -> str | None:
    """The stage that wrote a ``result.json``, if it can be told."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    name = data.get("stage") if isinstance(data, dict) else None
    return name if name in STAGES else None


def show(progress: Progress, error: HermeticError) -> None:
    """Tell an error: the end of the log that shows it, the reason, what to do."""
    progress.tail(error.log_tail)
    for line in error.reason.splitlines():
        progress.error(printable(line))
    if error.solution:
        progress.say(f"what to do: {printable(error.solution)}")


def _write_result(output: Path, progress: Progress, report: Report, error: HermeticError | None) -> None:
    done = Result(
        stage=progress.stage, inputs=report.inputs, outputs=report.outputs if error is None else (),
        timings=progress.timings, peaks=progress.peaks, error=error, facts=report.facts,
    )  # fmt: skip
    try:
        result.write(output, done)
    except (HermeticError, FileNotFoundError) as second:
        progress.warn(f"result.json could not be written: {second}")
        if error is None:
            sys.exit(OutputRefused.exit_code)
