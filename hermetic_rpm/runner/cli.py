"""The commands of ``hermetic-rpm``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hermetic_rpm.edge import build_options, log_format_option, resolver_options
from hermetic_rpm.inputs import Input
from hermetic_rpm.lock.model import BuildOptions
from hermetic_rpm.lock.options import command_line
from hermetic_rpm.progress import JSON, Progress
from hermetic_rpm.runner import command, execute, foresee, keep, many_cli, memory, mock_target, parameters, selection
from hermetic_rpm.runner.attest_cli import attest_command
from hermetic_rpm.runner.cache_cli import cache
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.completion_cli import completion_command
from hermetic_rpm.runner.doctor_cli import doctor
from hermetic_rpm.runner.export_cli import export, images
from hermetic_rpm.runner.history import History
from hermetic_rpm.runner.init_cli import init_command
from hermetic_rpm.runner.input_options import hash_command, hashed, input_options, with_inputs
from hermetic_rpm.runner.lock_cli import lock
from hermetic_rpm.runner.many_cli import How
from hermetic_rpm.runner.pack_cli import pack, unpack
from hermetic_rpm.runner.pipeline import RESOLVER, Pipeline, load
from hermetic_rpm.runner.plan import Plan, make_plan, with_arguments
from hermetic_rpm.runner.policy_cli import policy
from hermetic_rpm.runner.rebuild_cli import rebuild_command
from hermetic_rpm.runner.report_cli import report_command
from hermetic_rpm.runner.reproduce_cli import reproduce_command
from hermetic_rpm.runner.service import podman_environment
from hermetic_rpm.runner.shell_cli import shell
from hermetic_rpm.runner.sign_cli import sign_command
from hermetic_rpm.runner.summary import results, summary
from hermetic_rpm.runner.target_cli import target
from hermetic_rpm.runner.verify_cli import verify_command
from hermetic_rpm.runner.version_option import version_option

_pipeline = pipeline_option()
_assignments = click.option(
    "-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE",
    help="A parameter that the pipeline file declares, for instance -p srpm=PATH; paths are relative to where you are.",
)  # fmt: skip


def _planned(function: Callable[..., None]) -> Callable[..., Any]:
    return _pipeline(_assignments(resolver_options(input_options(log_format_option()(function)))))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@version_option()
def cli() -> None:
    """Turn a source RPM into binary RPMs from locked and verified inputs only."""


cli.add_command(lock)
cli.add_command(init_command)
cli.add_command(completion_command)


@cli.command()
@_planned
@mock_target.options
@many_cli.options
@click.option(
    "--keep-failed",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Keep the buildroot of a build that fails in DIR, for `hermetic-rpm shell DIR`.",
)
@click.option("--force", is_flag=True, help="Run every stage, also one whose inputs did not change.")
@click.option("--locked", is_flag=True, help="Never resolve: the lock that is there must be of what you give.")
@click.option("--from", "first", metavar="STAGE", help="Run STAGE in any case, and leave out those before it.")
@click.option("--until", "last", metavar="STAGE", help="Leave out the stages after STAGE.")
@click.pass_obj
def run(
    voice: Progress, /, path: Path, assignments: tuple[str, ...], keep_failed: Path | None, force: bool, locked: bool,
    first: str | None, last: str | None, given: tuple[Input, ...], expect: tuple[tuple[str, str], ...],
    log_format: str, mock_config: str | None, mock_config_dir: Path, srpms: tuple[Path, ...], jobs: int,
    keep_going: bool, chain: bool, **options: tuple[str, ...],
) -> None:  # fmt: skip
    """Run the pipeline; the paths of the RPMs come on stdout, everything else on stderr.

    A stage whose inputs did not change, and whose outputs are as it left them, is skipped.

    With -p srpm=… it is one source RPM; those given as SRPM… have a workspace each below the workspace, and share its
    cache.
    """
    voice.log_format = log_format
    pipeline = load(path)
    wanted = build_options(**options)
    inputs = hashed(given, dict(expect))
    environment = podman_environment(pipeline.directory, os.environ)

    def planned(assigned: Mapping[str, str]) -> Plan:
        # Whatever the user reads, the runner has to understand it.
        plan = selection.between(_plan(pipeline, assigned, JSON, wanted), first, last)
        plan = selection.locked(plan, wanted) if locked else plan
        return with_inputs(plan, inputs)

    many_cli.refuse_contradictions(
        srpms, several=jobs > 1 or keep_going or chain, keep_failed=keep_failed is not None,
        chain=chain, partial=locked or first is not None or last is not None,
    )  # fmt: skip
    if mock_config is not None:
        assignments += mock_target.assignments(pipeline, mock_config, mock_config_dir, assignments, voice)
    assigned = parameters.parse_assignments(assignments)
    if srpms:
        how = How(jobs=jobs, keep_going=keep_going, chain=chain, force=force, forced=first)
        many_cli.run_many(pipeline, srpms, assigned, planned, how, environment=environment, voice=voice)
        return
    plan = planned(assigned)
    for stage in plan.left_out:
        voice.skipped(stage.name, "left out")
    history = History(memory.directory(os.environ), force=force, forced=first)
    with keep.keeping(plan, keep_failed, pipeline.path) as kept:
        report = execute.run(kept, podman_environment=environment, voice=voice, history=history)
    for line in summary(report):
        voice.say(line)
    for result in results(report):
        click.echo(str(result))


@cli.command()
@_pipeline
def validate(path: Path) -> None:
    """Check the pipeline file, and name every mistake with its place."""
    pipeline = load(path)
    click.echo(f"{path} is valid: {', '.join(stage.name for stage in pipeline.stages)}.")


@cli.command()
@_planned
def plan(
    path: Path, assignments: tuple[str, ...], given: tuple[Input, ...], expect: tuple[tuple[str, str], ...],
    log_format: str, **options: tuple[str, ...],
) -> None:  # fmt: skip
    """Print the `podman run` command of each stage; it can be pasted into a shell.

    Comments say which stages `run` would skip, and why it runs the others.
    """
    pipeline = load(path)
    environment = podman_environment(pipeline.directory, os.environ)
    assigned, wanted = parameters.parse_assignments(assignments), build_options(**options)
    inputs = hashed(given, dict(expect))
    made = with_inputs(_plan(pipeline, assigned, log_format, wanted), inputs)
    as_run = with_inputs(_plan(pipeline, assigned, JSON, wanted), inputs)
    history = History(memory.directory(os.environ))
    notes = foresee.notes(as_run, history, podman_environment=environment)
    click.echo(command.script(made, podman_environment=environment, notes=notes), nl=False)


def _plan(pipeline: Pipeline, given: Mapping[str, str], log_format: str, options: BuildOptions) -> Plan:
    made = make_plan(pipeline, parameters.resolve(pipeline, given, cwd=Path.cwd(), log_format=log_format))
    return with_arguments(made, RESOLVER, command_line(options))


cli.add_command(doctor)
cli.add_command(policy)
cli.add_command(pack)
cli.add_command(unpack)
cli.add_command(cache)
cli.add_command(reproduce_command)
cli.add_command(report_command)
cli.add_command(hash_command)
cli.add_command(target)
cli.add_command(sign_command)
cli.add_command(shell)
cli.add_command(attest_command)
cli.add_command(verify_command)
cli.add_command(rebuild_command)
cli.add_command(export)
cli.add_command(images)
