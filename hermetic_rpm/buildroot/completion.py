"""Completing a bootstrap image that is not ready: its own rpm installs packages that were verified before.

The resolver does it with what it chose, the builder with what was locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hermetic_rpm import files
from hermetic_rpm.buildroot import bootstrap, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.errors import BootstrapIncomplete
from hermetic_rpm.lock import lockfile
from hermetic_rpm.lock.lockfile import InstalledRow

PACKAGES = "/hermetic-rpm-packages"


def command(names: Sequence[str]) -> tuple[str, ...]:
    """One rpm transaction on the bootstrap itself: pure.

    ``-U``, since the packages may replace some of the image; no signatures or digests, since the
    caller verified every file.
    """
    return (
        "rpm", "--upgrade", "--oldpackage", "--nosignature", "--nodigest", "--",
        *(f"{PACKAGES}/{name}" for name in names),
    )  # fmt: skip


def complete(
    boot: Bootstrap, directory: Path, names: Sequence[str], *, timeout: int | None = None
) -> tuple[InstalledRow, ...]:
    """Install the files ``names`` of ``directory`` into the bootstrap, without a network; returns what is new in it.

    Raises `BootstrapIncomplete`, `DiskFull`, or `BuildTimeout` after ``timeout`` seconds.
    """
    before = frozenset(_installed(boot))
    packages = sandbox.bind(directory, PACKAGES, read_only=True)
    room = bootstrap.room(boot, writable=True, mounts=(packages,), timeout=timeout)
    outcome = bootstrap.run(boot, room, command(names))
    if outcome.returncode != 0:
        files.check_space(boot.root, outcome.tail)
        raise BootstrapIncomplete(
            "The image's rpm cannot install what the image lacks.", log_tail=outcome.tail,
            solution="Read its output above; perhaps image and repositories are of different releases.",
        )  # fmt: skip
    return tuple(row for row in _installed(boot) if row not in before)


def _installed(boot: Bootstrap) -> tuple[InstalledRow, ...]:
    """The packages that the bootstrap itself consists of."""
    argv = ("rpm", "-qa", "--qf", lockfile.QUERY_FORMAT)
    return lockfile.installed_rows(bootstrap.query(boot, argv, writable=True))
