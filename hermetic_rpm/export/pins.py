"""Pins: for each image of the pipeline file the same image in a registry, by digest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hermetic_rpm.document import checked, parse_yaml, read_bytes, yaml_text
from hermetic_rpm.errors import ExportRefused, PinMissing
from hermetic_rpm.export.model import Export

_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


def load(path: Path) -> dict[str, str]:
    """The pins in a file; raises `PinMissing` with every mistake and its place."""
    document = parse_yaml(read_bytes(path, PinMissing), str(path), PinMissing)
    pins: dict[str, str] = checked(document, "pins", PinMissing)["images"]
    return pins


def render(pins: Mapping[str, str]) -> str:
    """The file that `load` reads."""
    return yaml_text({"version": 1, "images": dict(sorted(pins.items()))})


def pinned(export: Export, pins: Mapping[str, str], *, allow_tags: bool) -> Export:
    """The same pipeline with each image by digest; raises `PinMissing` for those that have none."""
    missing = [s.image for s in export.stages if s.image not in pins and "@sha256:" not in s.image]
    if missing and not allow_tags:
        raise PinMissing(f"No digest is known of {', '.join(dict.fromkeys(missing))}.")
    stages = tuple(replace(stage, image=pins.get(stage.image, stage.image)) for stage in export.stages)
    return replace(export, stages=stages)


def destinations(images: tuple[str, ...], registry: str) -> dict[str, str]:
    """Where in a registry each image goes, without a tag; raises `ExportRefused`."""
    found = {image: f"{place(registry)}/{_last_part(image)}" for image in images}
    if len(set(found.values())) != len(found):
        raise ExportRefused(
            "Two images of the pipeline file have the same name.", solution="Push them yourself, and write the pins."
        )
    return found


def place(registry: str) -> str:
    """``registry`` if it is a host, perhaps with a path; else `ExportRefused`."""
    if _REGISTRY.fullmatch(registry) is None:
        raise ExportRefused(
            f"{registry!r} is no place in a registry.", solution="Name one like registry.example.com/group."
        )
    return registry


def _last_part(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
