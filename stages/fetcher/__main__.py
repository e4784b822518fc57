"""``hermetic-fetch``: the command line of the fetcher."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from hermetic_rpm import edge
from stages.fetcher.fetch import Request, fetch


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--lockfile",
    type=click.Path(path_type=Path),
    default=Path("/lock/buildroot_lock.json"),
    show_default=True,
    help="The lockfile; its sidecar and keys lie beside it.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("/repo"),
    show_default=True,
    help="Directory for the offline repository.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory that keeps packages by their sha256; share it with the resolver.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    help="A URL whose host may be asked though no repository of the lock declares it.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    default=None,
    help="A policy file that the lock must keep before anything is fetched; its origins may be asked, too.",
)
@click.option("--lock-date", type=edge.Date(), default=None, help="When the lock was made, for the policy (ISO 8601).")
@edge.common_options
def main(
    lockfile: Path, output: Path, cache: Path | None, allow_origins: tuple[str, ...],
    policy: Path | None, lock_date: datetime | None, expect: tuple[tuple[str, str], ...], log_format: str,
) -> None:  # fmt: skip
    """Download exactly what a lockfile names into a verified offline repository."""
    request = Request(
        lockfile=lockfile, output=output, cache=cache, allow_origins=allow_origins, policy=policy, lock_date=lock_date,
        expected=dict(expect),
    )  # fmt: skip
    edge.run("fetcher", output, log_format, lambda progress, report: fetch(request, progress, report))


if __name__ == "__main__":
    main()
