"""The virtual environment in ``.venv``: every package by its hash, and this project on top."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths

INPUTS = (paths.DEV_REQUIREMENTS, paths.ROOT / "pyproject.toml")


def wanted() -> str:
    """What decides the environment: the interpreter, the place, the pinned requirements, the project file."""
    digest = hashlib.sha256(f"{sys.version}\0{paths.VENV}\0".encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def have(say: Callable[[str], None]) -> None:
    """Make the environment, or bring it up to date; nothing happens while its inputs stay the same."""
    stamp = paths.VENV / "hermetic-rpm.sha256"
    state = wanted()
    if stamp.is_file() and stamp.read_text().strip() == state:
        return
    say(f"making {paths.VENV}")
    environment = host_environment(PIP_DISABLE_PIP_VERSION_CHECK="1")
    python = str(paths.VENV / "bin" / "python")
    if not (paths.VENV / "bin" / "pip").exists():
        run((sys.executable, "-m", "venv", str(paths.VENV)), env=environment)
    install = (python, "-m", "pip", "--quiet", "install")
    run((*install, "--require-hashes", "--no-deps", f"--requirement={paths.DEV_REQUIREMENTS}"), env=environment)
    run((*install, "--no-deps", "--no-build-isolation", "--editable", str(paths.ROOT)), env=environment)
    write_atomically(stamp, state + "\n")
