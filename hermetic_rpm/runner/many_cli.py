"""``hermetic-rpm run SRPM…``: many source RPMs, each with a workspace of its own, or a chain of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hermetic_rpm.errors import SomeFailed
from hermetic_rpm.progress import JSON, Progress
from hermetic_rpm.runner import chain, local_repository, memory, outcome, packages, parameters, verdict_table
from hermetic_rpm.runner.chain_run import ChainRun, Tools
from hermetic_rpm.runner.history import History
from hermetic_rpm.runner.interrupt import listening
from hermetic_rpm.runner.local_repository import LocalRepository, Made
from hermetic_rpm.runner.many import Crew, Verdict, Work
from hermetic_rpm.runner.packages import SRPM, WORKSPACE, Package
from hermetic_rpm.runner.pipeline import Pipeline
from hermetic_rpm.runner.plan import Plan, StagePlan
from hermetic_rpm.runner.service import api_address
from hermetic_rpm.runner.summary import results

TARGET, TARGETS = "target", "targets"
PIPE_WIDTH = 200
"""Columns where standard error is no terminal and COLUMNS is not set."""

Planned = Callable[[Mapping[str, str]], Plan]
"""Makes the plan for the parameters of one package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class How:
    """What the user wants of a run of many packages."""

    jobs: int
    keep_going: bool
    chain: bool
    force: bool
    forced: str | None


def options(function: Callable[..., None]) -> Callable[..., Any]:
    """The arguments and options for many packages."""
    for option in (
        click.option("--chain", is_flag=True, help="Offer what the others made to later ones, in the order of needs."),
        click.option("--keep-going", is_flag=True, help="Build the others too when one fails."),
        click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
                     help="Of many source RPMs so many at once; each build uses all processors already."),
        click.argument("srpms", metavar="[SRPM]...", nargs=-1, type=click.Path(path_type=Path)),
    ):  # fmt: skip
        function = option(function)
    return function


def refuse_contradictions(
    srpms: tuple[Path, ...], *, several: bool, keep_failed: bool, chain: bool, partial: bool
) -> None:
    """Raise a usage error for options that say nothing together."""
    if several and not srpms:
        raise click.UsageError("--jobs, --keep-going and --chain go with source RPMs as arguments.")
    if srpms and keep_failed:
        raise click.UsageError("--keep-failed goes with one source RPM: -p srpm=PATH.")
    if chain and partial:
        raise click.UsageError("--chain goes with neither --locked nor --from nor --until: what is built decides.")


def run_many(
    pipeline: Pipeline, srpms: tuple[Path, ...], given: Mapping[str, str], planned: Planned, how: How, *,
    environment: Mapping[str, str], voice: Progress,
) -> None:  # fmt: skip
    """Run all; tells what became of each, prints the RPMs.

    Raises `SomeFailed` unless all went well, `Interrupted`, and what is wrong before anything begins.
    """
    packages.require_parameters(pipeline, given, (SRPM, WORKSPACE, *((TARGET, TARGETS) if how.chain else ())))
    found = packages.read(srpms)
    values = parameters.resolve(pipeline, {**given, SRPM: str(found[0].srpm)}, cwd=Path.cwd(), log_format=JSON)
    many = _Many(found=found, given=given, workspace=Path(values[WORKSPACE]), planned=planned, how=how)
    with listening() as events, api_address(environment, events) as address:
        crew = Crew(
            address=address, events=events, voice=voice, jobs=how.jobs, keep_going=how.keep_going, named=len(found) > 1
        )
        if how.chain:
            _run_chain(many, crew, values)
            return
        plans = many.plans(given)
        verdicts = crew.run(many.work(package.nvr, plans[package.nvr], first=True) for package in found)
        _end(verdicts, crew)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Many:
    """The packages, and how plan and work of each are made."""

    found: tuple[Package, ...]
    given: Mapping[str, str]
    workspace: Path
    planned: Planned
    how: How

    def plans(self, given: Mapping[str, str]) -> dict[str, Plan]:
        """The plan of each package by its name-version-release."""
        return {
            package.nvr: packages.with_cache(
                self.planned(packages.assignments(package, given, self.workspace)), self.workspace
            )
            for package in self.found
        }

    def work(self, package: str, plan: Plan, *, first: bool) -> Work:
        """The work for a package; what the user forces is forced the first time."""
        history = History(
            memory.directory(os.environ), force=self.how.force and first, forced=self.how.forced if first else None
        )
        return Work(package=package, plan=plan, history=history)


def _run_chain(many: _Many, crew: Crew, values: Mapping[str, str]) -> None:
    builder = local_repository.builder_of(many.planned(packages.assignments(many.found[0], many.given, many.workspace)))
    repository = LocalRepository(many.workspace, builder, address=crew.address, events=crew.events)
    with repository.held():
        is_known = repository.declare(values[TARGET], Path(values[TARGETS]))
        given = {**many.given, TARGETS: str(repository.targets)}
        plans = {nvr: repository.offered(plan) for nvr, plan in many.plans(given).items()}
        earlier = _earlier(many.found, plans) if is_known else ()
        tools = Tools(
            crew=crew, repository=repository, work=lambda nvr, first: many.work(nvr, plans[nvr], first=first)
        )  # fmt: skip
        run = ChainRun(tuple(plans), chain.needs(many.found), tools, earlier)
        _end(run.run(), crew)
        run.require_rest()


def _earlier(found: tuple[Package, ...], plans: Mapping[str, Plan]) -> Iterator[Made]:
    """What earlier runs made of the very same source RPMs."""
    history = History(memory.directory(os.environ))
    for package in found:
        builder = local_repository.builder_of(plans[package.nvr])
        left = history.left(builder)
        if left is not None and _source_of(builder) == package.sha256:
            yield local_repository.made(package.nvr, builder.output, left.outputs)


def _source_of(builder: StagePlan) -> str | None:
    """The sha256 of the source RPM of which a builder left results."""
    result = outcome.read_result(builder.output, stage=builder.name, kind=builder.kind)
    return None if result is None else result["inputs"].get(SRPM)


def _end(verdicts: tuple[Verdict, ...], crew: Crew) -> None:
    """Tell what became of each; raises `Interrupted` if the user ended it, `SomeFailed` unless all went well."""
    _tell(verdicts, crew.voice)
    crew.events.check()
    _require_all(verdicts)


def _tell(verdicts: tuple[Verdict, ...], voice: Progress) -> None:
    """The table on standard error, the RPMs on standard output."""
    if voice.log_format == JSON:
        for message, fields in verdict_table.events(verdicts):
            voice.event("result", message, **fields)
    else:
        voice.lines(verdict_table.table(verdicts, width=shutil.get_terminal_size((PIPE_WIDTH, 24)).columns))
    for verdict in verdicts:
        for path in () if verdict.report is None else results(verdict.report):
            click.echo(str(path))


def _require_all(verdicts: tuple[Verdict, ...]) -> None:
    """Raise `SomeFailed` unless the results of all are there."""
    bad = [verdict for verdict in verdicts if not verdict.is_well]
    if bad:
        names = ", ".join(verdict.package for verdict in bad)
        raise SomeFailed(f"{len(bad)} of {len(verdicts)} packages were not built: {names}.")
