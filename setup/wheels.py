"""The Python packages that go into the images, downloaded by the host's pip.

The host's pip knows its indexes, certificates and credentials; so the build of an image needs none of them.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths

PYTHON_OF_THE_IMAGES = "3.13"
GLIBC_OF_THE_IMAGES = 41  # trixie has glibc 2.41: wheels for it and for anything older down to 2.17 will do


def platforms(machine: str) -> tuple[str, ...]:
    """The wheel platforms that run in the images, newest first."""
    newest_first = range(GLIBC_OF_THE_IMAGES, 16, -1)
    return (*(f"manylinux_2_{minor}_{machine}" for minor in newest_first), f"manylinux2014_{machine}")


def download_command(python: Path, requirements: Path, destination: Path, machine: str) -> tuple[str, ...]:
    """The pip command that brings exactly the wheels of ``requirements``, each checked by its hash."""
    return (
        str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_OF_THE_IMAGES}",
        *(f"--platform={name}" for name in platforms(machine)),
        f"--requirement={requirements}", f"--dest={destination}",
    )  # fmt: skip


def download(stage: str, destination: Path) -> None:
    """Have the wheels of a stage in ``destination``; nothing is downloaded again while the requirements stay."""
    requirements = paths.CONTAINERS / stage / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = destination / f"{stage}.sha256"
    if stamp.is_file() and stamp.read_text().strip() == digest:
        return
    destination.mkdir(parents=True, exist_ok=True)
    python = paths.VENV / "bin" / "python"
    interpreter = python if python.exists() else Path(sys.executable)
    run(download_command(interpreter, requirements, destination, platform.machine()), env=host_environment())
    write_atomically(stamp, digest + "\n")
