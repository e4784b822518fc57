"""Images from a registry, an OCI layout or a directory into skopeo's ``dir:`` layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed, ImageUnavailable
from hermetic_rpm.image import manifest

GO_ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "i686": "386", "i386": "386",
    "armv7hl": "arm", "riscv64": "riscv64",
}  # fmt: skip
"""OCI's name for an RPM architecture."""


def copy_command(location: str, destination: Path, *, architecture: str) -> tuple[str, ...]:
    """The skopeo command that copies the instance for an OCI architecture, bytes unchanged."""
    return (
        "skopeo", "copy", "--quiet", "--preserve-digests", "--insecure-policy",
        "--override-os", "linux", "--override-arch", architecture, "--", location, f"dir:{destination}",
    )  # fmt: skip


def by_digest(location: str, pull_digest: str) -> str:
    """The location pinned to a manifest, where its transport can say so (``docker://``)."""
    if not location.startswith("docker://"):
        return location
    reference = location.split("@", 1)[0]
    head, slash, tail = reference.rpartition("/")
    return f"{head}{slash}{tail.split(':', 1)[0]}@{pull_digest}"


def copy_first(
    locations: tuple[str, ...], destination: Path, *, architecture: str, say: Callable[[str], None]
) -> manifest.Image:
    """Copy from the first location that answers into ``destination`` (made anew), and read it.

    Raises `ImageUnavailable` naming every location and what it answered.
    """
    answers: list[str] = []
    for location in locations:
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
        try:
            process.run(copy_command(location, destination, architecture=architecture), env=process.host_environment())
        except CommandFailed as error:
            answers.append(f"  {location}: {error.log_tail[-1] if error.log_tail else error.reason}")
            say(f"{location} does not give the image")
            continue
        return manifest.read(destination)
    raise ImageUnavailable("\n".join(("The bootstrap image can be had from none of its locations:", *answers)))
