"""The commands ``hermetic-rpm cache …``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hermetic_rpm import cache_upkeep
from hermetic_rpm.files import canonical_json
from hermetic_rpm.progress import Progress, printable
from hermetic_rpm.runner import cache_show
from hermetic_rpm.runner.interpolate import references
from hermetic_rpm.runner.pipeline import load
from hermetic_rpm.units import size

UNITS = {"B": 1} | {
    f"{prefix}{kind}": base**power
    for kind, base in (("B", 1000), ("iB", 1024))
    for power, prefix in enumerate("kMGT" if kind == "B" else "KMGT", start=1)
}


class Size(click.ParamType[int]):
    """A number of bytes, with a decimal (kB, MB, GB, TB) or binary (KiB, MiB, GiB, TiB) unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one size."""
        units = {unit.lower(): factor for unit, factor in UNITS.items()}
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", str(value).lower())
        if found is None or (found[2] or "b") not in units:
            self.fail(f"{value!r} is no size such as 10GB or 9.5GiB; the units are {', '.join(UNITS)}", param, ctx)
        return int(float(found[1]) * units[found[2] or "b"])


def _directory(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--cache", "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default=_of_pipeline,
        metavar="DIR", show_default="that of the default workspace in pipeline.yaml",
        help="The directory that resolver and fetcher were given as --cache.",
    )(function)  # fmt: skip


def _of_pipeline() -> Path:
    """The cache in the default workspace of the pipeline file that lies here."""
    pipeline = load(Path("pipeline.yaml"))
    defaults = {parameter.name: parameter.default for parameter in pipeline.parameters}
    workspace = defaults.get("workspace")
    if not workspace or references(workspace):
        raise click.UsageError("pipeline.yaml has no default workspace: name the cache with --cache DIR.")
    return pipeline.directory / workspace / "cache"


@click.group()
def cache() -> None:
    """Look after the cache that resolver and fetcher share; they may run meanwhile."""


@cache.command("ls")
@_directory
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_command(directory: Path, *, as_json: bool) -> None:
    """Tell what lies in the cache: by kind the number, the bytes, and when it was of use."""
    items = cache_upkeep.scan(directory)
    if as_json:
        click.echo(canonical_json(cache_show.document(directory, items)), nl=False)
    else:
        click.echo("\n".join(cache_show.text(items)))


@cache.command()
@_directory
@click.option("--check", is_flag=True, help="Remove nothing; exit with status 1 if there is something to remove.")
@click.pass_context
def verify(context: click.Context, directory: Path, *, check: bool) -> None:
    """Hash every package, and remove what is corrupt or was left half-made by a killed run."""
    found = cache_upkeep.verify(directory, dry_run=check)
    removed = "" if check else ", removed"
    for path in found.corrupt:
        click.echo(f"{printable(str(path))}: its content is not what its name says{removed}")
    for item in found.half_made:
        click.echo(f"{printable(str(item.paths[0]))}: left half-made by a killed run{removed}")
    click.echo(f"packages hashed: {found.checked}, corrupt: {len(found.corrupt)}, half-made: {len(found.half_made)}")
    if check and (found.corrupt or found.half_made):
        context.exit(1)


@cache.command()
@_directory
@click.option("--max-size", type=Size(), required=True, metavar="SIZE", help="What may stay, such as 10GB or 9.5GiB.")
@click.option("--dry-run", is_flag=True, help="Remove nothing, only tell what would be.")
@click.pass_obj
def gc(voice: Progress, directory: Path, max_size: int, *, dry_run: bool) -> None:
    """Remove what was not used for longest until the rest is no larger than --max-size."""
    done = cache_upkeep.collect(directory, max_size, dry_run=dry_run)
    for line in cache_show.collected(done, dry_run=dry_run):
        click.echo(line)
    left = sum(item.size for item in done.kept)
    if left > max_size:
        voice.warn(f"{size(left)} are more than wanted: {len(done.held)} of what stays is used by a running stage.")
