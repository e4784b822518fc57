"""``hermetic-rpm``: the one place where errors become output and an exit status."""

from __future__ import annotations

import os
import sys

import click

from hermetic_rpm.errors import HermeticError, Interrupted
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner.cli import cli
from hermetic_rpm.runner.tell import tell


def main() -> None:
    """Run the command line and exit; a bug keeps its traceback."""
    voice = Progress(stage="hermetic-rpm")
    try:
        status = cli.main(prog_name="hermetic-rpm", obj=voice, standalone_mode=False)
        sys.stdout.flush()
    except HermeticError as error:
        tell(error, voice)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = Interrupted.exit_code
    except BrokenPipeError:
        # Nobody reads on; what Python would still flush has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
