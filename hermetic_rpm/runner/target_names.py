"""Where the runner looks for targets, and the names that a shell offers for one."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hermetic_rpm.runner import starter
from hermetic_rpm.target import load


def own_targets() -> Path:
    """The directory of the user's own targets; it need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home, "hermetic-rpm/targets")


def listed(context: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The targets in the directory that the command line names, or else in targets/, whose names begin so."""
    return _names(incomplete, context.params.get("directory") or Path("targets"))


def shipped(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The targets that hermetic-rpm comes with whose names begin so."""
    return _names(incomplete, starter.shipped() / "targets")


def _names(incomplete: str, directory: Path) -> list[str]:
    return [path.stem for path in load.files(directory, own_targets()) if path.stem.startswith(incomplete)]
