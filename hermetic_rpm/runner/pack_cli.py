"""``hermetic-rpm pack`` and ``unpack``: a build as one archive, to carry it to another machine or time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from hermetic_rpm import files, inputs
from hermetic_rpm.archive import artifact, contents, images, read, write
from hermetic_rpm.archive.index import IMAGES, LOCK, REPOSITORY, SRPM, Index
from hermetic_rpm.errors import ArchiveUnavailable, StageFailed
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import outcome, place
from hermetic_rpm.runner import pipeline as pipeline_file
from hermetic_rpm.runner.common_options import FILE, pipeline_option
from hermetic_rpm.runner.pipeline import RESOLVER
from hermetic_rpm.units import size

STDIN = "-"


class Location(click.ParamType[str]):
    """A place for an artifact, as skopeo names it."""

    name = "location"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is no such name before anything is packed."""
        if not artifact.is_location(value):
            self.fail(f"{value!r} begins with none of {', '.join(artifact.TRANSPORTS)}", param, ctx)
        return value


@click.command()
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--srpm", type=FILE, required=True, metavar="FILE", help="The source RPM that was resolved.")
@click.option(
    "--workspace", type=click.Path(path_type=Path), default=Path("build/workspace"), show_default=True,
    metavar="DIR", help="The workspace, with the lock in lock/ and the offline repository in repo/.",
)  # fmt: skip
@pipeline_option("The pipeline file, which is packed too and names the images of the stages.")
@click.option("--without-images", is_flag=True, help="Leave the images of the stages out.")
@click.option("--push", type=Location(), metavar="docker://NAME:TAG", help="Copy the archive to a registry, too.")
@click.pass_obj
def pack(
    voice: Progress, archive: Path, srpm: Path, workspace: Path, path: Path, push: str | None, *,
    without_images: bool,
) -> None:  # fmt: skip
    """Write lock, keys, offline repository, source RPM and stage images as ARCHIVE.

    Everything is first held against the lock.  The same inputs give the same bytes.
    """
    stages = pipeline_file.load(path).stages
    lock = contents.check(workspace, srpm)
    voice.say(f"{workspace} is what its lock says: {len(lock.every_package)} packages")
    for role, sha256 in _further_inputs(workspace / LOCK):
        voice.warn(f"the {role} with sha256 {sha256} is not packed: carry that directory yourself")
    with place.scratch(archive) as scratch:
        saved = () if without_images else images.save(tuple((s.name, s.image) for s in stages), scratch, voice.say)
        layout = scratch / IMAGES if saved else None
        sources = contents.sources(workspace, lock, srpm=srpm, pipeline=path, images=layout)
        index = contents.describe(sources, lock, saved)
        with files.atomic_writer(archive) as stream:
            write.write(stream, index, sources)
        voice.say(f"packed {archive}: {size(archive.stat().st_size)}, sha256 {files.sha256_of(archive)}")
        click.echo(str(archive))
        if push is not None:
            title = f"{index.srpm.removesuffix('.src.rpm')}.hermetic-rpm.tar"
            click.echo(artifact.push(archive, push, title=title, scratch=scratch))


@click.command()
@click.argument("archive", metavar="ARCHIVE")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--load-images", is_flag=True, help="Load the images of the stages into podman under their names.")
@click.pass_obj
def unpack(voice: Progress, archive: str, directory: Path, *, load_images: bool) -> None:
    """Check ARCHIVE and make DIRECTORY, a workspace, of it.

    ARCHIVE is a file, - for standard input, or an artifact such as docker://NAME@sha256:….
    DIRECTORY must not exist or be empty; it appears when everything was verified.
    """
    place.refuse_taken(directory)
    with place.scratch(directory) as scratch:
        index, lock = extract(archive, scratch, scratch / "workspace")
        place.rename(scratch / "workspace", directory)
    if load_images:
        if not index.images:
            voice.warn(f"{archive} was packed without images")
        images.load(index.images, directory, voice.say)
    voice.say(_summary(index, directory, len(lock.every_package)))
    click.echo(str(directory))


def extract(archive: str, scratch: Path, workspace: Path) -> tuple[Index, Lock]:
    """Make the workspace that an archive holds, every byte of it checked; returns its index and its lock."""
    workspace.mkdir()
    with _opened(archive, scratch) as stream:
        index = read.extract(stream, workspace)
    lock = contents.check(workspace, workspace / SRPM / index.srpm)
    images.check(index.images, workspace)
    _open_modes(workspace)
    return index, lock


@contextlib.contextmanager
def _opened(archive: str, scratch: Path) -> Iterator[IO[bytes]]:
    if archive == STDIN:
        yield sys.stdin.buffer
        return
    path = artifact.pull(archive, scratch) if artifact.is_location(archive) else Path(archive)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ArchiveUnavailable(f"{archive} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream


def _further_inputs(directory: Path) -> tuple[tuple[str, str], ...]:
    """The further inputs (role, sha256) of the resolver that made a lock, as far as it left a result."""
    with contextlib.suppress(StageFailed):
        result = outcome.read_result(directory, stage=RESOLVER, kind=RESOLVER) or {"inputs": {}}
        return tuple(item for item in sorted(result["inputs"].items()) if inputs.is_role(item[0]))
    return ()


def _open_modes(directory: Path) -> None:
    """The modes of a workspace that anybody may read, whatever the caller's umask."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _summary(index: Index, directory: Path, packages: int) -> str:
    loaded = f", {len(index.images)} stage images" if index.images else ""
    return (
        f"unpacked {directory}, packed by {index.tool_version}: {packages} packages in {REPOSITORY}/, "
        f"their lock in {LOCK}/, {index.srpm} in {SRPM}/{loaded}"
    )
