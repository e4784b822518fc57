"""``--preflight`` of resolver and builder: the command line that tries the host, and does nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hermetic_rpm import edge
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.progress import JSON, Progress

PREFLIGHT = "--preflight"


def command_line(stage: str, work: click.Command, *, network: bool) -> None:
    """The stage's own command, or its preflight where that is asked for."""
    (preflight_command(stage, network=network) if PREFLIGHT in sys.argv[1:] else work)()


def preflight_command(stage: str, *, network: bool) -> click.Command:
    """``--preflight``: try what the stage needs of the host; ``network`` says whether that is one of it."""
    from hermetic_rpm.preflight import check, examine  # noqa: PLC0415 - a stage at work does without

    @click.command(context_settings={"max_content_width": 100})
    @click.option(PREFLIGHT, "_asked", is_flag=True, help="Try what the stage needs of the host, and do nothing else.")
    @click.option(
        "--scratch",
        type=click.Path(path_type=Path),
        default=Path("/work"),
        show_default=True,
        help="Directory in which the stage would unpack and build.",
    )
    @edge.log_format_option("How the checks are written to standard output.")
    def command(scratch: Path, log_format: str, *, _asked: bool) -> None:
        """Say what the host allows this container and, where it forbids something, the setting to change."""
        try:
            checks = examine.examine(scratch, network_expected=network)
            lines = (check.line(stage, found) for found in checks) if log_format == JSON else check.lines(checks)
            for line in lines:
                click.echo(line)
            check.require(checks)
        except HermeticError as error:
            edge.show(Progress(stage=stage, log_format=log_format), error)
            sys.exit(error.exit_code)

    return command
