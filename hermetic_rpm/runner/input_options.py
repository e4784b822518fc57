"""``--input`` and ``--expect`` of the runner's commands: further inputs, hashed, and a plan that hands them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from hermetic_rpm import edge, inputs
from hermetic_rpm.inputs import Input
from hermetic_rpm.runner.pipeline import BUILDER, RESOLVER
from hermetic_rpm.runner.plan import Bind, Plan, StagePlan

PLACE = "/inputs"
"""Where a stage finds each further input, under its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hashed:
    """A further input with the sha256 of what is in it."""

    name: str
    directory: Path
    sha256: str


class InputExpectation(edge.Expectation):
    """``input:NAME=SHA256``: what the caller says a further input must be."""

    roles = ()


input_option = click.option(
    "--input", "given", type=edge.LockedInput(), multiple=True, metavar="NAME=DIRECTORY",
    help=f"Let the package read a copy of DIRECTORY at {inputs.PLACE}/NAME, in resolver and builder.",
)  # fmt: skip
_expect = click.option(
    "--expect", type=InputExpectation(), multiple=True, metavar="input:NAME=SHA256",
    help="Refuse a further input that has another sha256.",
)  # fmt: skip


def input_options(function: Callable[..., None]) -> Callable[..., Any]:
    """The options of a command that runs stages."""
    return input_option(_expect(function))


def hashed(given: Iterable[Input], expected: Mapping[str, str]) -> tuple[Hashed, ...]:
    """Hash every input; raises `InputRefused`, and `InputMismatch` unless each is as ``expected`` (by role)."""
    found = tuple(
        Hashed(name=one.name, directory=one.directory.absolute(), sha256=inputs.digest(one.directory))
        for one in inputs.unique(given)
    )
    inputs.expect(by_role(found), expected)
    return found


def by_role(found: Iterable[Hashed]) -> dict[str, str]:
    """The sha256 of inputs by their roles."""
    return {inputs.role(one.name): one.sha256 for one in found}


def with_inputs(plan: Plan, found: tuple[Hashed, ...]) -> Plan:
    """A plan whose stages that run package code are given the inputs, and told what they are."""
    return replace(plan, stages=tuple(_with_inputs(stage, found) for stage in plan.stages))


def _with_inputs(stage: StagePlan, found: tuple[Hashed, ...]) -> StagePlan:
    if stage.kind not in (RESOLVER, BUILDER):
        return stage
    arguments = [
        argument
        for one in found
        for argument in (
            "--input", f"{one.name}={PLACE}/{one.name}", "--expect", f"{inputs.role(one.name)}={one.sha256}",
        )
    ]  # fmt: skip
    binds = (Bind(source=one.directory, target=f"{PLACE}/{one.name}", read_only=True) for one in found)
    return replace(stage, arguments=(*stage.arguments, *arguments), binds=(*stage.binds, *binds))


@click.command("hash")
@click.argument("directory", type=click.Path(path_type=Path))
def hash_command(directory: Path) -> None:
    """Print the sha256 of DIRECTORY as a further input, for --expect input:NAME=SHA256."""
    click.echo(inputs.digest(directory))
