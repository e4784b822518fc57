"""``hermetic-build``: the command line of the builder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hermetic_rpm import edge, repodata, units
from hermetic_rpm.buildroot.limits import PROCESSES, package_limits
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.inputs import Input
from hermetic_rpm.preflight import command as preflight
from hermetic_rpm.progress import Progress
from stages.builder.build import Request, build
from stages.builder.shell import ShellRequest, enter

SHELL, INDEX = "--shell", "--index"


class Memory(click.ParamType[int]):
    """A number of bytes, ``512m`` or ``4g``."""

    name = "bytes"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one number of bytes."""
        try:
            return units.memory(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    context_settings={"max_content_width": 100},
    epilog="With --preflight alone it says what the host allows, and which setting to change; "
    "with --shell as its first argument it enters the buildroot of a failed build, "
    "with --index it makes a directory of RPMs a repository.",
)
@click.option(
    "--srpm",
    type=click.Path(path_type=Path),
    help="The source RPM that was resolved.  [default: the one that the resolver made, beside the lockfile]",
)
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
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=PROCESSES,
    show_default=True,
    help="Processes and threads that package code may have at once.",
)
@click.option(
    "--process-memory",
    type=Memory(),
    default=None,
    metavar="BYTES",
    help="Private memory that each process of package code may have, such as 4g.",
)
@click.option(
    "--keep-buildroot",
    is_flag=True,
    help="Keep the buildroot of a build that fails in the scratch directory, for --shell.",
)
@edge.input_option
@edge.spec_options
@edge.common_options
def command(
    srpm: Path | None, lockfile: Path, repository: Path, output: Path, scratch: Path, require_no_network: bool,
    allow_other_srpm: bool, timeout: int | None, createrepo: bool, processes: int, process_memory: int | None,
    keep_buildroot: bool, given: tuple[Input, ...], with_: tuple[str, ...], without: tuple[str, ...],
    define: tuple[str, ...], expect: tuple[tuple[str, str], ...], log_format: str,
) -> None:  # fmt: skip
    """Build binary RPMs from a lockfile and its offline repository, without a network."""
    request = Request(
        srpm=srpm, lockfile=lockfile, repository=repository, output=output, scratch=scratch,
        require_no_network=require_no_network, allow_other_srpm=allow_other_srpm, timeout=timeout,
        createrepo=createrepo, inputs=given, expected=dict(expect),
        limits=package_limits(processes, process_memory), keep_buildroot=keep_buildroot,
        options=edge.build_options(with_, without, define),
    )  # fmt: skip
    edge.run("builder", output, log_format, lambda progress, report: build(request, progress, report))


@click.command("hermetic-build --shell", context_settings={"max_content_width": 100})
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path("/repo"),
    show_default=True,
    help="The offline repository of the build.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path),
    default=Path("/work"),
    show_default=True,
    help="The scratch directory in which --keep-buildroot left a buildroot.",
)
@click.option("--root", "as_root", is_flag=True, help="As root of the sandbox rather than as mockbuild.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell_command(repository: Path, scratch: Path, as_root: bool, command: tuple[str, ...]) -> None:
    """Enter the buildroot of a failed build, without a network; its exit status is that of COMMAND or of the shell."""
    request = ShellRequest(scratch=scratch, repository=repository, command=command, as_root=as_root)
    progress = Progress(stage="builder")
    edge.end_on_signals()
    try:
        sys.exit(enter(request, progress))
    except HermeticError as error:
        edge.show(progress, error)
        sys.exit(error.exit_code)


@click.command("hermetic-build --index")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
def index_command(directory: Path) -> None:
    """Make repodata/ of the RPMs below DIRECTORY, so that it is a repository."""
    try:
        repodata.write(directory, tuple(sorted(str(path.relative_to(directory)) for path in directory.rglob("*.rpm"))))
    except HermeticError as error:
        edge.show(Progress(stage="builder"), error)
        sys.exit(error.exit_code)


def main() -> None:
    """The entry point of the image."""
    if sys.argv[1:2] == [SHELL]:
        shell_command(sys.argv[2:])
    if sys.argv[1:2] == [INDEX]:
        index_command(sys.argv[2:])
    preflight.command_line("builder", command, network=False)


if __name__ == "__main__":
    main()
