"""``hermetic-rpm init``: a starter project."""

from __future__ import annotations

from pathlib import Path

import click

from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import starter, target_names
from hermetic_rpm.target import load


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--target", "name", shell_complete=target_names.shipped, required=True, metavar="NAME",
    help="What to build for: a target that hermetic-rpm comes with, or the path of a target file.",
)  # fmt: skip
@click.pass_obj
def init_command(voice: Progress, directory: Path, name: str) -> None:
    """Write a starter project into DIRECTORY (or the current one); nothing is overwritten."""
    target = load.find(name, starter.shipped() / "targets", target_names.own_targets())
    files = starter.content(target)
    starter.write(directory, files)
    for path in files:
        click.echo(str(directory / path))
    voice.say("README.md says how to go on")
