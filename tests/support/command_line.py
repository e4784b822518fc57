"""docs/reference/command-line.md, made from the commands themselves: ``python -m tests.support.command_line``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from hermetic_rpm.preflight.command import preflight_command
from hermetic_rpm.runner.cli import cli
from stages.builder import __main__ as builder
from stages.fetcher import __main__ as fetcher
from stages.resolver import __main__ as resolver
from stages.signer import __main__ as signer

PATH = Path(__file__).resolve().parents[2] / "docs/reference/command-line.md"
WIDTH = 100
HEAD = """# Command line

Generated from the commands by `python -m tests.support.command_line`; do not edit.

`hermetic-rpm` runs on the host; `hermetic-resolve`, `hermetic-fetch`, `hermetic-build` and `hermetic-sign` are what the
images of the stages run. All take `--help`. The exit codes are in [exit-codes.md](exit-codes.md).
"""
STAGES = {
    "hermetic-resolve": resolver.command,
    "hermetic-resolve --mock-config": resolver.mock_config_command,
    "hermetic-resolve --preflight": preflight_command("resolver", network=True),
    "hermetic-fetch": fetcher.main,
    "hermetic-build": builder.command,
    "hermetic-build --shell": builder.shell_command,
    "hermetic-build --index": builder.index_command,
    "hermetic-build --preflight": preflight_command("builder", network=False),
    "hermetic-sign": signer.command,
}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the project by what is typed for it, groups before what is in them."""
    yield from _below("hermetic-rpm", cli)
    yield from STAGES.items()


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for word, inner in sorted(command.commands.items()):
            yield from _below(f"{name} {word}", inner)


def render() -> str:
    """The document."""
    return HEAD + "".join(f"\n## {name}\n\n```text\n{_help(name, command)}\n```\n" for name, command in commands())


def _help(name: str, command: click.Command) -> str:
    asked = cli.context_settings["help_option_names"] if name.startswith("hermetic-rpm") else ["--help"]
    context = click.Context(
        command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=asked
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


if __name__ == "__main__":
    PATH.write_text(render())
