"""``RESULTS.run.json``: what only the runner sees of a run, above all what each stage's container really was.

It lies beside the directory of the results, which a builder does not mount: into its output it
writes whatever it wants, and could as well write what nobody saw.  It is written when all stages have ended.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm import __version__
from hermetic_rpm.document import Document, checked, parse_json, read_bytes
from hermetic_rpm.errors import HermeticError, ResultsUnusable
from hermetic_rpm.files import canonical_json, write_atomically
from hermetic_rpm.runner.observed import Container, Mounted

SCHEMA_VERSION = "1.1.0"


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
    """A stage that did its work: its image, its container, and the sha256 of the ``result.json`` it left.

    ``container`` is None where none ran.
    """

    name: str
    kind: str
    image: StageImage
    result: str
    container: Container | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineUse:
    """A pipeline file by its name and sha256, and its parameters: texts as given, of files the name."""

    name: str
    sha256: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run that succeeded: its stages in order, and the pipeline file if there was one."""

    stages: tuple[StageRecord, ...]
    pipeline: PipelineUse | None = None
    tool_version: str = __version__

    def stage_of(self, result: str) -> StageRecord | None:
        """The stage that left the ``result.json`` with that sha256."""
        return next((stage for stage in self.stages if stage.result == result), None)


def place(results: Path) -> Path:
    """Where the record of the run is whose last stage wrote into ``results``."""
    results = results.absolute()
    return results.with_name(f"{results.name}.run.json")


def document(run: Run) -> dict[str, Any]:
    """The record as plain data."""
    pipeline = None if run.pipeline is None else {**asdict(run.pipeline), "parameters": dict(run.pipeline.parameters)}
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": run.tool_version,
        "pipeline": pipeline,
        "stages": [asdict(stage) for stage in run.stages],
    }


def write(results: Path, run: Run) -> None:
    """Write the record of a run that succeeded."""
    write_atomically(place(results), canonical_json(document(run)))


def read(path: Path) -> Run | None:
    """The record in a file, or None if there is none; raises `ResultsUnusable` for one that no runner would write."""
    if not path.is_file():
        return None
    return parse(parse_json(read_bytes(path, ResultsUnusable), str(path), ResultsUnusable), ResultsUnusable)


def parse(found: Document, error: type[HermeticError]) -> Run:
    """The run that a document records; raises ``error`` for one that no runner would write."""
    data = checked(found, "run", error)
    pipeline = data["pipeline"]
    return Run(
        tool_version=data["tool_version"],
        stages=tuple(stage(each) for each in data["stages"]),
        pipeline=None
        if pipeline is None
        else PipelineUse(**{**pipeline, "parameters": tuple(sorted(pipeline["parameters"].items()))}),
    )


def stage(data: dict[str, Any]) -> StageRecord:
    """The record of a stage from its entry in the document; raises TypeError or KeyError for another shape."""
    found = data["container"]
    return StageRecord(
        **{**data, "image": StageImage(**data["image"]), "container": None if found is None else _container(found)}
    )


def image_of(results: Path, result: str) -> StageImage | None:
    """The image of the stage that left the ``result.json`` with that sha256; None if no record tells."""
    run = read(place(results))
    found = None if run is None else run.stage_of(result)
    return None if found is None else found.image


def _container(data: dict[str, Any]) -> Container:
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    return Container(**{**data, **lists, "mounts": tuple(Mounted(**mount) for mount in data["mounts"])})
