"""``hermetic-rpm attest``: the provenance of what was built, signed if a key is given."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hermetic_rpm.files import write_atomically
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import attest, dsse, keys, record, statement, workspaces
from hermetic_rpm.runner.attest import PROVENANCE
from hermetic_rpm.runner.common_options import FILE, RESULTS, workspace_option
from hermetic_rpm.runner.dsse import Envelope, Signature


class Uri(click.ParamType[str]):
    """A URI such as ``https://ci.example.com/builder``."""

    name = "uri"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is none."""
        if re.fullmatch(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+", value) is None:
            self.fail(f"{value!r} is no URI such as https://ci.example.com/builder", param, ctx)
        return value


@click.command("attest")
@click.argument("results", type=RESULTS)
@workspace_option()
@click.option(
    "--key", type=FILE, default=None, metavar="FILE", help="The private key (PEM; ed25519 or ECDSA) that signs."
)
@click.option("--passphrase-file", type=FILE, default=None, metavar="FILE", help="The passphrase of the key.")
@click.option(
    "--record", "record_file", type=FILE, default=None, metavar="FILE",
    help="What the runner recorded.  [default: RESULTS.run.json, which `hermetic-rpm run` writes]",
)  # fmt: skip
@click.option("--builder-id", type=Uri(), default=None, help="Who ran the build, as the readers know it.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
    help=f"Where the provenance goes.  [default: RESULTS/{PROVENANCE}]",
)  # fmt: skip
@click.pass_obj
def attest_command(
    voice: Progress, results: Path, workspace: Path | None, key: Path | None, passphrase_file: Path | None,
    record_file: Path | None, builder_id: str | None, output: Path | None,
) -> None:  # fmt: skip
    """Write the SLSA provenance of the packages in RESULTS: every input by sha256, and how the build was isolated.

    With a key it is a signed DSSE envelope, without one a bare in-toto statement.
    """
    signer = None if key is None else keys.load_private(key, passphrase_file)
    found = attest.read(results)
    run = attest.run_of(record_file or record.place(results), found)
    if run is None:
        voice.warn("no runner recorded this build: that it was isolated is only its own claim, and said to be that")
    payload = statement.render(attest.gather(found, workspaces.named_or_of(workspace, results), run, builder_id))
    made = statement.parse(payload, PROVENANCE)
    output = output or results / PROVENANCE
    if signer is None:
        voice.warn("no key was given: nothing shows who says this")
        content = payload
    else:
        signature = Signature(key_id=signer.public.id, signature=signer.sign(dsse.signed_bytes(payload)))
        content = dsse.render(Envelope(payload=payload, signatures=(signature,)))
    write_atomically(output, content)
    voice.say(f"{len(made.subjects)} packages made of {len(made.resources)} inputs are attested in {output}")
    click.echo(str(output))
