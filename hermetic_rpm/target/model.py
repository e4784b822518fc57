"""A target as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A package repository of a target; ``baseurl`` in order of preference."""

    id: str
    name: str
    baseurl: tuple[str, ...]
    gpgcheck: bool
    repo_gpgcheck: bool
    gpgkey: tuple[str, ...]
    priority: int | None
    cost: int | None
    exclude: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Image, package manager, repositories, minimal buildroot and macros to build with.

    ``source_repositories`` hold the source RPMs of the packages; nothing is installed from them.
    """

    name: str
    sha256: str
    architecture: str
    legal_host_arches: tuple[str, ...]
    image_reference: str
    image_locations: tuple[str, ...]
    package_manager: str
    repositories: tuple[Repository, ...]
    buildroot: tuple[str, ...]
    dist: str
    releasever: str | None
    module_platform_id: str | None
    macros: tuple[tuple[str, str | int], ...]
    source_repositories: tuple[Repository, ...] = ()

    @property
    def every_repository(self) -> tuple[Repository, ...]:
        """The repositories of packages, then those of source RPMs."""
        return (*self.repositories, *self.source_repositories)
