"""``hermetic-resolve``: the command line of the resolver."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hermetic_rpm import edge
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.inputs import Input
from hermetic_rpm.preflight import command as preflight
from hermetic_rpm.progress import Progress
from hermetic_rpm.target.keys import DISTRIBUTION_KEYS
from stages.resolver import offers as offers_now
from stages.resolver.access import Given
from stages.resolver.resolve import Request, resolve

MOCK_CONFIG = "--mock-config"


@click.command(
    context_settings={"max_content_width": 100},
    epilog="With --preflight alone it says what the host allows, and which setting to change. "
    "With --mock-config it evaluates configurations of Mock.",
)
@click.option("--srpm", type=click.Path(path_type=Path), help="The source RPM.")
@click.option(
    "--spec",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead of a source RPM: the spec to make it from; it is left beside the lockfile.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --spec: the directory that holds its sources and patches.",
)
@click.option("--target", required=True, metavar="NAME", help="Name of a target, or path of a target file.")
@click.option(
    "--targets",
    type=click.Path(path_type=Path),
    default=Path("/targets"),
    show_default=True,
    help="Directory of target files.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    default=Path(DISTRIBUTION_KEYS),
    show_default=True,
    help="Directory of the keys that the target names below /usr/share/distribution-gpg-keys.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("/lock"),
    show_default=True,
    help="Directory for the lockfile, its sidecar, the keys and the log.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory that keeps metadata and packages for later runs.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path),
    default=Path("/work"),
    show_default=True,
    help="Directory for the bootstrap and the buildroot; emptied at the end.",
)
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=3600,
    show_default=True,
    help="Seconds that the spec's code, or a transaction of packages, may take each time.",
)
@click.option(
    "--ca-bundle", type=click.Path(path_type=Path), help="Certificates (PEM) to trust instead of the system's."
)
@click.option(
    "--client-certificate", "client_certificates", type=edge.Pair("NAME=CERTIFICATE[,KEY]"), multiple=True,
    help="The client certificate (PEM) that the target calls NAME.",
)  # fmt: skip
@click.option(
    "--proxy-login", "proxy_logins", type=edge.Pair("HOST=FILE"), multiple=True,
    help="A file with USER:PASSWORD for a proxy (HOST or HOST:PORT) that the target names.",
)  # fmt: skip
@click.option(
    "--offers",
    is_flag=True,
    help="Resolve nothing: print what image, repositories and keys are now, as `offers` in result.json has it.",
)
@edge.input_option
@edge.resolver_options
@edge.common_options
def command(
    srpm: Path | None, spec: Path | None, sources: Path | None, with_: tuple[str, ...], without: tuple[str, ...],
    define: tuple[str, ...], requires: tuple[str, ...], target: str, targets: Path, keys: Path, output: Path,
    cache: Path | None, scratch: Path, timeout: int, offers: bool, given: tuple[Input, ...], ca_bundle: Path | None,
    client_certificates: tuple[tuple[str, str], ...], proxy_logins: tuple[tuple[str, str], ...],
    expect: tuple[tuple[str, str], ...], log_format: str,
) -> None:  # fmt: skip
    """Find every build dependency of a source RPM and write a lockfile."""
    if (srpm is None) == (spec is None):
        raise click.UsageError("Give either --srpm or --spec.")
    if sources is not None and spec is None:
        raise click.UsageError("--sources goes with --spec.")
    certificates = ((name, *files.partition(",")[::2]) for name, files in client_certificates)
    access = Given(
        ca_bundle=ca_bundle,
        client_certificates=tuple((name, Path(cert), Path(key) if key else None) for name, cert, key in certificates),
        proxy_logins=tuple((host, Path(file)) for host, file in proxy_logins),
    )
    if offers:
        _say_offers(target, targets, keys, access, log_format)
        return
    request = Request(
        srpm=srpm,
        spec=spec,
        sources=sources,
        options=edge.build_options(with_, without, define, requires),
        target=target,
        targets=targets,
        keys=keys,
        access=access,
        output=output,
        cache=cache,
        scratch=scratch,
        timeout=timeout,
        inputs=given,
        expected=dict(expect),
    )
    edge.run("resolver", output, log_format, lambda progress, report: resolve(request, progress, report))


def _say_offers(target: str, targets: Path, keys: Path, access: Given, log_format: str) -> None:
    progress = Progress(stage="resolver", log_format=log_format)
    try:
        click.echo(offers_now.line(offers_now.now(target, targets, keys, access, progress)))
    except HermeticError as error:
        edge.show(progress, error)
        sys.exit(error.exit_code)


@click.command()
@click.option(MOCK_CONFIG, "names", multiple=True, metavar="NAME", help="Name of a chroot; `all` for every one.")
@click.option(
    "--mock-config-dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/etc/mock"),
    show_default=True,
    help="Directory of configurations.",
)
def mock_config_command(names: tuple[str, ...], directory: Path) -> None:
    """Evaluate Mock's configurations, which are programs, and print what they set, a line of JSON each.

    Run it in a container without a network that sees nothing but the directory.
    """
    from stages.resolver import mock_config  # noqa: PLC0415 - Jinja is loaded where it is needed

    for line in mock_config.lines(directory, mock_config.chroots(directory) if names == ("all",) else names):
        click.echo(line)


def main() -> None:
    """The entry point of the image."""
    if any(argument.partition("=")[0] == MOCK_CONFIG for argument in sys.argv[1:]):
        mock_config_command()
    preflight.command_line("resolver", command, network=True)


if __name__ == "__main__":
    main()
