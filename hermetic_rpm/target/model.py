"""A target as a value."""

from __future__ import annotations

from dataclasses import dataclass

Option = tuple[str, bool | int | str]
"""An option of the package manager and its value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A package repository of a target; ``baseurl`` in order of preference.

    ``client_certificate`` is a name: where that certificate is, only the machine that uses it knows.
    """

    id: str
    name: str
    baseurl: tuple[str, ...]
    gpgcheck: bool
    repo_gpgcheck: bool
    gpgkey: tuple[str, ...]
    priority: int | None
    cost: int | None
    exclude: tuple[str, ...]
    mirrorlist: str | None = None
    metalink: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a generated target was made from: a configuration of Mock, and where that is."""

    mock_config: str
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Image, package manager, repositories, minimal buildroot and macros to build with.

    ``source_repositories`` hold the source RPMs of the packages; nothing is installed from them.
    ``image_ready`` is what the target says of its image, or None; ``options`` are those for all repositories.
    ``module_streams`` (``NAME:STREAM``) are enabled, ``disabled_modules`` disabled; both sorted.
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
    description: str = ""
    origin: Origin | None = None
    image_ready: bool | None = None
    options: tuple[Option, ...] = ()
    module_streams: tuple[str, ...] = ()
    disabled_modules: tuple[str, ...] = ()

    @property
    def every_repository(self) -> tuple[Repository, ...]:
        """The repositories of packages, then those of source RPMs."""
        return (*self.repositories, *self.source_repositories)
