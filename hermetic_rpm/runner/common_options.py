"""The options that several commands of the runner have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hermetic_rpm.runner import workspaces

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
RESULTS = click.Path(path_type=Path, exists=True, file_okay=False)


def pipeline_option(text: str = "The pipeline file.") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--pipeline FILE``, the parameter ``path``; ``text`` is its help."""
    return click.option(
        "--pipeline", "path", type=click.Path(path_type=Path), default=Path("pipeline.yaml"), show_default=True,
        metavar="FILE", help=text,
    )  # fmt: skip


def workspace_option(otherwise: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--workspace DIR`` of commands about results; ``otherwise`` tells what holds where none has a lock."""
    return click.option(
        "--workspace", type=click.Path(path_type=Path, file_okay=False), default=None, metavar="DIR",
        help=f"The workspace with lock/ and repo/.  [default: {workspaces.DEFAULT}{otherwise}]",
    )  # fmt: skip
