"""Removing what this project made: its containers and their volumes, its images, ``build/``."""

from __future__ import annotations

import shutil

from setup import paths
from setup.engine import podman
from setup.images import PREFIX, RECIPE


def clean() -> None:
    """Remove our containers (with their volumes), our images and ``build/``, and nothing of anybody else's."""
    if shutil.which("podman") is not None:
        _containers()
        _images()
    if paths.BUILD.exists():
        # a build leaves directories of other users behind, which only their owner or root can enter
        shutil.rmtree(paths.BUILD)


def _containers() -> None:
    listed = podman("ps", "--all", "--format={{.ID}} {{.Image}}", check=False).stdout
    for line in listed.splitlines():
        identity, _, image = line.partition(" ")
        if image.startswith(f"{PREFIX}/"):
            podman("rm", "--force", "--volumes", identity, check=False)


def _images() -> None:
    named = podman("images", "--format={{.Repository}}:{{.Tag}}", f"--filter=reference={PREFIX}/*", check=False).stdout
    for reference in named.split():
        podman("rmi", reference, check=False)
    while nameless := podman(
        "images", "--quiet", "--no-trunc", "--filter=dangling=true", f"--filter=label={RECIPE}", check=False
    ).stdout.split():
        removed = [podman("rmi", identity, check=False).returncode == 0 for identity in set(nameless)]
        if not any(removed):
            return
