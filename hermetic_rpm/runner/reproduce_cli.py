"""``hermetic-rpm reproduce``: a build is made again from its lock and repository, and compared bit for bit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click

from hermetic_rpm.archive.index import LOCK, SRPM
from hermetic_rpm.edge import log_format_option
from hermetic_rpm.errors import HermeticError, NotReproducible
from hermetic_rpm.inputs import Input
from hermetic_rpm.progress import JSON, Progress, printable
from hermetic_rpm.runner import execute, parameters, place, reproduce, workspaces
from hermetic_rpm.runner import pipeline as pipeline_file
from hermetic_rpm.runner.common_options import pipeline_option, workspace_option
from hermetic_rpm.runner.input_options import by_role, hashed, input_option, with_inputs
from hermetic_rpm.runner.plan import Plan, make_plan
from hermetic_rpm.runner.reproduce import ADDITIONAL, DIFFERENT, MISSING, SAME, Built, Verdict
from hermetic_rpm.runner.service import podman_environment

_STATES = {
    SAME: "the same",
    DIFFERENT: "different",
    MISSING: "not made again",
    ADDITIONAL: "not made the first time",
}


@click.command("reproduce")
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@workspace_option(", or else the pipeline file's")
@click.option(
    "--srpm", type=click.Path(path_type=Path), default=None, metavar="FILE",
    help="The source RPM that was built.  [default: the one with its sha256 in RESULTS or srpm/ of the workspace]",
)  # fmt: skip
@pipeline_option("The pipeline file; only its builder is run.")
@click.option(
    "-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE",
    help="Any other parameter that the pipeline file declares.",
)  # fmt: skip
@input_option
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Keep the second build in DIR."
)
@log_format_option()
@click.pass_obj
def reproduce_command(
    voice: Progress, results: Path, workspace: Path | None, srpm: Path | None, path: Path,
    assignments: tuple[str, ...], given: tuple[Input, ...], keep: Path | None, log_format: str,
) -> None:  # fmt: skip
    """Build again what is in RESULTS, from lock and offline repository, and compare bit for bit.

    Equal packages are told with their sha256; of others every header tag and file that differs.
    """
    voice.log_format = log_format
    built = reproduce.read(results)
    pipeline = reproduce.builder_only(pipeline_file.load(path))
    workspace = workspace or workspaces.of(results)
    parameters_given = {
        **parameters.parse_assignments(assignments),
        "srpm": str(srpm or reproduce.find_srpm(built, (results, *_srpm_places(workspace)))),
        **({} if workspace is None else {"workspace": str(workspace)}),
    }
    values = parameters.resolve(pipeline, parameters_given, cwd=Path.cwd(), log_format=JSON)
    found_inputs = hashed(given, {})
    with _output(results, keep) as output:
        planned = with_inputs(make_plan(pipeline, values), found_inputs)
        stage = reproduce.again(planned.stages[0], built, output, by_role(found_inputs))
        plan = Plan(stages=(stage,), files=())
        execute.run(plan, podman_environment=podman_environment(pipeline.directory, os.environ), voice=voice)
        now = reproduce.read(output)
        reproduce.refuse_other_inputs(built.inputs, now.inputs)
        found = reproduce.verdicts(results, built, output)
    if (image := reproduce.other_image(built, now)) is not None:
        voice.warn(image)
    for verdict in found:
        click.echo("\n".join(_lines(verdict)))
    _judge(found, built, now)
    voice.say(f"{results} is reproducible: {len(found)} packages are the same, bit for bit")


def _srpm_places(workspace: Path | None) -> tuple[Path, ...]:
    return () if workspace is None else (workspace / SRPM, workspace / LOCK)


@contextlib.contextmanager
def _output(results: Path, keep: Path | None) -> Iterator[Path]:
    """Where the second build goes: a directory that stays, or a hidden one beside the first."""
    if keep is not None:
        place.refuse_taken(keep)
        yield keep.absolute()
        return
    with place.scratch(results) as scratch:
        output = scratch / "results"
        try:
            yield output
        except HermeticError as error:
            if output.exists():
                error.add_note("The second build is removed; `--keep DIR` keeps it.")
            raise


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.name}: {_STATES[verdict.state]}, sha256 {verdict.sha256}"
    if verdict.altered:
        yield "  RESULTS holds other bytes than that build wrote: signed or altered since"
    for difference in verdict.differences:
        values = f": {difference.before} → {difference.after}" if difference.before or difference.after else ""
        yield f"  {difference.kind:<9} {difference.name}{values}"
    if verdict.more:
        yield f"  and {verdict.more} more"


def _judge(found: tuple[Verdict, ...], built: Built, now: Built) -> None:
    """Raise `NotReproducible` unless every package is the same."""
    wrong = [verdict.name for verdict in found if verdict.state != SAME]
    if not wrong:
        return
    error = NotReproducible(f"{len(wrong)} of {len(found)} packages are not the same: {', '.join(wrong)}.")
    if built.tool_version != now.tool_version:
        error.add_note(
            f"The first build was made by hermetic-rpm {printable(built.tool_version)}, the second by "
            f"{printable(now.tool_version)}."
        )
    raise error
