"""``hermetic-rpm policy``: what the fetcher's gate would say, without fetching."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from hermetic_rpm.edge import Date
from hermetic_rpm.lock import join
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import load


@click.group()
def policy() -> None:
    """Hold lockfiles against a policy."""


@policy.command()
@click.option(
    "--policy", "path", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The policy file."
)
@click.option(
    "--lockfile", type=click.Path(path_type=Path), required=True, metavar="FILE",
    help="The lockfile; its sidecar and keys lie beside it.",
)  # fmt: skip
@click.option(
    "--allow-origin", "origins", multiple=True, metavar="URL", help="An origin that the fetcher will be given as well."
)
@click.option("--lock-date", type=Date(), default=None, help="When the lock was made (ISO 8601).")
def check(path: Path, lockfile: Path, origins: tuple[str, ...], lock_date: datetime | None) -> None:
    """List everything in which a lockfile breaks a policy; nothing is fetched."""
    rules = load(path)
    lock = join.load(lockfile)
    gate.enforce(rules, lock, lockfile, origins=origins, dated=lock_date)
    click.echo(f"{lockfile} keeps {path}: {len(lock.every_package)} packages.")
