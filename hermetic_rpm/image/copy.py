"""Images from a registry, an OCI layout or a directory into skopeo's ``dir:`` layout."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed, ImageUnavailable
from hermetic_rpm.image import cached, manifest

GO_ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "i686": "386", "i386": "386",
    "armv7hl": "arm", "riscv64": "riscv64",
}  # fmt: skip
"""OCI's name for an RPM architecture."""

DOCKER = "docker://"
PINNED = re.compile(r"@(sha256:[0-9a-f]{64})$")
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
    cache: Path | None = None,
) -> manifest.Image:
    """Copy from the first location that answers into ``destination`` (made anew), read it, hash its layers.

    ``authfile`` has logins for registries as podman writes them, ``ca_bundle`` whom to trust.
    What a registry gave is kept in ``cache``, and taken from there when the registry (or the
    location itself) names the same manifest again.

    Raises `ImageUnavailable` naming every location and what it answered, and `ImageInvalid`.
    """
    answers: list[str] = []
    environment = process.host_environment(**({} if ca_bundle is None else {"SSL_CERT_FILE": str(ca_bundle)}))
    for location in locations:
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
        kept = cache if location.startswith(DOCKER) else None
        try:
            digest = _offered(location, architecture, authfile, environment) if kept else None
            if kept and digest and (found := cached.take(kept, digest, destination)):
                return found
            process.run(
                copy_command(location, destination, architecture=architecture, authfile=authfile), env=environment
            )  # fmt: skip
        except CommandFailed as error:
            answers.append(f"  {location}: {error.log_tail[-1] if error.log_tail else error.reason}")
            say(f"{location} does not give the image")
            continue
        image = manifest.read(destination)
        manifest.verify_layers(image)
        if kept:
            cached.keep(kept, image)
        return image
    raise ImageUnavailable("\n".join(("The bootstrap image can be had from none of its locations:", *answers)))


def _offered(location: str, architecture: str, authfile: Path | None, environment: Mapping[str, str]) -> str | None:
    """The digest of the manifest that a registry has for an OCI architecture now; None if it is not clear.

    A location that is pinned is believed without asking.  Raises `CommandFailed`.
    """
    if pinned := PINNED.search(location):
        return pinned[1]
    login = () if authfile is None else (f"--authfile={authfile}",)
    content = process.run(
        ("skopeo", "inspect", "--raw", "--retry-times=3", *login, "--", location), env=environment
    ).stdout  # fmt: skip
    return instance(content, architecture)


def instance(content: str, architecture: str) -> str | None:
    """The digest of a manifest, or of the one that an index names for an OCI architecture of Linux."""
    try:
        data = json.loads(content)
        if "manifests" not in data:
            return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        wanted = {"os": "linux", "architecture": architecture}
        found = [one["digest"] for one in data["manifests"] if wanted.items() <= one.get("platform", {}).items()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    digest = found[0] if len(found) == 1 else None
    return digest if isinstance(digest, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else None
