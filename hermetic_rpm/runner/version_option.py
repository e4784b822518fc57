"""``hermetic-rpm --version``: the program, and the images that it would start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from hermetic_rpm import __version__
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.process import host_environment, run
from hermetic_rpm.runner.service import podman_environment

STAGES = ("resolver", "fetcher", "builder", "signer")
PREFIX = "localhost/hermetic-rpm/"
TAG = ":latest"
_FORMAT = "{{.Repository}}:{{.Tag}} {{.Digest}}"


def version_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--version``; it starts no service, and tells of the images only where podman answers."""
    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show,
        help="Show the version and the digests of the stages' images, and exit.",
    )  # fmt: skip


def _show(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    for line in lines(_listed()):
        click.echo(line)
    context.exit()


def _listed() -> str | None:
    """The images that podman has, each a line of name and digest; None if podman does not answer."""
    command = ("podman", "image", "ls", f"--filter=reference={PREFIX}*", f"--format={_FORMAT}")
    try:
        return run(command, env=host_environment(**podman_environment(Path.cwd(), os.environ))).stdout
    except HermeticError:
        return None


def lines(listed: str | None) -> Iterator[str]:
    """What is shown."""
    yield f"hermetic-rpm, version {__version__}"
    digests = dict(line.split(" ", 1) for line in (listed or "").splitlines())
    missing = "not known: podman does not answer" if listed is None else "not built"
    for stage in STAGES:
        yield f"{stage:<8}  {digests.get(f'{PREFIX}{stage}{TAG}', missing)}"
