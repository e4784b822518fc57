"""The command line of the fetcher: what it refuses before it starts, and that its reference names every option."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stages.fetcher.__main__ import main

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/fetcher.md"


def test_the_reference_names_every_option() -> None:
    text = REFERENCE.read_text()
    names = [name for option in main.params if isinstance(option, click.Option) for name in option.opts]
    assert [name for name in names if name not in text and name != "--version"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--mirror", "https://old.example.com/"),
        ("--mirror", "https://old.example.com=https://new.example.com"),
        ("--mirror", "https://old.example.com/=ftp://new.example.com/"),
        ("--fallback", "https://{name}.example.com/{file}"),
        ("--fallback", "https://koji.example.com/{nevra}"),
        ("--fallback", "{file}"),
        ("--client-certificate", "example.com"),
        ("--bearer-token", "=file"),
        ("--jobs", "0"),
        ("--timeout", "0"),
        ("--lock-date", "yesterday"),
        ("--expect", "lockfile=abc"),
    ],
)
def test_a_senseless_option_is_refused(arguments: tuple[str, str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert arguments[0] in done.output
