"""The virtual environments: ``.venv`` with this project on top, and the one of the documentation's generator."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths

INPUTS = (paths.DEV_REQUIREMENTS, paths.ROOT / "pyproject.toml")


def wanted(place: Path = paths.VENV, inputs: tuple[Path, ...] = INPUTS) -> str:
    """What decides an environment: the interpreter, the place, and ``inputs`` such as pinned requirements."""
    digest = hashlib.sha256(f"{sys.version}\0{place}\0".encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def have(say: Callable[[str], None]) -> None:
    """Make ``.venv``, or bring it up to date; nothing happens while its inputs stay the same."""
    _have(paths.VENV, INPUTS, say, project=True)


def have_for_docs(say: Callable[[str], None]) -> None:
    """The same for the generator of the documentation, which nothing else needs."""
    _have(paths.DOCS_VENV, (paths.DOCS_REQUIREMENTS,), say, project=False)


def _have(place: Path, inputs: tuple[Path, ...], say: Callable[[str], None], *, project: bool) -> None:
    """Have the packages pinned in the first of ``inputs`` at ``place``, each by its hash."""
    stamp = place / "hermetic-rpm.sha256"
    state = wanted(place, inputs)
    if stamp.is_file() and stamp.read_text().strip() == state:
        return
    say(f"making {place}")
    environment = host_environment(PIP_DISABLE_PIP_VERSION_CHECK="1")
    if not (place / "bin" / "pip").exists():
        run((sys.executable, "-m", "venv", str(place)), env=environment)
    install = (str(place / "bin" / "python"), "-m", "pip", "--quiet", "install")
    run((*install, "--require-hashes", "--no-deps", f"--requirement={inputs[0]}"), env=environment)
    if project:
        run((*install, "--no-deps", "--no-build-isolation", "--editable", str(paths.ROOT)), env=environment)
    write_atomically(stamp, state + "\n")
