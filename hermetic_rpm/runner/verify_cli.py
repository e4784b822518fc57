"""``hermetic-rpm verify``: what the provenance of results proves, and what not."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from hermetic_rpm.edge import Date
from hermetic_rpm.errors import AttestationMismatch, AttestationUntrusted
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import keys, table, verify, workspaces
from hermetic_rpm.runner.attest import PROVENANCE
from hermetic_rpm.runner.common_options import FILE, RESULTS, workspace_option
from hermetic_rpm.runner.verify import FAILED, OPEN, PROVED, SIGNATURE, Check, Given

MAX_TEXT = 400
"""How much of a check's text a line shows; ``--json`` has it all."""


@click.command("verify")
@click.argument("results", type=RESULTS)
@workspace_option()
@click.option("--key", type=FILE, default=None, metavar="FILE", help="The public key (PEM) that must have signed.")
@click.option("--policy", type=FILE, default=None, metavar="FILE", help="A policy that the lock must keep.")
@click.option("--lock-date", type=Date(), default=None, help="When the lock was made, for the policy (ISO 8601).")
@click.option("--srpm", type=FILE, default=None, metavar="FILE", help="The source RPM.")
@click.option(
    "--provenance", type=FILE, default=None, metavar="FILE",
    help=f"The provenance.  [default: RESULTS/{PROVENANCE}]",
)  # fmt: skip
@click.option(
    "--require", "names", type=click.Choice(verify.REQUIRABLE), multiple=True, metavar="CHECK",
    help="Let this check fail where it is not proved, for instance isolation.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.pass_obj
def verify_command(
    voice: Progress, results: Path, workspace: Path | None, key: Path | None, policy: Path | None, srpm: Path | None,
    lock_date: datetime | None, provenance: Path | None, names: tuple[str, ...], *, as_json: bool,
) -> None:  # fmt: skip
    """Hold RESULTS, their lock, offline repository and bills of materials against their provenance.

    Each check is proved, failed, or not proved for want of something; only a failed one is an error,
    and one that is required and not proved.
    """
    public = None if key is None else keys.load_public(key)
    envelope, statement = verify.read(results, provenance)
    given = Given(
        results=results, workspace=workspaces.named_or_of(workspace, results), key=public, policy=policy,
        lock_date=lock_date, srpm=srpm,
    )  # fmt: skip
    found = verify.required(verify.checks(envelope, statement, given), names)
    click.echo(_json(found) if as_json else "\n".join(lines(found)))
    _judge(found, results)
    voice.say(f"nothing failed: {_count(found, PROVED)} checks proved, {_count(found, OPEN)} not proved")


def lines(found: tuple[Check, ...]) -> tuple[str, ...]:
    """A line for each check: its name, how it ended, and what that means."""
    texts = (textwrap.shorten(check.text, MAX_TEXT, placeholder=" …") for check in found)
    columns = table.columns(
        table.Column(title="check", cells=tuple(check.name for check in found)),
        table.Column(title="", cells=tuple(check.state for check in found)),
        table.Column(title="", cells=tuple(texts)),
    )
    return table.lines(columns)[1:]


def _json(found: tuple[Check, ...]) -> str:
    return json.dumps({"checks": [asdict(check) for check in found]}, indent=2)


def _judge(found: tuple[Check, ...], results: Path) -> None:
    failed = tuple(check.name for check in found if check.state == FAILED)
    if SIGNATURE in failed:
        more = f"; {', '.join(failed[1:])} failed, too" if failed[1:] else ""
        raise AttestationUntrusted(f"The provenance of {results} is not signed by that key{more}.")
    if failed:
        raise AttestationMismatch(f"{results} does not match: {', '.join(failed)} failed.")


def _count(found: tuple[Check, ...], state: str) -> int:
    return sum(check.state == state for check in found)
