"""``python3 -m setup``: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from hermetic_rpm.errors import HermeticError
from setup import cleaning, docs, engine, images, node, packages, paths, requirements, venv


def say(message: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"setup: {message}\n")
    sys.stderr.flush()


def host(arguments: argparse.Namespace) -> None:
    """Install what is missing, make .venv, find out how podman works here."""
    del arguments
    packages.have_all(say)
    venv.have(say)
    node.have(say)
    engine.find_out(say)


def build_images(arguments: argparse.Namespace) -> None:
    """Build the base and the stage images."""
    made = images.make(paths.ROOT, refresh=arguments.refresh, say=say)
    sys.stdout.write(images.sizes(made) + "\n")


def build_docs(arguments: argparse.Namespace) -> None:
    """Make the documentation as a site."""
    del arguments
    venv.have_for_docs(say)
    sys.stdout.write(f"{docs.build(paths.SITE)}\n")


def clean(arguments: argparse.Namespace) -> None:
    """Remove build/ and the project's containers and images."""
    del arguments
    cleaning.clean()


def pin(arguments: argparse.Namespace) -> None:
    """Pin the requirements anew from pyproject.toml."""
    del arguments
    for path in requirements.compile_all():
        sys.stdout.write(f"{path.relative_to(paths.ROOT)}\n")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "host": host, "images": build_images, "docs": build_docs, "clean": clean, "requirements": pin,
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an expected failure becomes its exit code, its reason and its solution."""
    parser = argparse.ArgumentParser(prog="python3 -m setup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        if name == "images":
            command.add_argument("--refresh", action="store_true", help="make them anew, with Debian's newest packages")
    arguments = parser.parse_args(argv)
    try:
        COMMANDS[arguments.command](arguments)
    except HermeticError as error:
        sys.stderr.writelines(f"  | {line}\n" for line in error.log_tail)
        sys.stderr.write(f"setup: error: {error.reason}\n{error.solution}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
