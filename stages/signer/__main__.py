"""``hermetic-sign``: the command line of the signer."""

from __future__ import annotations

from pathlib import Path

import click

from hermetic_rpm import edge
from stages.signer.sign import Request, sign


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/results"),
    show_default=True,
    help="The results of a build, with their result.json; only read.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("/signed"),
    show_default=True,
    help="Directory for the signed copies.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    default=Path("/key"),
    show_default=True,
    help="The secret key: an exported one, or a directory that is a GnuPG home.",
)
@click.option("--fingerprint", default=None, metavar="HEX", help="Which secret key, if there are several.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), default=None, help="The key's passphrase.")
@click.option("--createrepo", is_flag=True, help="Make repodata/ with a signed index.")
@edge.common_options
def command(
    results: Path, output: Path, key: Path, fingerprint: str | None, passphrase_file: Path | None,
    expect: tuple[tuple[str, str], ...], log_format: str, *, createrepo: bool,
) -> None:  # fmt: skip
    """Write signed copies of the RPMs of a build."""
    if output.is_dir() and output.samefile(results):
        raise click.UsageError("The signed copies cannot take the place of the results: name another --output.")
    request = Request(
        results=results, output=output, key=key, fingerprint=fingerprint, passphrase_file=passphrase_file,
        createrepo=createrepo, expected=dict(expect),
    )  # fmt: skip
    edge.run("signer", output, log_format, lambda progress, report: sign(request, progress, report))


def main() -> None:
    """The entry point of the image."""
    command()


if __name__ == "__main__":
    main()
