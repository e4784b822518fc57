"""Every address of a locked package and of the image, in the order in which they are asked.

Canonical URL and mirrors of the sidecar, then what the user adds: rewrites of these, templates
such as Koji's, directories.  Pure, but for `index`, which looks what a directory holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

from hermetic_rpm.errors import OriginRefused
from hermetic_rpm.image import copy, layout
from hermetic_rpm.lock.model import Lock, Package, RepositorySource
from hermetic_rpm.policy import places

KEPT_CHARACTERS = "/%:+~^@=,;!$&'()*"
"""What is not quoted in a path: a percent sign in particular, since locations may be quoted already."""

VARIABLE = re.compile(r"\{([a-z_]*)\}")
VARIABLES = ("name", "epoch", "version", "release", "arch", "file", "key")
"""What a template may name; ``file`` is the file's name in its repository, ``key`` 8 hex digits of its key's id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewrite:
    """URLs that begin with ``old`` exist at ``new`` as well."""

    old: str
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternatives:
    """Where else a user says that locked files are: rewrites, URL templates, directories."""

    rewrites: tuple[Rewrite, ...] = ()
    templates: tuple[str, ...] = ()
    directories: tuple[Path, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """A URL of each origin that is named by naming an alternative."""
        templates = (template.partition("{")[0] for template in self.templates)
        directories = (f"file://{quote(str(directory))}" for directory in self.directories)
        return (*(rewrite.new for rewrite in self.rewrites), *templates, *directories)


NONE = Alternatives()


def index(directories: Iterable[Path]) -> dict[str, tuple[Path, ...]]:
    """Where below the directories the RPM files of each name lie, in order; links to directories are not followed."""
    found: dict[str, list[Path]] = {}
    for directory in directories:
        for parent, below, names in os.walk(directory):
            below.sort()
            for name in sorted(names):
                if name.endswith(".rpm"):
                    found.setdefault(name, []).append(Path(parent, name))
    return {name: tuple(paths) for name, paths in found.items()}


def urls(
    lock: Lock,
    package: Package,
    more: Alternatives = NONE,
    files: Mapping[str, tuple[Path, ...]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Every address of a package, the canonical one first, without doubles."""
    declared = _declared(lock, package)
    rewritten = [url for original in declared for url in _rewritten(original, more.rewrites)]
    names = dict.fromkeys((_base_name(declared[0]), package.file_name))
    local = [f"file://{quote(str(path))}" for name in names for path in files.get(name, ())]
    filled = [url for template in more.templates if (url := _filled(template, package, declared[0])) is not None]
    return tuple(dict.fromkeys((*declared, *rewritten, *filled, *local)))


def image_locations(lock: Lock, more: Alternatives = NONE, *, registries: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Where the image may be taken from, pinned to its digest where the transport can say so.

    A lock without sidecar declares no place; then only ``registries`` (with a path or without)
    may be asked.  Raises `OriginRefused`.
    """
    config, digest = lock.lockfile.config, lock.lockfile.bootstrap.pull_digest
    remote = (*_declared_images(lock), *rewritten_images(lock, more))
    if lock.sidecar is None:
        remote = tuple(location for location in remote if places.image_is_below(location, registries, ()))
    carried = [layout.locate(directory, config.bootstrap_image, digest) for directory in more.directories]
    local = [f"dir:{path}" for path in carried if path.is_dir()]
    if not remote and not local:
        host = places.repository(config.bootstrap_image)[0]
        raise OriginRefused(
            f"The lock names the image {config.bootstrap_image} in a registry that nobody declared.",
            solution=f"Name the registry with --allow-origin {copy.DOCKER}{host} if you trust it.",
        )
    return tuple(dict.fromkeys((*(copy.by_digest(location, digest) for location in remote), *local)))


def urls_of_file(
    repository: RepositorySource,
    location: str,
    more: Alternatives = NONE,
    files: Mapping[str, tuple[Path, ...]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Every address of another file of a repository, in the same order as those of a package."""
    declared = [url for url in _below(repository, location) if not url.startswith("ftp://")]
    rewritten = [url for original in declared for url in _rewritten(original, more.rewrites)]
    local = [f"file://{quote(str(path))}" for path in files.get(unquote(location.rpartition("/")[2]), ())]
    return tuple(dict.fromkeys((*declared, *rewritten, *local)))


def rewritten_images(lock: Lock, more: Alternatives) -> tuple[str, ...]:
    """Where the user's rewrites say that the image is as well."""
    return tuple(url for location in _declared_images(lock) for url in _rewritten(location, more.rewrites))


def _declared_images(lock: Lock) -> tuple[str, ...]:
    if lock.sidecar is None:
        return (f"{copy.DOCKER}{lock.lockfile.config.bootstrap_image}",)
    return lock.sidecar.image.locations


def _declared(lock: Lock, package: Package) -> tuple[str, ...]:
    if lock.sidecar is None or package.source is None:
        return (quote(package.rpm.url, safe=KEPT_CHARACTERS),)
    return _below(lock.sidecar.repository(package.source.repository), package.source.location)


def _below(repository: RepositorySource, location: str) -> tuple[str, ...]:
    path = quote(location, safe=KEPT_CHARACTERS)
    return tuple(dict.fromkeys(f"{base.rstrip('/')}/{path}" for base in repository.base_urls))


def _rewritten(url: str, rewrites: Iterable[Rewrite]) -> tuple[str, ...]:
    return tuple(f"{rewrite.new}{url.removeprefix(rewrite.old)}" for rewrite in rewrites if url.startswith(rewrite.old))


def _filled(template: str, package: Package, canonical: str) -> str | None:
    """The template's URL for a package, or None where it asks for what is not known of it."""
    rpm = package.rpm
    key = package.source.key if package.source is not None else rpm.signature
    values = {
        "name": rpm.name, "epoch": rpm.epoch or "0", "version": rpm.version, "release": rpm.release, "arch": rpm.arch,
        "file": _base_name(canonical), "key": (key or "")[-8:].lower(),
    }  # fmt: skip
    wanted = VARIABLE.findall(template)
    if any(values[name] in ("", ".", "..") for name in wanted):
        return None
    return VARIABLE.sub(lambda match: quote(values[match[1]], safe="+~^"), template)


def _base_name(url: str) -> str:
    return unquote(url.rpartition("/")[2])
