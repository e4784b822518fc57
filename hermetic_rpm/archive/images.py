"""The images of the stages: from podman's storage into one OCI layout, and back.

Layers stay uncompressed, as podman keeps them: so the bytes do not depend on a compressor, an image
that was built here keeps its digest, and a layer that stages share is there once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermetic_rpm import process
from hermetic_rpm.archive.index import IMAGES, StageImage
from hermetic_rpm.document import parse_json, read_bytes
from hermetic_rpm.errors import ArchiveInvalid, CommandFailed, StageImageMissing
from hermetic_rpm.image.copy import UNCHANGED, skopeo_copy

REF_NAME = "org.opencontainers.image.ref.name"


def save(wanted: tuple[tuple[str, str], ...], directory: Path, say: Callable[[str], None]) -> tuple[StageImage, ...]:
    """Copy images, given as (stage, reference), from podman's storage into ``directory/images``.

    Raises `StageImageMissing`.
    """
    for stage, reference in wanted:
        try:
            _run(save_command(stage, reference), directory)
        except CommandFailed as error:
            raise StageImageMissing(
                f"The image {reference} of the {stage} cannot be had from podman's storage.", log_tail=error.log_tail
            ) from error
    digests = layout_digests(directory / IMAGES)
    for stage, reference in wanted:
        say(f"{stage}: {reference}, {digests[stage]}")
    return tuple(StageImage(stage=stage, reference=name, digest=digests[stage]) for stage, name in wanted)


def load(images: tuple[StageImage, ...], directory: Path, say: Callable[[str], None]) -> None:
    """Copy the images of ``directory/images``, checked by `check`, into podman's storage under their names.

    Raises `StageImageMissing`.
    """
    for image in images:
        command = load_command(image)
        try:
            _run(command, directory)
        except CommandFailed as error:
            raise StageImageMissing(
                f"{image.reference} cannot be put into podman's storage; it stays in {directory / IMAGES}.",
                solution=f"This command, run in {directory}, does the same:\n  {process.paste(command)}",
                log_tail=error.log_tail,
            ) from error
        say(f"{image.stage}: loaded {image.reference}, {image.digest}")


def check(images: tuple[StageImage, ...], directory: Path) -> None:
    """Hold the layout's own index against that of the archive; raises `ArchiveInvalid`."""
    layout = directory / IMAGES
    found = layout_digests(layout) if layout.exists() else {}
    if found != {image.stage: image.digest for image in images}:
        raise ArchiveInvalid(f"{IMAGES}/index.json does not name the images that the archive's index names.")


def save_command(stage: str, reference: str) -> tuple[str, ...]:
    """skopeo from podman's storage into the layout ``images`` of the current directory: pure."""
    return skopeo_copy(
        f"containers-storage:{reference}", f"oci:{IMAGES}:{stage}", "--dest-oci-accept-uncompressed-layers"
    )


def load_command(image: StageImage) -> tuple[str, ...]:
    """skopeo from that layout into podman's storage: pure."""
    return skopeo_copy(f"oci:{IMAGES}:{image.stage}", f"containers-storage:{image.reference}", *UNCHANGED)


def layout_digests(layout: Path) -> dict[str, str]:
    """The digest of each manifest in an OCI layout by its name; raises `ArchiveInvalid`."""
    path = layout / "index.json"
    data: Any = parse_json(read_bytes(path, ArchiveInvalid), str(path), ArchiveInvalid).data
    try:
        named = [(entry["annotations"][REF_NAME], entry["digest"]) for entry in data["manifests"]]
        digests = dict(named)
    except (KeyError, TypeError) as error:
        raise ArchiveInvalid(f"{path} is no index of named images.") from error
    if len(digests) != len(named):
        raise ArchiveInvalid(f"{path} names an image twice.")
    return digests


def _run(command: tuple[str, ...], directory: Path) -> None:
    process.run(command, env=process.host_environment(), cwd=directory)
