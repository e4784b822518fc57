"""``hermetic-rpm report``: one file to look at, and to keep beside the packages."""

from __future__ import annotations

from pathlib import Path

import click

from hermetic_rpm.files import write_atomically
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.progress import Progress
from hermetic_rpm.units import size

REPORT_NAME = "report.html"

_path = click.Path(path_type=Path)


@click.command("report")
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--lock", type=_path, default=None, metavar="LOCKFILE",
    help="The lock of the build, or its directory.  [default: the one beside RESULTS, if it is that of the build]",
)  # fmt: skip
@click.option(
    "--previous", type=_path, default=None, metavar="LOCKFILE", help="An earlier lock, to tell what has changed since."
)
@click.option(
    "-o", "--output", type=_path, default=Path(REPORT_NAME), show_default=True, metavar="FILE", help="The page."
)
@click.pass_obj
def report_command(voice: Progress, results: Path, lock: Path | None, previous: Path | None, output: Path) -> None:
    """Write one HTML file about the build in RESULTS: inputs, checks, times, packages, changes, logs.

    The page needs no network and no other file.
    """
    from hermetic_rpm.runner.report import describe, gather, render  # noqa: PLC0415 - Jinja2 takes its time to load

    found = gather.gather(results, lock=_lockfile(lock), previous=_lockfile(previous))
    if found.lock is None:
        voice.warn("no lock of this build was found, so that the page tells of no inputs: name it with --lock")
    if previous is not None and found.lock is None:
        raise click.UsageError("--previous needs the lock of the build: name it with --lock.")
    page = render.render(describe.describe(found)).encode()
    write_atomically(output, page)
    voice.say(f"{output}: {size(len(page))}")
    click.echo(str(output))


def _lockfile(path: Path | None) -> Path | None:
    return path / LOCKFILE_NAME if path is not None and path.is_dir() else path
