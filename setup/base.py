"""What the stage images start from: Debian's own image by digest, or the same made from the host's mirrors."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.errors import ImageUnavailable
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths
from setup.engine import environment, podman
from setup.mirrors import SUITE, Apt

OFFICIAL = "docker.io/library/debian:trixie-slim"
HOME_MADE = "localhost/hermetic-rpm/debian:trixie"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
EPOCH = "1735689600"  # 2025-01-01: the date of every file in what we make
REGISTRY_SECONDS = 20
LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/lintian/*")
KEPT = ("/usr/share/doc/*/copyright",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The image to start from: a reference podman can use, and the digest that says which one it is."""

    reference: str
    digest: str


def make_command(tarball: Path, apt: Apt) -> tuple[str, ...]:
    """The mmdebstrap command that makes the file system of a slim Debian."""
    return (
        "mmdebstrap", "--quiet", "--variant=minbase",
        *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
        *(f"--dpkgopt=path-include={path}" for path in KEPT),
        *(f"--aptopt={line}" for line in apt.configuration),
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/debconf/*-old',
        SUITE, str(tarball), *apt.sources,
    )  # fmt: skip


def find(apt: Apt, *, refresh: bool) -> Base:
    """The base named by ``HERMETIC_BASE``, else Debian's image by digest, else a home-made one.

    Which digest was pulled is recorded in ``build/images/base.digest`` and used until ``refresh``.
    """
    chosen = os.environ.get("HERMETIC_BASE", "")
    record = paths.IMAGES / "base.digest"
    recorded = "" if refresh or not record.is_file() else record.read_text().strip()
    digest = chosen.rpartition("@")[2] if chosen else recorded or _digest_of(OFFICIAL)
    if chosen and DIGEST.fullmatch(digest) is None:
        raise ImageUnavailable(f"HERMETIC_BASE={chosen} names no digest.", solution="Write it as NAME@sha256:….")
    if not digest:
        return _home_made(apt, refresh=refresh)
    if not chosen:
        write_atomically(record, digest + "\n")
    return Base(reference=chosen or f"{OFFICIAL.rpartition(':')[0]}@{digest}", digest=digest)


def _digest_of(reference: str) -> str:
    command = (
        "timeout", str(REGISTRY_SECONDS), "skopeo", "inspect", "--no-tags", "--format={{.Digest}}", f"docker://{reference}",
    )  # fmt: skip
    done = run(command, env=environment(), check=False)
    digest = done.stdout.strip()
    return digest if done.returncode == 0 and DIGEST.fullmatch(digest) else ""


def _home_made(apt: Apt, *, refresh: bool) -> Base:
    existing = podman("image", "inspect", "--format={{.Digest}}", HOME_MADE, check=False)
    if refresh or existing.returncode != 0:
        _make(apt)
        existing = podman("image", "inspect", "--format={{.Digest}}", HOME_MADE)
    return Base(reference=HOME_MADE, digest=existing.stdout.strip())


def _make(apt: Apt) -> None:
    if not apt.sources:
        raise ImageUnavailable(
            f"No registry with {OFFICIAL} can be reached, and apt knows no Debian mirror.",
            solution="Name a copy of that image with HERMETIC_BASE=NAME@sha256:…, or add a Debian mirror to apt.",
        )
    tarball = paths.IMAGES / f"{platform.machine()}.incomplete-base.tar"
    try:
        run(make_command(tarball, apt), env=host_environment(SOURCE_DATE_EPOCH=EPOCH))
        podman("import", "--quiet", '--change=CMD ["/bin/bash"]', str(tarball), HOME_MADE)
    finally:
        tarball.unlink(missing_ok=True)
