"""``hermetic-rpm doctor``: whether this host can run the pipeline, and what to change where it cannot."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from hermetic_rpm import process
from hermetic_rpm.errors import HermeticError, Interrupted, StageFailed, ToolMissing
from hermetic_rpm.preflight import check, facts
from hermetic_rpm.preflight.check import OK, REFUSED, Check, ok
from hermetic_rpm.progress import JSON
from hermetic_rpm.runner import table
from hermetic_rpm.runner.ask import ask
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.doctor import HOST, Host, host_checks, podman_info
from hermetic_rpm.runner.interrupt import Events, listening
from hermetic_rpm.runner.pipeline import Pipeline, load
from hermetic_rpm.runner.plan import StagePlan, preflight_plan
from hermetic_rpm.runner.podman import Podman, connect
from hermetic_rpm.runner.service import api_address, podman_environment

ARGUMENTS = ("--preflight", "--log-format", JSON)
SANDBOXED = ("resolver", "builder")
"""The kinds of stage that make a sandbox; the fetcher needs nothing of the host."""

TUN = Path("/dev/net/tun")
_FIRST_WORDS = 160


@click.command()
@pipeline_option("The pipeline file, whose images are run with the flags of their stages.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(path: Path, *, as_json: bool) -> None:
    """Say whether this host can run the pipeline and, where it cannot, what to change.

    Looks at podman and the kernel, then tries in the containers of resolver and builder what these stages do.
    """
    pipeline = load(path)
    environment = podman_environment(pipeline.directory, os.environ)
    with listening() as events:
        checks = tuple(_checks(pipeline, environment, events))
    brief = _brief(checks, tuple(stage.name for stage in pipeline.stages))
    for line in _as_json(checks) if as_json else _as_table(brief):
        click.echo(line)
    check.require(checks)


def _checks(pipeline: Pipeline, environment: Mapping[str, str], events: Events) -> Iterator[Check]:
    checks = tuple(host_checks(_host(environment)))
    yield from checks
    if checks[0].state == REFUSED:
        return
    try:
        with api_address(environment, events) as address, connect(address) as podman:
            yield ok("podman's API", "answers")
            for stage in pipeline.stages:
                yield from _stage_checks(preflight_plan(stage, ARGUMENTS), podman, events)
    except Interrupted:
        raise
    except HermeticError as error:
        yield _failed("podman's API", error)


def _stage_checks(stage: StagePlan, podman: Podman, events: Events) -> Iterator[Check]:
    try:
        podman.require_image(stage.image)
        yield ok(f"image of the {stage.name}", stage.image)
        if stage.kind in SANDBOXED:
            yield from (named(stage.name, found) for found in _preflight(stage, podman, events))
    except Interrupted:
        raise
    except HermeticError as error:
        yield _failed(f"container of the {stage.name}", error)


def _preflight(stage: StagePlan, podman: Podman, events: Events) -> tuple[Check, ...]:
    """The checks of a stage's own preflight; raises `StageFailed` if it says none."""
    lines, code = ask(stage, podman, events)
    found = tuple(parsed for line in lines if (parsed := check.parse(line)))
    if not found:
        said = " ".join(lines)[-_FIRST_WORDS:]
        raise StageFailed(f"The preflight ended with status {code}: {said}", solution="Run `make images`.")
    return found


def named(stage: str, found: Check) -> Check:
    """A check with the stage that made it; of the settings only podman's, which runs it here."""
    settings = dict(found.settings)
    mine = ((HOST, settings["podman"]),) if "podman" in settings else ()
    return Check(name=f"{stage}: {found.name}", state=found.state, found=found.found, cause=found.cause, settings=mine)


def _failed(name: str, error: HermeticError) -> Check:
    reason = " ".join((error.reason, *error.log_tail[-1:]))
    return Check(name=name, state=REFUSED, found=reason, settings=((HOST, error.solution),) if error.solution else ())


def _host(environment: Mapping[str, str]) -> Host:
    whole = process.host_environment(**environment)
    try:
        done = process.run(("podman", "info", "--format=json"), env=whole, check=False)
        info, last_words = podman_info(done.stdout), " ".join(done.tail[-1:])
    except ToolMissing as error:
        info, last_words = None, error.reason
    return Host(
        info=info,
        last_words=last_words or "says nothing",
        containers_conf=whole.get("CONTAINERS_CONF", ""),
        uid=os.geteuid(),
        user=_user(os.geteuid()),
        subuid=_text(Path("/etc/subuid")),
        subgid=_text(Path("/etc/subgid")),
        runtime_directory=whole.get("XDG_RUNTIME_DIR", ""),
        tun_opens=os.access(TUN, os.R_OK | os.W_OK),
        facts=facts.read(),
        has=lambda name: shutil.which(name, path=whole.get("PATH", "") + ":/usr/sbin:/sbin") is not None,
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _as_json(checks: tuple[Check, ...]) -> Iterator[str]:
    documents = [check.document(found) for found in checks]
    yield json.dumps({"refused": len(check.refused(checks)), "checks": documents}, indent=2, ensure_ascii=False)


def _brief(checks: tuple[Check, ...], stages: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks with those of a stage's preflight that are well as one."""
    kept = list(checks)
    for stage in stages:
        mine = [found for found in kept if found.name.startswith(f"{stage}: ")]
        well = [found for found in mine if found.state == OK]
        if well:
            summary = ok(f"preflight of the {stage}", f"{len(well)} of {len(mine)} checks are well")
            kept.insert(kept.index(mine[0]), summary)
            kept = [found for found in kept if found not in well]
    return tuple(kept)


def _as_table(checks: tuple[Check, ...]) -> Iterator[str]:
    """A row for each check; below it, why something is not well and what to do."""
    columns = table.columns(
        table.Column(title="CHECK", cells=tuple(found.name for found in checks)),
        table.Column(title="STATE", cells=tuple(found.state for found in checks)),
        table.Column(title="FOUND", cells=tuple(found.found for found in checks), shorten=True),
        table.Column(title="WHAT TO DO", cells=tuple(str(number or "") for number in _numbers(checks))),
    )
    shown, _ = table.fit(columns, shutil.get_terminal_size((120, 24)).columns)
    yield from table.lines(shown)
    for number, found in zip(_numbers(checks), checks, strict=True):
        if number:
            yield ""
            yield f"{number}. {found.name}: {found.found}"
            yield from (f"   {line}" for line in (found.cause, *check.setting_lines(found)) if line)


def _numbers(checks: tuple[Check, ...]) -> tuple[int, ...]:
    """A number for each check that is not well, 0 for the others."""
    number = 0
    numbers = []
    for found in checks:
        number += found.state != OK
        numbers.append(number if found.state != OK else 0)
    return tuple(numbers)
