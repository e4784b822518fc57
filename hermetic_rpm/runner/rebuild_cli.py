"""``hermetic-rpm rebuild``: an archive is built, and what comes out compared with what its provenance names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from hermetic_rpm.archive.index import SRPM
from hermetic_rpm.errors import AttestationMismatch, AttestationUntrusted, NotReproducible
from hermetic_rpm.inputs import Input, role
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import JSON, Progress, printable
from hermetic_rpm.runner import execute, keys, outcome, pack_cli, parameters, place, record, reproduce, verify
from hermetic_rpm.runner import pipeline as pipeline_file
from hermetic_rpm.runner.attest import RPM
from hermetic_rpm.runner.common_options import FILE, pipeline_option
from hermetic_rpm.runner.input_options import by_role, hashed, input_option, with_inputs
from hermetic_rpm.runner.plan import make_plan
from hermetic_rpm.runner.service import podman_environment
from hermetic_rpm.runner.statement import FURTHER_INPUT, Statement
from hermetic_rpm.runner.verify import FAILED


@click.command("rebuild")
@click.argument("archive", metavar="ARCHIVE")
@click.option("--provenance", type=FILE, required=True, metavar="FILE", help="The provenance of what was built.")
@click.option("--key", type=FILE, default=None, metavar="FILE", help="The public key (PEM) that must have signed it.")
@pipeline_option("Your own pipeline file, never the archive's; only its builder is run.")
@input_option
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Keep workspace and results in DIR."
)
@click.pass_obj
def rebuild_command(
    voice: Progress, archive: str, provenance: Path, key: Path | None, path: Path, given: tuple[Input, ...],
    keep: Path | None,
) -> None:  # fmt: skip
    """Unpack ARCHIVE, build it, and compare every package with the sha256 in the provenance.

    ARCHIVE is a file, - for standard input, or an artifact such as docker://NAME@sha256:….
    """
    made = _trusted(provenance, key, voice)
    declared = reproduce.builder_only(pipeline_file.load(path))
    inputs = hashed(given, {})
    reproduce.refuse_other_inputs(_further(made), by_role(inputs))
    if keep is not None:
        place.refuse_taken(keep)
    with place.scratch(keep or Path("rebuilt")) as scratch:
        workspace = scratch / "workspace"
        index, lock = pack_cli.extract(archive, scratch, workspace)
        _hold(made, lock)
        values = {"srpm": str(workspace / SRPM / index.srpm), "workspace": str(workspace)}
        resolved = parameters.resolve(declared, values, cwd=Path.cwd(), log_format=JSON)
        plan = with_inputs(make_plan(declared, resolved), inputs)
        environment = podman_environment(declared.directory, os.environ)
        report = execute.run(plan, podman_environment=environment, voice=voice)
        _tell_of_another_image(made, report.directory, voice)
        again = {path.name: output.sha256 for path, output in report.outputs if path.suffix == RPM}
        if keep is not None:
            place.rename(workspace, keep)
    then = {file.name: file.sha256 for file in made.subjects}
    click.echo("\n".join(lines(then, again)))
    if wrong := sorted(name for name in then.keys() | again.keys() if then.get(name) != again.get(name)):
        raise NotReproducible(f"{len(wrong)} of {len(then | again)} packages are not the same: {', '.join(wrong)}.")
    voice.say(f"{archive} gives the {len(then)} packages of {provenance} again, bit for bit")


def lines(then: Mapping[str, str], again: Mapping[str, str]) -> Iterator[str]:
    """A line for each package, by name: the sha256 (hex) that it has, or then and again had."""
    for name in sorted(then.keys() | again.keys()):
        if then.get(name) == again.get(name):
            yield f"{printable(name)}: the same, sha256 {then[name]}"
        elif name not in again:
            yield f"{printable(name)}: not made again, sha256 {then[name]}"
        elif name not in then:
            yield f"{printable(name)}: not made the first time, sha256 {again[name]}"
        else:
            yield f"{printable(name)}: different, sha256 {then[name]} → {again[name]}"


def _trusted(provenance: Path, key: Path | None, voice: Progress) -> Statement:
    envelope, made = verify.read(provenance.parent, provenance)
    signature = verify.signature(envelope, None if key is None else keys.load_public(key))
    if signature.state == FAILED:
        raise AttestationUntrusted(f"{provenance}: {signature.text}.")
    voice.say(f"signature {signature.state}: {signature.text}")
    return made


def _further(made: Statement) -> dict[str, str]:
    return {role(one.name): one.sha256 for one in made.resources if one.kind == FURTHER_INPUT}


def _hold(made: Statement, lock: Lock) -> None:
    """Raise `AttestationMismatch` unless the archive's lock and source RPM are those of the provenance."""
    found = verify.against_lock(lock, made)
    if found.state == FAILED:
        raise AttestationMismatch(f"The archive is not of that build: {found.text}.")
    if lock.sidecar is None or made.source.sha256 != lock.sidecar.srpm.sha256:
        raise AttestationMismatch("The archive does not hold the source RPM of that build.")


def _tell_of_another_image(made: Statement, results: Path, voice: Progress) -> None:
    before = None if made.builder is None else made.builder.image
    now = record.image_of(results, outcome.result_sha256(results))
    if before is not None and now is not None and before.id != now.id:
        voice.warn(f"that build was made by {printable(str(before))}, this one by {now}")
