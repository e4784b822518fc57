"""The stage images: what each is made of, whether it must be made again, and the making."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import run
from setup import base, mirrors, paths, wheels
from setup.engine import podman

PREFIX = "localhost/hermetic-rpm"
RECIPE = "org.hermetic-rpm.recipe"
VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
IGNORE = "Containerfile.containerignore"
SOURCES = ("hermetic_rpm", "schemas", "stages/__init__.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image to build: its name below `PREFIX`, its Containerfile, and the files that go into it."""

    name: str
    containerfile: Path
    ignore: Path
    inputs: tuple[Path, ...]

    @property
    def reference(self) -> str:
        """The name under which podman knows the image."""
        return f"{PREFIX}/{self.name}:latest"


def stage_image(root: Path, stage: str) -> Image:
    """The image of a stage, with every file of the tree that its build can see."""
    directory = root / "containers" / stage
    roots = (directory, *(root / name for name in SOURCES), root / "stages" / stage)
    ignored = ignore_patterns((directory / IGNORE).read_text())
    inputs = tuple(sorted(path for path in _files(roots) if not is_ignored(str(path.relative_to(root)), ignored)))
    return Image(
        name=stage, containerfile=directory / "Containerfile", ignore=directory / IGNORE,
        inputs=(*inputs, directory / "Containerfile", directory / IGNORE),
    )  # fmt: skip


def base_image(root: Path) -> Image:
    """The image below those of the stages; nothing of the tree goes into it."""
    directory = root / "containers" / "base"
    containerfile = directory / "Containerfile"
    return Image(name="base", containerfile=containerfile, ignore=directory / IGNORE, inputs=(containerfile,))


def ignore_patterns(text: str) -> tuple[str, ...]:
    """The lines of an ignore file that leave something out (those that let something in say ``!``)."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and line != "*" and not line.startswith(("#", "!")))


def is_ignored(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path of the tree, or a directory above it, matches a pattern (``**/`` stands for any place)."""
    parts = path.split("/")
    above = ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
    globs = [f"*/{pattern[3:]}" if pattern.startswith("**/") else f"/{pattern}" for pattern in patterns]
    return any(fnmatch.fnmatchcase(name, glob) for name in above for glob in globs)


def _files(roots: tuple[Path, ...]) -> Iterator[Path]:
    for root in roots:
        yield from (path for path in (root, *root.rglob("*")) if path.is_file())


def recipe(image: Image, root: Path, *facts: str) -> str:
    """One sha256 over everything that decides what the image holds."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    for path in image.inputs:
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)}\0{mode}{content}\0".encode())
    return digest.hexdigest()


def build_command(
    image: Image, *, root: Path, mount: Path, build_args: tuple[str, ...], labels: tuple[str, ...], refresh: bool
) -> tuple[str, ...]:
    """The podman command that builds an image.

    It uses the host's network, so that a host without a working bridge can build; only apt in our own
    Containerfiles ever uses it.
    """
    return (
        "build", "--network=host", "--security-opt=label=disable", "--pull=missing", "--format=oci",
        f"--volume={mount}:/mnt:ro", f"--timestamp={base.EPOCH}", "--layers", *(("--no-cache",) if refresh else ()),
        *(f"--build-arg={value}" for value in build_args), *(f"--label={value}" for value in labels),
        f"--ignorefile={image.ignore}", f"--file={image.containerfile}", f"--tag={image.reference}", str(root),
    )  # fmt: skip


def make(root: Path, *, refresh: bool, say: Callable[[str], None]) -> tuple[Image, ...]:
    """Build what is missing or out of date, base first; returns all images in order."""
    apt = mirrors.of_this_host()
    mount = paths.IMAGES / "mount"
    (mount / "wheels").mkdir(parents=True, exist_ok=True)
    write_atomically(mount / "apt.conf", "\n".join(('Acquire::Languages "none";', *apt.configuration, "")))
    write_atomically(mount / "pip.conf", "[global]\nno-index = true\nfind-links = /mnt/wheels\n")
    start = base.find(apt, refresh=refresh)
    below = base_image(root)
    _build(below, root, mount, start.reference, start.digest, refresh=refresh, say=say)
    identity = podman("image", "inspect", "--format={{.Id}}", below.reference).stdout.strip()
    images = tuple(stage_image(root, stage) for stage in paths.STAGES)
    for image in images:
        wheels.download(image.name, mount / "wheels")
        _build(image, root, mount, below.reference, start.digest, identity, refresh=refresh, say=say)
    _remove_leftovers(image.name for image in images)
    return (below, *images)


def _build(
    image: Image, root: Path, mount: Path, start: str, *facts: str, refresh: bool, say: Callable[[str], None]
) -> None:
    wanted = recipe(image, root, *facts)
    template = f'{{{{index .Labels "{RECIPE}"}}}}'
    existing = podman("image", "inspect", f"--format={template}", image.reference, check=False)
    if not refresh and existing.returncode == 0 and existing.stdout.strip() == wanted:
        return
    say(f"building {image.reference}")
    labels = (
        f"{RECIPE}={wanted}", f"org.opencontainers.image.base.digest={facts[0]}",
        f"org.opencontainers.image.version={version(root)}", *_revision(root),
    )  # fmt: skip
    command = build_command(
        image, root=root, mount=mount, build_args=(f"BASE={start}",), labels=labels, refresh=refresh
    )  # fmt: skip
    lines: list[str] = []
    podman(*command, on_line=lines.append)
    write_atomically(_layers_file(image.name), "\n".join(layers_of(lines)) + "\n")


def version(root: Path) -> str:
    """The project's version, read without importing it."""
    found = VERSION.search((root / "hermetic_rpm" / "__init__.py").read_text())
    return found[1] if found else "0"


def _revision(root: Path) -> tuple[str, ...]:
    if not (root / ".git").exists():
        return ()
    commit = run(("git", "-C", str(root), "rev-parse", "HEAD"), check=False).stdout.strip()
    changed = run(("git", "-C", str(root), "status", "--porcelain"), check=False).stdout.strip()
    return (f"org.opencontainers.image.revision={commit}",) if commit and not changed else ()


def layers_of(output: Iterable[str]) -> tuple[str, ...]:
    """The (short) ids of the layers that podman made or found in its cache, from what a build prints."""
    return tuple(sorted({line.split()[-1][:11] for line in output if line.startswith("--> ")}))


def _layers_file(name: str) -> Path:
    return paths.IMAGES / f"{name}.layers"


def _remove_leftovers(names: Iterable[str]) -> None:
    """Remove the nameless images of builds before the last; those of the last are its cache."""
    files = [_layers_file(name) for name in names]
    if not all(file.is_file() for file in files):
        return
    kept = {line for file in files for line in file.read_text().split()}
    nameless = podman("images", "--quiet", "--no-trunc", "--filter=dangling=true", f"--filter=label={RECIPE}").stdout
    for identity in {line.removeprefix("sha256:") for line in nameless.split()}:
        if identity[:11] not in kept:
            podman("rmi", identity, check=False)


def sizes(images: tuple[Image, ...]) -> str:
    """A table of the images and their sizes in MB; each counts what it shares with the base, too."""
    rows = []
    for image in images:
        size = podman("image", "inspect", "--format={{.Size}}", image.reference).stdout
        rows.append(f"{image.reference:44}{int(size) / 1e6:8.1f} MB")
    return "\n".join(rows)
