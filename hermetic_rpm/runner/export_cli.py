"""``hermetic-rpm export``: the pipeline file for other systems; ``images push``: the stages' images in a registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hermetic_rpm import process
from hermetic_rpm.document import yaml_text
from hermetic_rpm.errors import CommandFailed, ResultsUnusable, StageImageMissing
from hermetic_rpm.export import github, kubernetes, pins, summary, tekton, tekton_task
from hermetic_rpm.export.model import Export, fixed
from hermetic_rpm.files import sha256_of, write_atomically, writing_errors
from hermetic_rpm.image.copy import DOCKER, by_digest, skopeo_copy
from hermetic_rpm.progress import HUMAN, Progress
from hermetic_rpm.runner import outcome, parameters, place
from hermetic_rpm.runner.common_options import pipeline_option
from hermetic_rpm.runner.export_plan import make_export
from hermetic_rpm.runner.pipeline import BUILDER, load

_PINS = Path("pins.yaml")
_COMMON = (
    pipeline_option(),
    click.option(
        "-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE",
        help="A parameter that the pipeline file declares; a run there can set it again.",
    ),
    click.option(
        "--pins", "pins_file", type=click.Path(path_type=Path), default=None, metavar="FILE",
        help="The digests of the images, as `hermetic-rpm images push` writes them.",
    ),
    click.option("--allow-tags", is_flag=True, help="Take images that are not pinned by digest."),
    click.option(
        "--output", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
        help="Where the files go; others of these names are replaced.",
    ),
)  # fmt: skip
_KUBERNETES = (
    click.option(
        "--name", default="hermetic-rpm", show_default=True, metavar="NAME",
        help="What the names of all objects begin with.",
    ),
    click.option(
        "--claim", default="hermetic-rpm", show_default=True, metavar="NAME",
        help="The PersistentVolumeClaim that holds the volumes.",
    ),
    click.option(
        "--seccomp", metavar="FILE", default="seccomp.json", show_default=True,
        help="Where the nodes have containers/seccomp.json, below the kubelet's directory seccomp/.",
    ),
    click.option("--apparmor-unconfined", is_flag=True, help="For nodes with AppArmor, which refuses every mount."),
)  # fmt: skip


def _with(*options: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Any]:
    def decorate(function: Callable[..., None]) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group()
def export() -> None:
    """Write the pipeline for Tekton, Kubernetes or GitHub Actions."""


@export.command("tekton")
@_with(*_COMMON, *_KUBERNETES)
@click.option("--retries", type=click.IntRange(min=0), default=0, help="How often resolver and fetcher try again.")
@click.option(
    "--hand-off",
    default="",
    metavar="REPOSITORY",
    help="Hand on what a stage made as an OCI artifact in this repository of a registry, not by a shared volume.",
)
@click.option(
    "--architecture",
    "architectures",
    type=(str, str, click.Path(path_type=Path)),
    multiple=True,
    metavar="ARCH TARGET PINS",
    help="Build TARGET on nodes of ARCH (amd64, arm64, …), by the images of the file PINS; may be given many times.",
)
def tekton_command(
    path: Path, assignments: tuple[str, ...], pins_file: Path | None, output: Path, *, allow_tags: bool,
    hand_off: str, architectures: tuple[tuple[str, str, Path], ...], **options: Any,
) -> None:  # fmt: skip
    """Write Tasks, a Pipeline, an example PipelineRun and a NetworkPolicy."""
    if architectures:
        if pins_file is not None or len({name for name, _, _ in architectures}) != len(architectures):
            raise click.UsageError("Name each --architecture once, with the pins of its images, and no other --pins.")
        rows = tuple(_row(path, assignments, *one, allow_tags=allow_tags) for one in architectures)
    else:
        rows = (tekton.Row(export=_export(path, assignments, pins_file, allow_tags=allow_tags)),)
    told = tekton_task.Options(hand_off=pins.place(hand_off) if hand_off else "", **options)
    _write(output, _yaml(tekton.documents(rows, told)))


@export.command("kubernetes")
@_with(*_COMMON, *_KUBERNETES)
@click.option(
    "--kind", type=click.Choice(("Job", "Pod")), default="Job", show_default=True, help="What runs each stage."
)
@click.option("--host-path", is_flag=True, help="Mount the directories of this host instead of the claim's.")
def kubernetes_command(
    path: Path, assignments: tuple[str, ...], pins_file: Path | None, output: Path, *, allow_tags: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Write a Job or a Pod for each stage, to be run one after another, and a NetworkPolicy."""
    made = _export(path, assignments, pins_file, allow_tags=allow_tags)
    _write(output, _yaml(kubernetes.documents(made, kubernetes.Options(**options))))


