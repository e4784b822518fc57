"""podman with a storage of its own, in which there is no image."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def own_podman(environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, ...]]:
    """The words that start it; its images are gone at the end. podman takes no long path for its run directory."""
    with tempfile.TemporaryDirectory(prefix="hr-") as place:
        podman = ("podman", "--root", f"{place}/root", "--runroot", f"{place}/run")
        try:
            yield podman
        finally:
            for command in ((*podman, "rmi", "--all", "--force"), ("umount", Path(place, "root/overlay"))):
                subprocess.run(command, env=environment, check=False, capture_output=True)
