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

DOCKER = "docker://"
UNCHANGED = ("--preserve-digests", "--retry-times=3")
"""Options by which skopeo fails rather than change a manifest, and not at the first hiccup of a registry."""


def copy_command(
    location: str, destination: Path, *, architecture: str, authfile: Path | None = None
) -> tuple[str, ...]:  # fmt: skip
    """The skopeo command that copies the instance for an OCI architecture, bytes unchanged."""
    login = () if authfile is None else (f"--authfile={authfile}",)
    instance = ("--override-os", "linux", "--override-arch", architecture)
    return skopeo_copy(location, f"dir:{destination}", *UNCHANGED, *instance, *login)


def configuration(location: str, architecture: str) -> bytes:
    """The configuration of the image for an RPM architecture, without its layers; raises `CommandFailed`."""
    instance = ("--override-os", "linux", "--override-arch", GO_ARCHITECTURES.get(architecture, architecture))
    command = ("skopeo", *instance, "inspect", "--config", "--raw", "--retry-times=3", "--", location)
    return process.run(command, env=process.host_environment()).stdout.encode()


def skopeo_copy(source: str, destination: str, *options: str) -> tuple[str, ...]:
    """The skopeo command that copies an image between two places, as skopeo names them."""
    return ("skopeo", "copy", "--quiet", "--insecure-policy", *options, "--", source, destination)


def by_digest(location: str, pull_digest: str) -> str:
    """The location pinned to a manifest, where its transport can say so (``docker://``)."""
    if not location.startswith(DOCKER):
        return location
    reference = location.split("@", 1)[0]
    head, slash, tail = reference.rpartition("/")
    return f"{head}{slash}{tail.split(':', 1)[0]}@{pull_digest}"


def copy_first(
    locations: tuple[str, ...],
    destination: Path,
    *,
    architecture: str,
    say: Callable[[str], None],
    authfile: Path | None = None,
    ca_bundle: Path | None = None,
) -> manifest.Image:
    """Copy from the first location that answers into ``destination`` (made anew), and read it.

    ``authfile`` has logins for registries as podman writes them, ``ca_bundle`` whom to trust.

    Raises `ImageUnavailable` naming every location and what it answered.
    """
    answers: list[str] = []
    environment = process.host_environment(**({} if ca_bundle is None else {"SSL_CERT_FILE": str(ca_bundle)}))
    for location in locations:
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
        try:
            process.run(
                copy_command(location, destination, architecture=architecture, authfile=authfile), env=environment
            )  # fmt: skip
        except CommandFailed as error:
            answers.append(f"  {location}: {error.log_tail[-1] if error.log_tail else error.reason}")
            say(f"{location} does not give the image")
            continue
        return manifest.read(destination)
    raise ImageUnavailable("\n".join(("The bootstrap image can be had from none of its locations:", *answers)))
