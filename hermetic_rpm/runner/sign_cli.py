"""``hermetic-rpm sign``: signed copies of what was built, made in a container of their own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hermetic_rpm.edge import log_format_option
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.progress import JSON, Progress
from hermetic_rpm.result import RESULT_NAME
from hermetic_rpm.runner import execute, place, record
from hermetic_rpm.runner.common_options import FILE
from hermetic_rpm.runner.pipeline import NO_NETWORK
from hermetic_rpm.runner.plan import Bind, Expectation, Plan, StagePlan
from hermetic_rpm.runner.service import podman_environment
from hermetic_rpm.runner.summary import results as packages

SIGNER = "signer"
IMAGE = "localhost/hermetic-rpm/signer:latest"


@click.command("sign")
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--key", type=click.Path(path_type=Path, exists=True), required=True, metavar="FILE",
    help="The secret key, as `gpg --export-secret-keys` writes it, or a directory that is a GnuPG home.",
)  # fmt: skip
@click.option("--passphrase-file", type=FILE, default=None, metavar="FILE", help="The passphrase of the key.")
@click.option("--fingerprint", default=None, metavar="HEX", help="Which secret key, if there are several.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=None, metavar="DIR",
    help="Where the signed copies go; must not exist or be empty.  [default: RESULTS-signed]",
)  # fmt: skip
@click.option("--createrepo", is_flag=True, help="Make repodata/ with a signed index, too.")
@click.option("--image", default=IMAGE, show_default=True, metavar="NAME", help="The image of the signer.")
@log_format_option()
@click.pass_obj
def sign_command(
    voice: Progress, results: Path, key: Path, passphrase_file: Path | None, fingerprint: str | None,
    output: Path | None, image: str, log_format: str, *, createrepo: bool,
) -> None:  # fmt: skip
    """Write signed copies of the packages in RESULTS; those in RESULTS stay as they are.

    The key is mounted into a container without network and without capabilities.
    """
    voice.log_format = log_format
    results = results.absolute()
    output = (output or results.with_name(f"{results.name}-signed")).absolute()
    place.refuse_taken(output)
    with place.scratch(output) as scratch:
        arguments = (
            *(() if fingerprint is None else ("--fingerprint", fingerprint)),
            *(("--createrepo",) if createrepo else ()),
        )
        signed = scratch / "signed"
        stage = plan(results, key.absolute(), passphrase_file, signed, image=image, arguments=arguments)
        try:
            report = execute.run(
                Plan(stages=(stage,), files=()), podman_environment=podman_environment(Path.cwd(), os.environ),
                voice=voice,
            )  # fmt: skip
        except HermeticError as error:
            error.add_note("Nothing of it was kept.")
            raise
        place.rename(signed, output)
        place.rename(record.place(signed), record.place(output))
    voice.say(f"the signed copies are in {output}")
    for path in packages(report):
        click.echo(str(output / path.name))


def plan(
    results: Path, key: Path, passphrase_file: Path | None, signed: Path, *, image: str, arguments: tuple[str, ...]
) -> StagePlan:
    """The container of the signer: results, key and passphrase read-only, no network, no capability."""
    passphrase = (
        () if passphrase_file is None
        else (Bind(source=passphrase_file.absolute(), target="/passphrase", read_only=True),)
    )  # fmt: skip
    return StagePlan(
        name=SIGNER,
        kind=SIGNER,
        image=image,
        arguments=("--log-format", JSON, *(("--passphrase-file", "/passphrase") if passphrase else ()), *arguments),
        network=NO_NETWORK,
        capabilities=(),
        environment=(),
        binds=(
            Bind(source=results, target="/results", read_only=True),
            Bind(source=key, target="/key", read_only=True),
            *passphrase,
            Bind(source=signed, target="/signed", read_only=False),
        ),
        directories=(signed,),
        expects=(Expectation(role="result", path=results / RESULT_NAME),),
        output=signed,
    )
