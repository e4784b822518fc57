"""The commands ``hermetic-rpm target …``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from hermetic_rpm.document import read_bytes, yaml_text
from hermetic_rpm.errors import MockConfigUnusable, TargetInvalid
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import pipeline, target_import, target_show
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.target_names import listed, own_targets
from hermetic_rpm.runner.target_show import Listed
from hermetic_rpm.target import check, load
from hermetic_rpm.target.support import unsupported

TEXT, JSON, YAML = "text", "json", "yaml"
PIPE_WIDTH = 200
"""Columns where standard output is no terminal and COLUMNS is not set."""

_directory = click.option(
    "--targets", "directory", type=click.Path(path_type=Path), default=Path("targets"), show_default=True,
    metavar="DIR", help="Directory of targets; your own in ~/.config/hermetic-rpm/targets are found as well.",
)  # fmt: skip


@click.group()
def target() -> None:
    """Look at targets, check them, and make them of Mock's configurations."""


@target.command("list")
@_directory
@click.option(
    "--format", "style", type=click.Choice((TEXT, JSON)), default=TEXT, show_default=True, help="How it is written."
)
def list_command(directory: Path, style: str) -> None:
    """List the targets: image, whether that is said to be ready, whether the resolver can use it, where it was run."""
    found = tuple(_listed(path) for path in load.files(directory, own_targets()))
    if style == JSON:
        click.echo(json.dumps([target_show.document_of(entry) for entry in found], indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
        click.echo("\n".join(target_show.text(found, width=width)))


@target.command()
@click.argument("name", shell_complete=listed)
@_directory
@click.option(
    "--format", "style", type=click.Choice((YAML, JSON)), default=YAML, show_default=True, help="How it is written."
)
def show(name: str, directory: Path, style: str) -> None:
    """Show what a target (name or file) means, with every default."""
    document = target_show.document(load.load(load.find(name, directory, own_targets())))
    click.echo(yaml_text(document) if style == YAML else json.dumps(document, indent=2) + "\n", nl=False)


@target.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def check_command(voice: Progress, files: tuple[Path, ...]) -> None:
    """Check target files: every mistake with line and column, and a warning for what is unwise or not supported yet."""
    mistakes: list[str] = []
    for path in files:
        try:
            warnings = tuple(_warnings(path))
        except TargetInvalid as error:
            mistakes.append(error.reason)
            continue
        for line in warnings:
            voice.warn(line)
        counted = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}"
        click.echo(f"{path} is valid{f', with {counted}' if warnings else ''}.")
    if mistakes:
        raise TargetInvalid("\n".join(mistakes))


@target.command("import")
@click.option(
    "--mock-config",
    "names",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A chroot, for instance fedora-rawhide-x86_64; may be repeated; `all` for every one.",
)
@click.option(
    "--mock-config-dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("/etc/mock"),
    show_default=True,
    metavar="DIR",
    help="Where Mock's configurations are.",
)
@click.option(
    "--from",
    "place",
    default="",
    metavar="TEXT",
    help="Where they come from, to be recorded, for instance https://example.com/repository@COMMIT.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Write DIR/NAME.yaml instead of standard output.",
)
@pipeline_option("The pipeline file, whose resolver image is used.")
@click.pass_obj
def import_command(
    voice: Progress, names: tuple[str, ...], directory: Path, place: str, output: Path | None, path: Path
) -> None:  # fmt: skip
    """Make targets of Mock's configurations.

    They are programs: they run in a container without a network that sees nothing but their directory.
    """
    known = target_import.known(directory, names)
    if output is None and len(known) != 1:
        raise click.UsageError("More than one target needs a directory: --output DIR.")
    answers = target_import.evaluated(pipeline.load(path), directory, known)
    made, refused = target_import.targets(answers, place)
    for found in made:
        target_import.tell(found, voice)
        if output is None:
            click.echo(found.content, nl=False)
        else:
            _write(output, f"{found.name}.yaml", found.content)
    if refused:
        raise MockConfigUnusable("\n".join(refused))


def _listed(path: Path) -> Listed:
    try:
        return Listed(name=path.stem, path=str(path), target=load.load(path))
    except TargetInvalid:
        return Listed(name=path.stem, path=str(path), target=None)


def _warnings(path: Path) -> Iterator[str]:
    document = load.read(read_bytes(path, TargetInvalid), str(path))
    yield from check.warnings(document)
    yield from (
        f"{path}: not supported yet by the resolver: {what}" for what in unsupported(load.target(document, path.stem))
    )


def _write(directory: Path, name: str, content: bytes) -> None:
    with writing_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / name, content)
    click.echo(str(directory / name))
