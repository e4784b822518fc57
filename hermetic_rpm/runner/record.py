"""``run.json``: what only the runner sees of a run, above all which image each stage really was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm import __version__
from hermetic_rpm.document import checked, parse_json, read_bytes
from hermetic_rpm.errors import ResultsUnusable
from hermetic_rpm.files import canonical_json, write_atomically

RECORD_NAME = "run.json"
SCHEMA_VERSION = "1.0.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageImage:
    """An image on this machine: the name it was asked for by, its id, and the digest of its manifest here.

    The id is that of the content: the same image has it everywhere.  A registry may have another digest for it.
    """

    reference: str
    id: str
    digest: str

    def __str__(self) -> str:
        return f"{self.reference} (id {self.id}, digest {self.digest})"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """A stage that did its work: its image, and the sha256 of the ``result.json`` it left."""

    name: str
    kind: str
    image: StageImage
    result: str


def write(directory: Path, stages: tuple[StageRecord, ...]) -> None:
    """Write the record of a run that succeeded."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "stages": [asdict(stage) for stage in stages],
    }
    write_atomically(directory / RECORD_NAME, canonical_json(document))


def read(document: dict[str, Any]) -> StageRecord:
    """The record of a stage from its entry in the document; raises TypeError or KeyError for another shape."""
    return StageRecord(**{**document, "image": StageImage(**document["image"])})


def image_of(directory: Path, result: str) -> StageImage | None:
    """The image of the stage that left the ``result.json`` with that sha256; None if no record tells.

    Raises `ResultsUnusable` for a record that no runner would write.
    """
    path = directory / RECORD_NAME
    if not path.is_file():
        return None
    document = parse_json(read_bytes(path, ResultsUnusable), str(path), ResultsUnusable)
    stages = checked(document, "run", ResultsUnusable)["stages"]
    images = [StageImage(**stage["image"]) for stage in stages if stage["result"] == result]
    return images[0] if images else None
