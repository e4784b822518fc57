"""``run --mock-config``: a target made of a configuration of Mock, in the workspace, where it stays beside the lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hermetic_rpm.errors import PipelineInvalid
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import parameters, target_import
from hermetic_rpm.runner.pipeline import Pipeline

TARGET, TARGETS, WORKSPACE = "target", "targets", "workspace"
"""The parameters that a pipeline needs for it; the last is the directory in which the first two lie then."""

DIRECTORY = "targets"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--mock-config NAME`` and ``--mock-config-dir DIR``."""
    directory = click.option(
        "--mock-config-dir", type=click.Path(path_type=Path), default=Path("/etc/mock"), show_default=True,
        metavar="DIR", help="Where Mock's configurations are.",
    )  # fmt: skip
    name = click.option(
        "--mock-config", default=None, metavar="NAME",
        help="Instead of -p target=…: build for this chroot of Mock, for instance fedora-rawhide-x86_64.",
    )  # fmt: skip
    return name(directory(command))


def assignments(
    pipeline: Pipeline, name: str, directory: Path, given: tuple[str, ...], voice: Progress
) -> tuple[str, ...]:  # fmt: skip
    """The parameters that name the target once it is made; raises `MockConfigUnusable` or `PipelineInvalid`."""
    wanted = parameters.parse_assignments(given)
    declared = {parameter.name for parameter in pipeline.parameters}
    if missing := [parameter for parameter in (TARGET, TARGETS, WORKSPACE) if parameter not in declared]:
        raise PipelineInvalid(f"--mock-config needs a pipeline with the parameter {missing[0]}.")
    if both := [parameter for parameter in (TARGET, TARGETS) if parameter in wanted]:
        raise PipelineInvalid(
            f"--mock-config and -p {both[0]}=… exclude each other.", solution="Say once what to build for."
        )
    workspace = parameters.resolve(pipeline, wanted, cwd=Path.cwd(), log_format="human")[WORKSPACE]
    place = Path(workspace, DIRECTORY)
    _write(place, name, target_import.made(pipeline, directory, name, voice))
    return (f"{TARGET}={name}", f"{TARGETS}={place}")


def _write(place: Path, name: str, content: bytes) -> None:
    with writing_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / f"{name}.yaml", content)
