"""``hermetic-build``: the command line of the builder."""

from __future__ import annotations

from pathlib import Path

import click

from hermetic_rpm import edge
from hermetic_rpm.inputs import Input
from hermetic_rpm.preflight import command as preflight
from stages.builder.build import Request, build


@click.command(
    context_settings={"max_content_width": 100},
    epilog="With --preflight alone it says what the host allows, and which setting to change.",
)
@click.option("--srpm", type=click.Path(path_type=Path), required=True, help="The source RPM that was resolved.")
@click.option(
    "--lockfile",
    type=click.Path(path_type=Path),
    default=Path("/lock/buildroot_lock.json"),
    show_default=True,
    help="The lockfile; its sidecar lies beside it.",
)
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path("/repo"),
    show_default=True,
    help="The offline repository that the fetcher made.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("/results"),
    show_default=True,
    help="Directory for RPMs and logs.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path),
    default=Path("/work"),
    show_default=True,
    help="Directory for the bootstrap and the buildroot; emptied at the end.",
)
@click.option("--require-no-network", is_flag=True, help="Refuse to start where any interface but lo exists.")
@click.option(
    "--allow-other-srpm", is_flag=True, help="Build a source RPM that is not the resolved one; result.json records it."
)
@click.option("--timeout", type=click.IntRange(min=1), default=None, help="Seconds that rpm, then rpmbuild may take.")
@click.option(
    "--createrepo", type=click.BOOL, is_flag=False, flag_value=True, default=False, metavar="[yes|no]",
    help="Make repodata/, so that dnf installs from the results.  [alone: yes]",
)  # fmt: skip
@edge.input_option
@edge.common_options
def command(
    srpm: Path, lockfile: Path, repository: Path, output: Path, scratch: Path, require_no_network: bool,
    allow_other_srpm: bool, timeout: int | None, createrepo: bool, given: tuple[Input, ...],
    expect: tuple[tuple[str, str], ...], log_format: str,
) -> None:  # fmt: skip
    """Build binary RPMs from a lockfile and its offline repository, without a network."""
    request = Request(
        srpm=srpm, lockfile=lockfile, repository=repository, output=output, scratch=scratch,
        require_no_network=require_no_network, allow_other_srpm=allow_other_srpm, timeout=timeout,
        createrepo=createrepo, inputs=given, expected=dict(expect),
    )  # fmt: skip
    edge.run("builder", output, log_format, lambda progress, report: build(request, progress, report))


def main() -> None:
    """The entry point of the image."""
    preflight.command_line("builder", command, network=False)


if __name__ == "__main__":
    main()
