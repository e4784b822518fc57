"""One voice over all commands: every option is explained, alike where it means the same, and documented."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from hermetic_rpm.runner.cli import cli
from tests.support import command_line

COMMANDS = dict(command_line.commands())


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_the_reference_is_current() -> None:
    assert command_line.PATH.read_text() == command_line.render(), "python -m tests.support.command_line"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_begins_with_one_short_sentence(name: str) -> None:
    first = (COMMANDS[name].help or "").partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_by_a_sentence(name: str) -> None:
    for option in options(COMMANDS[name]):
        text = (option.help or "").partition("  [")[0]  # a default that is made of other options
        assert text[:1].isupper(), (name, option.opts)
        assert text.endswith("."), (name, option.opts)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_a_text_of_which_nothing_is_said(name: str) -> None:
    context = click.Context(COMMANDS[name])
    for option in options(COMMANDS[name]):
        if not option.is_flag:
            assert option.make_metavar(context) != "TEXT" or option.metavar == "TEXT", (name, option.opts)


def test_the_log_format_is_explained_alike() -> None:
    said = {
        option.help
        for name, command in COMMANDS.items()
        for option in options(command)
        if "--log-format" in option.opts and not name.endswith("--preflight")
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [(("vaildate",), "validate"), (("lock", "shwo"), "show"), (("run", "--pipelin"), "--pipeline")],
)
def test_a_mistyped_command_or_option_names_the_nearest(mistyped: tuple[str, ...], meant: str) -> None:
    done = CliRunner().invoke(cli, mistyped)
    assert done.exit_code == 2
    assert f"Did you mean '{meant}'?" in done.stderr
