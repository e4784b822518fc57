"""Real packages and images of the demo distribution for tests with real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermetic_rpm.image.manifest import Image
from tests.support import fetching, images, storage
from tests.support.fetching import Case, Room
from tests.support.server import serving


@pytest.fixture(scope="session")
def demo() -> Path:
    """The demo distribution (`make test` makes it first)."""
    if not (fetching.DEMO / "stamp").is_file():
        pytest.skip("build/demo is missing: run `make distribution`")
    return fetching.DEMO


@pytest.fixture(scope="session")
def tiny_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image in the OCI layout, tag ``latest``."""
    return images.oci_layout(tmp_path_factory.mktemp("tiny") / "oci", {"etc/os-release": b"NAME=tiny\n"})


@pytest.fixture(scope="session")
def tiny(tiny_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The same image as skopeo copies it."""
    return fetching.copied(f"oci:{tiny_layout}:latest", tmp_path_factory.mktemp("tiny-dir") / "image")


@pytest.fixture(scope="session")
def files(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A few small packages in a directory of their own, for a server."""
    served = tmp_path_factory.mktemp("served")
    return tuple(Path(shutil.copy(path, served)) for path in fetching.rpms(fetching.FEW))


@pytest.fixture
def case(tmp_path: Path, files: tuple[Path, ...], tiny: Image, tiny_layout: Path) -> Iterator[Case]:
    """A server that has these packages, and a lock of them with its sidecar."""
    with serving(files[0].parent) as server:
        made = Case(room=Room(directory=tmp_path / "work"), server=server, files=files, image=tiny, layout=tiny_layout)
        made.lock()
        yield made


@pytest.fixture(scope="session")
def own_podman() -> Iterator[tuple[str, ...]]:
    """podman with a storage of its own, gone at the end."""
    if os.geteuid() != 0 or shutil.which("podman") is None:
        pytest.skip("needs podman and root")
    with storage.own_podman() as podman:
        yield podman


@pytest.fixture(scope="session")
def demo_images(demo: Path, own_podman: tuple[str, ...]) -> dict[str, str]:
    """The ids of the demo's bootstrap images in `own_podman`, by name."""
    found = {}
    for name in ("dnf5", "dnf4"):
        command = (*own_podman, "pull", "--quiet", f"oci:{demo / 'images' / name}:latest")
        found[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    return found


@pytest.fixture(scope="session")
def demo_in_podman(own_podman: tuple[str, ...], demo_images: dict[str, str]) -> tuple[str, ...]:
    """The command that runs a program in the demo's dnf5 image; the image is its last word."""
    return (*own_podman, "run", "--rm", "--network=none", demo_images["dnf5"])
