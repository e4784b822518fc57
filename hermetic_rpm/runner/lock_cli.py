"""The commands ``hermetic-rpm lock …``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from hermetic_rpm.files import canonical_json, write_atomically
from hermetic_rpm.lock import diff, join
from hermetic_rpm.lock.check import check
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import hermeto, lock_diff, lock_import, lock_outdated, lock_show, lock_why, pipeline
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.target_names import listed

TEXT, MARKDOWN, JSON = "text", "markdown", "json"
HERMETO = "hermeto"
PIPE_WIDTH = 120
"""Columns where standard output is no terminal and COLUMNS is not set."""

_lockfile = click.argument("path", metavar="LOCKFILE", type=click.Path(path_type=Path))


def _format(*formats: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--format", "style", type=click.Choice(formats), default=TEXT, show_default=True, help="How it is written."
    )


@click.group()
def lock() -> None:
    """Look into lockfiles: LOCKFILE may also be the directory that holds one."""


@lock.command()
@_lockfile
@_format(TEXT, JSON)
def show(path: Path, style: str) -> None:
    """List the locked packages, with version, size, licence, repository and signing key."""
    found = _load(path)
    width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    _print(lock_show.document(found) if style == JSON else lock_show.text(found, width=width))


@lock.command("diff")
@click.argument("before", metavar="BEFORE", type=click.Path(path_type=Path))
@click.argument("after", metavar="AFTER", type=click.Path(path_type=Path))
@_format(TEXT, MARKDOWN, JSON)
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if anything differs.")
@click.pass_context
def diff_command(context: click.Context, before: Path, after: Path, style: str, *, exit_code: bool) -> None:
    """Tell what became of one lock in another."""
    old, new = _load(before), _load(after)
    found = diff.difference(old, new)
    if style == JSON:
        _print(lock_diff.document(found, old, new))
    else:
        _print((lock_diff.markdown if style == MARKDOWN else lock_diff.text)(found, old, new))
    if exit_code and found:
        context.exit(1)


@lock.command("check")
@_lockfile
def check_command(path: Path) -> None:
    """Check lockfile, sidecar and keys, and name every problem with its place."""
    found = check(_lockfile_of(path))
    packages = _counted(len(found.packages), "package")
    if found.sidecar is None:
        click.echo(f"{path} is valid: {packages}. It has no sidecar, so that only NEVRA and sigmd5 are locked.")
    else:
        keys = _counted(len(found.sidecar.keys), "key file")
        click.echo(f"{path} is valid: {packages}, the sidecar, and {keys}.")


@lock.command()
@_lockfile
@click.argument("package")
@_format(TEXT, JSON)
def why(path: Path, package: str, style: str) -> None:
    """Tell which requirement brought PACKAGE (a name, NAME.ARCH or NEVRA) into the lock."""
    found = _load(path)
    answers = lock_why.answers(found, package)
    _print(lock_why.document(found, answers) if style == JSON else lock_why.text(found, answers))


@lock.command()
@click.argument("lockfile", metavar="LOCKFILE", type=click.Path(path_type=Path))
@_format(TEXT, MARKDOWN, JSON)
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if anything is outdated, gone or cannot be asked.")
@click.option(
    "-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE",
    help="A parameter of the pipeline file that its fetcher uses.",
)  # fmt: skip
@pipeline_option("The pipeline file, whose fetcher asks, with its options and mounts.")
@click.pass_context
def outdated(
    context: click.Context, lockfile: Path, style: str, assignments: tuple[str, ...], path: Path,
    *, exit_code: bool,
) -> None:  # fmt: skip
    """Ask the lock's repositories what they would give today, and whether they still give what is locked."""
    lock_outdated.require(_load(lockfile))
    found_pipeline = pipeline.load(path)
    found = lock_outdated.asked(found_pipeline, lock_outdated.plan(found_pipeline, _lockfile_of(lockfile), assignments))
    if style == JSON:
        _print(lock_outdated.document(found))
    else:
        _print((lock_outdated.markdown if style == MARKDOWN else lock_outdated.text)(found))
    if exit_code and found:
        context.exit(1)


@lock.command("export")
@_lockfile
@click.option(
    "--format", "style", type=click.Choice((HERMETO,)), required=True, help="Whose format: Hermeto's rpms.lock.yaml."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Instead of standard output."
)
@click.pass_obj
def export_command(voice: Progress, path: Path, style: str, output: Path | None) -> None:  # noqa: ARG001 - one so far
    """Write the packages of a lock in another tool's format."""
    found = _load(path)
    text = hermeto.export(found)
    local = sum(not package.rpm.url.startswith(("http://", "https://")) for package in found.packages)
    if local:
        voice.warn(f"{_counted(local, 'package')} with another address than http(s), where Hermeto does not fetch")
    if found.bootstrap_packages:
        voice.warn("the packages that complete the bootstrap image are left out: no import could tell which they are")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)


@lock.command("import")
@click.argument("path", metavar="RPMS_LOCK_YAML", type=click.Path(path_type=Path))
@click.option(
    "--rpms",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where the RPMs are that Hermeto fetched: its output directory.",
)
@click.option(
    "--target",
    shell_complete=listed,
    required=True,
    metavar="NAME",
    help="Name of a target in targets/, or path of a target file.",
)
@click.option(
    "--srpm", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The source RPM to be built."
)
@click.option(
    "--image",
    default=None,
    metavar="LOCATION",
    help="Where to take the bootstrap image from, as skopeo says it, instead of the target's locations.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Directory for the lock."
)
@click.pass_obj
def import_command(
    voice: Progress, path: Path, rpms: Path, target: str, srpm: Path, image: str | None, output: Path
) -> None:  # fmt: skip
    """Make a lock of Hermeto's rpms.lock.yaml and the RPMs that Hermeto fetched for it."""
    request = lock_import.Request(path=path, rpms=rpms, target=target, srpm=srpm, image=image, output=output)
    made = lock_import.make_lock(request, voice)
    click.echo(f"{output / LOCKFILE_NAME}: {_counted(len(made.packages), 'package')}.")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _lockfile_of(path: Path) -> Path:
    return path / LOCKFILE_NAME if path.is_dir() else path


def _load(path: Path) -> Lock:
    return join.load(_lockfile_of(path))


def _print(content: Iterable[str] | dict[str, Any]) -> None:
    """Write lines, or a document as JSON."""
    if isinstance(content, dict):
        click.echo(canonical_json(content), nl=False)
    else:
        click.echo("\n".join(content))
