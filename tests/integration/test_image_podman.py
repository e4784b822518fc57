"""The image's identity as we compute it from its files, and as podman shows it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from hermetic_rpm.image import manifest
from tests.support import fetching, images

COMPUTED = pytest.mark.promise("2.4", "the image's digest is the one that Mock computes from podman")


def as_mock_does(shown: dict[str, object]) -> str:
    """Mock's formula over `podman image inspect`."""
    data = {"RootFS": shown["RootFS"], "Config": shown["Config"]}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def inspected(podman: tuple[str, ...], image: str) -> dict[str, object]:
    done = subprocess.run((*podman, "image", "inspect", image), check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout)[0]
    return found


@COMPUTED
@pytest.mark.parametrize("name", ["dnf5", "dnf4"])
def test_the_identity_of_a_bootstrap_image_is_what_podman_says(
    demo: Path, own_podman: tuple[str, ...], demo_images: dict[str, str], tmp_path: Path, name: str
) -> None:
    image = fetching.copied(f"oci:{demo / 'images' / name}:latest", tmp_path / "image")
    manifest.verify_layers(image)
    shown = inspected(own_podman, demo_images[name])
    assert image.identity.image_digest == as_mock_does(shown)
    assert image.identity.id == shown["Id"]
    assert image.identity.architecture == shown["Architecture"]
    assert image.identity.pull_digest == shown["Digest"]


@COMPUTED
def test_settings_and_labels_of_all_kinds_count_as_podman_shows_them(
    own_podman: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = images.SETTINGS | {
        "config": {
            "User": "1000:1000", "ExposedPorts": {"80/tcp": {}}, "Env": ["PATH=/bin", "X=\u00e4 <&>"],
            "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["id"], "Volumes": {"/data": {}}, "WorkingDir": "/w",
            "Labels": {"b": "2", "a": "\u2713"}, "StopSignal": "SIGTERM",
        }
    }  # fmt: skip
    monkeypatch.setattr(images, "SETTINGS", settings)
    layout = images.oci_layout(tmp_path / "oci", {"etc/os-release": b"NAME=x\n"})
    image = fetching.copied(f"oci:{layout}:latest", tmp_path / "image")
    done = subprocess.run(
        (*own_podman, "pull", "-q", f"oci:{layout}:latest"), check=True, capture_output=True, text=True
    )
    assert image.identity.image_digest == as_mock_does(inspected(own_podman, done.stdout.split()[-1]))
