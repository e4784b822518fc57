"""``hermetic-rpm completion``: the script that lets a shell ask for the words of a command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "hermetic-rpm"
VARIABLE = "_HERMETIC_RPM_COMPLETE"
"""What click looks at when the program has this name."""


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, targets and files in a shell.

    For bash, `eval "$(hermetic-rpm completion bash)"` belongs into ~/.bashrc.
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, PROGRAM, VARIABLE).source())
