"""The programs of npm that tests use, in ``build/node``, where this host has npm and Node.js 20 or newer."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import sha256_of, write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths

DECLARED = paths.ROOT / "tests" / "node"
INSTALLED = paths.BUILD / "node"
OLDEST = 20


def have(say: Callable[[str], None]) -> None:
    """Install them by the hashes of their lockfile, in seconds; without npm or its registry tests are skipped."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return
    version = run(("node", "--version"), env=host_environment()).stdout.strip().removeprefix("v").partition(".")[0]
    state = sha256_of(DECLARED / "package-lock.json")
    stamp = INSTALLED / "hermetic-rpm.sha256"
    if int(version) < OLDEST or (stamp.is_file() and stamp.read_text().strip() == state):
        return
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(DECLARED / name, INSTALLED / name)
    say("installing the programs of npm that tests use")
    try:
        run(("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), env=host_environment(), cwd=INSTALLED)
    except CommandFailed:
        say("npm cannot install them: the tests that use them are skipped")
        return
    write_atomically(stamp, state + "\n")
