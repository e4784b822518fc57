"""The options that several commands of the runner have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def pipeline_option(text: str = "The pipeline file.") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--pipeline FILE``, the parameter ``path``; ``text`` is its help."""
    return click.option(
        "--pipeline", "path", type=click.Path(path_type=Path), default=Path("pipeline.yaml"), show_default=True,
        metavar="FILE", help=text,
    )  # fmt: skip