@export.command("github")
@_with(*_COMMON)
def github_command(
    path: Path, assignments: tuple[str, ...], pins_file: Path | None, output: Path, *, allow_tags: bool
) -> None:
    """Write a workflow of GitHub Actions that runs each stage by `podman run`."""
    pipeline = load(path)
    made = _export(path, assignments, pins_file, allow_tags=allow_tags)
    _write(output, {"hermetic-rpm.yml": yaml_text(github.workflow(made, root=str(pipeline.directory)))})


@export.command("summary")
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
def summary_command(results: Path) -> None:
    """Print what was built, in Markdown, for the summary of a job."""
    result = outcome.read_result(results, stage=BUILDER, kind=BUILDER)
    if result is None:
        raise ResultsUnusable(f"{results} has no result.json.")
    click.echo(summary.markdown(result), nl=False)


def _export(path: Path, assignments: tuple[str, ...], pins_file: Path | None, *, allow_tags: bool) -> Export:
    pipeline = load(path)
    given = parameters.parse_assignments(assignments)
    values = parameters.resolve(pipeline, given, cwd=Path.cwd(), log_format=HUMAN)
    made = make_export(pipeline, values, sha256=sha256_of, exists=Path.exists)
    return pins.pinned(made, {} if pins_file is None else pins.load(pins_file), allow_tags=allow_tags)


def _row(
    path: Path, assignments: tuple[str, ...], architecture: str, target: str, pins_file: Path, *, allow_tags: bool
) -> tekton.Row:
    """The pipeline for a target, which a run there cannot set again, with images for its architecture."""
    made = _export(path, (*assignments, f"target={target}"), pins_file, allow_tags=allow_tags)
    return tekton.Row(architecture=architecture, export=fixed(made, "target"))


def _yaml(documents: Mapping[str, tuple[dict[str, Any], ...]]) -> dict[str, str]:
    return {name: "".join(yaml_text(document) for document in every) for name, every in documents.items()}


def _write(directory: Path, texts: Mapping[str, str]) -> None:
    with writing_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(directory / name, text)
            click.echo(str(directory / name))


@click.group()
def images() -> None:
    """The images of the stages elsewhere than on this host."""


@images.command("push")
@click.argument("registry")
@pipeline_option()
@click.option(
    "--output", type=click.Path(path_type=Path), default=_PINS, show_default=True, metavar="FILE",
    help="Where the pins go.",
)  # fmt: skip
@click.option("--tag", metavar="TAG", default="latest", show_default=True, help="The tag in the registry.")
@click.pass_obj
def push(voice: Progress, registry: str, path: Path, output: Path, tag: str) -> None:
    """Copy the images of the stages to REGISTRY, such as registry.example.com/group, and write their digests."""
    wanted = tuple(dict.fromkeys(stage.image for stage in load(path).stages))
    found: dict[str, str] = {}
    with place.scratch(output) as scratch:
        for image, name in pins.destinations(wanted, registry).items():
            found[image] = _push(image, f"{DOCKER}{name}:{tag}", scratch / "digest").removeprefix(DOCKER)
            voice.say(f"{image} is {found[image]}")
    write_atomically(output, pins.render(found))
    click.echo(str(output))


def _push(image: str, location: str, digest: Path) -> str:
    command = skopeo_copy(f"containers-storage:{image}", location, f"--digestfile={digest}", "--retry-times=3")
    try:
        process.run(command, env=process.host_environment())
    except CommandFailed as error:
        raise StageImageMissing(
            f"{image} cannot be copied to {location}.",
            solution="skopeo's own words are above.",
            log_tail=error.log_tail,
        ) from error
    return by_digest(location, digest.read_text().strip())
