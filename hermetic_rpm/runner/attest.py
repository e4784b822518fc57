"""What is there of a build, gathered into the statement that `statement` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm import inputs
from hermetic_rpm.archive.index import LOCK, REPOSITORY
from hermetic_rpm.errors import InputsDiffer, ResultsAltered, ResultsUnusable, StageFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock import check, join, options, repository
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.result import RESULT_NAME
from hermetic_rpm.runner import observed, outcome, record, reproduce, statement
from hermetic_rpm.runner.record import Run
from hermetic_rpm.runner.statement import CLAIMED, FURTHER_INPUT, SEEN_BY_RUNNER, SOURCE_RPM, File, Resource, Statement

PROVENANCE = "provenance.intoto.json"
RPM = ".rpm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """A directory of results as it is now: what its ``result.json`` says, and the sha256 of that."""

    directory: Path
    result: Mapping[str, Any]
    result_sha256: str


def read(directory: Path) -> Results:
    """The results of a build, each file of which is what the build wrote.

    Raises `ResultsUnusable`, or `ResultsAltered` for a file that changed or a package that came or went.
    """
    result = reproduce.result_of(directory)
    named = {output["path"] for output in result["outputs"]}
    wrong = [f"{path.name} is none of that build" for path in directory.glob(f"*{RPM}") if path.name not in named]
    changed = (problem_of(directory, output["path"], output["sha256"]) for output in result["outputs"])
    wrong += (problem for problem in changed if problem is not None)
    if wrong:
        raise ResultsAltered("\n".join((f"{directory} is not what its build wrote:", *(f"  {one}" for one in wrong))))
    return Results(directory=directory, result=result, result_sha256=outcome.result_sha256(directory))


def problem_of(directory: Path, name: str, sha256: str) -> str | None:
    """What is wrong with a file that should be there and have that sha256; None if nothing is."""
    try:
        found = outcome.measure(directory, name).sha256
    except FileNotFoundError:
        return f"{name} is missing"
    except StageFailed:
        return f"{name} is no regular file"
    return None if found == sha256 else f"{name} has the sha256 {found} instead of {sha256}"


def run_of(path: Path, results: Results) -> Run | None:
    """What a runner recorded of the run that left these results; None if that is of another run, or nothing."""
    run = record.read(path)
    return run if run is not None and run.stage_of(results.result_sha256) is not None else None


def gather(results: Results, workspace: Path, run: Run | None, builder_id: str | None) -> Statement:
    """The statement of a build with the lock and repository of a workspace.

    Raises what `lock.check` does, and `InputsDiffer` if the build had another lock, or the runner
    told it of other inputs.
    """
    lock = check.check(workspace / LOCK / LOCKFILE_NAME)
    given: Mapping[str, str] = results.result["inputs"]
    if "srpm" not in given:
        raise ResultsUnusable("The results do not say which source RPM was built.")
    of_lock = {role: given[role] for role in ("lockfile", "sidecar") if role in given}
    reproduce.refuse_other_inputs(of_lock, join.checksums(lock))
    told = _told(run, results)
    if other := [role for role, sha256 in told.items() if role in given and given[role] != sha256]:
        raise InputsDiffer(f"The runner gave the build another {' and '.join(other)} than the build tells of.")
    locked = statement.of_lock(lock, _measured(lock, workspace / REPOSITORY))
    source = _source(lock, run, given, told)
    files = [File(name=output["path"], sha256=output["sha256"]) for output in results.result["outputs"]]
    files.append(File(name=RESULT_NAME, sha256=results.result_sha256))
    files.sort(key=lambda file: file.name)
    resources = [one for one in locked if one.kind != SOURCE_RPM]
    resources += (source, *_further(given, told), *(() if run is None else statement.of_run(run)))
    resources.sort(key=lambda one: (one.kind, one.name))
    return Statement(
        subjects=tuple(file for file in files if file.name.endswith(RPM)),
        byproducts=tuple(file for file in files if not file.name.endswith(RPM)),
        resources=tuple(resources),
        source_rpm=source.name,
        target=None if lock.sidecar is None else lock.sidecar.target.name,
        options=_options(lock, results.result),
        claims={name: results.result["facts"][name] for name in statement.CLAIMS if name in results.result["facts"]},
        run=run,
        builder_id=builder_id or (statement.UNOBSERVED if run is None else statement.RUNNER),
        tool_version=results.result["tool_version"],
    )


def _told(run: Run | None, results: Results) -> dict[str, str]:
    """The sha256 of inputs by role that the runner itself had seen and told the builder."""
    stage = None if run is None else run.stage_of(results.result_sha256)
    return {} if stage is None or stage.container is None else observed.expected(stage.container)


def _measured(lock: Lock, directory: Path) -> dict[str, str]:
    """The sha256 of packages that have none in their lock, which are first held against what it has."""
    if lock.sidecar is not None:
        return {}
    repository.check_files(lock, directory)
    return {package.file_name: sha256_of(directory / package.file_name) for package in lock.packages}


def _source(lock: Lock, run: Run | None, given: Mapping[str, str], told: Mapping[str, str]) -> Resource:
    """The source RPM that was built: the resolved one, or another that only runner or builder can tell."""
    for one in statement.of_lock(lock) if lock.sidecar is not None else ():
        if one.kind == SOURCE_RPM and one.sha256 == given["srpm"]:
            return one
    parameters = {} if run is None or run.pipeline is None else dict(run.pipeline.parameters)
    return Resource(
        kind=SOURCE_RPM, name=parameters.get("srpm", "(unnamed)"), sha256=given["srpm"],
        known_from=SEEN_BY_RUNNER if "srpm" in told else CLAIMED,
    )  # fmt: skip


def _further(given: Mapping[str, str], told: Mapping[str, str]) -> tuple[Resource, ...]:
    return tuple(
        Resource(
            kind=FURTHER_INPUT, name=role.removeprefix(inputs.ROLE), sha256=sha256,
            known_from=SEEN_BY_RUNNER if role in told else CLAIMED,
        )
        for role, sha256 in sorted(given.items())
        if inputs.is_role(role)
    )  # fmt: skip


def _options(lock: Lock, result: Mapping[str, Any]) -> tuple[str, ...]:
    if lock.sidecar is not None:
        return options.command_line(lock.sidecar.build_options)
    words = result["facts"].get("build_options", [])
    return tuple(map(str, words)) if isinstance(words, list) else ()
