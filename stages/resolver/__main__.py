"""``hermetic-resolve``: the command line of the resolver."""

from __future__ import annotations

from pathlib import Path

import click

from hermetic_rpm import edge
from hermetic_rpm.inputs import Input
from hermetic_rpm.preflight import command as preflight
from stages.resolver.resolve import Request, resolve


@click.command(
    context_settings={"max_content_width": 100},
    epilog="With --preflight alone it says what the host allows, and which setting to change.",
)
@click.option("--srpm", type=click.Path(path_type=Path), required=True, help="The source RPM.")
@click.option("--target", required=True, help="Name of a target, or path of a target file.")
@click.option(
    "--targets",
    type=click.Path(path_type=Path),
    default=Path("/targets"),
    show_default=True,
    help="Directory of target files.",
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
    help="Seconds that the spec's code may take each time it runs.",
)
@edge.input_option
@edge.common_options
def command(
    srpm: Path, target: str, targets: Path, output: Path, cache: Path | None, scratch: Path,
    timeout: int, given: tuple[Input, ...], expect: tuple[tuple[str, str], ...], log_format: str,
) -> None:  # fmt: skip
    """Find every build dependency of a source RPM and write a lockfile."""
    request = Request(
        srpm=srpm,
        target=target,
        targets=targets,
        output=output,
        cache=cache,
        scratch=scratch,
        timeout=timeout,
        inputs=given,
        expected=dict(expect),
    )
    edge.run("resolver", output, log_format, lambda progress, report: resolve(request, progress, report))


def main() -> None:
    """The entry point of the image."""
    preflight.command_line("resolver", command, network=True)


if __name__ == "__main__":
    main()
