"""``lock import``: from Hermeto's ``rpms.lock.yaml``, the RPMs it fetched and a target to a lock of ours."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import LockInvalid, OutputRefused, TargetInvalid, TargetUnsupported
from hermetic_rpm.files import writing_errors
from hermetic_rpm.image import copy
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import assemble, check
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.sidecar import KEYS_DIRECTORY, SIDECAR_NAME
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import hermeto, prefetched
from hermetic_rpm.target import keys, load, support
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Target

TARGETS = Path("targets")
LOCATION = re.compile(r"(docker://|(oci|dir|oci-archive|docker-archive):/)[!-~]+")
"""What the lock may record: it is read elsewhere, where a relative path would mean something else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is to be imported; ``image`` is a skopeo reference in place of the target's locations."""

    path: Path
    rpms: Path
    target: str
    srpm: Path
    image: str | None
    output: Path


def make_lock(request: Request, voice: Progress) -> Lock:
    """Write lockfile, sidecar and keys into the output directory; returns the lock, checked as a whole."""
    target = _target(request)
    entries = hermeto.parse(read_bytes(request.path, LockInvalid), str(request.path), target.architecture)
    srpm = assemble.locked_srpm(request.srpm)
    _prepare(request.output)
    with tempfile.TemporaryDirectory(dir=request.output, prefix=".incomplete-") as scratch:
        found_keys = keys.collect(target)
        voice.say(f"{len(entries)} packages, to be found below {request.rpms}")
        packages = prefetched.packages(entries, request.rpms, target, _written(found_keys, Path(scratch)))
        image = _image(target, Path(scratch, "image"), voice)
    documents = assemble.documents(
        target=target, image=image, keys=found_keys, srpm=srpm, rows=tuple(package.row for package in packages),
        origins=tuple(package.source for package in packages),
    )  # fmt: skip
    assemble.write(request.output, documents, found_keys)
    return check.check(request.output / LOCKFILE_NAME)


def _target(request: Request) -> Target:
    target = load.load(load.find(request.target, TARGETS))
    support.require(target)
    if names := [repository.id for repository in target.every_repository if not repository.baseurl]:
        raise TargetUnsupported(
            f"The target {target.name} names no baseurl for {', '.join(names)}, and an import asks no list of mirrors.",
            solution="Name the base URLs that stand in the addresses of Hermeto's lockfile, if you trust them.",
        )
    if request.image is None:
        return target
    if LOCATION.fullmatch(request.image) is None:
        raise TargetInvalid(
            f"{request.image!r} is no place of an image.",
            solution="Say it as skopeo does: docker://registry.example.com/image:tag, or oci:/absolute/path:tag.",
        )
    return replace(target, image_locations=(request.image,))


def _prepare(output: Path) -> None:
    try:
        with writing_errors(output):
            output.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputRefused(f"{output} cannot be made: a file is in its place.") from error
    there = [name for name in (LOCKFILE_NAME, SIDECAR_NAME, KEYS_DIRECTORY) if (output / name).exists()]
    if there:
        raise OutputRefused(f"{output} holds {', '.join(there)} already.", solution="Name another directory.")


def _written(found: tuple[Key, ...], directory: Path) -> tuple[Path, ...]:
    """The keys as files, for whoever verifies with them."""
    paths = tuple(directory / key.name for key in found)
    for key, path in zip(found, paths, strict=True):
        path.write_bytes(key.content)
    return paths


def _image(target: Target, directory: Path, voice: Progress) -> Image:
    """The target's image, every byte of it read once for its identity."""
    voice.say(f"bootstrap image {target.image_reference}")
    architecture = copy.GO_ARCHITECTURES.get(target.architecture, target.architecture)
    return copy.copy_first(target.image_locations, directory, architecture=architecture, say=voice.warn)
