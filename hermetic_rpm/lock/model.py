"""What is locked, as values.

`Lockfile` holds the fields of Mock's ``buildroot_lock.json`` 1.1.0, `Sidecar` what that format
has no room for, `Lock` both, package by package.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedRpm:
    """A row of the lockfile; ``epoch`` and ``signature`` (8 hex digits of the key id) may be absent."""

    name: str
    epoch: str | None
    version: str
    release: str
    arch: str
    license: str
    sigmd5: str
    signature: str | None
    url: str

    @property
    def nevra(self) -> str:
        """``name-epoch:version-release.arch``, the epoch only where there is one."""
        epoch = f"{self.epoch}:" if self.epoch is not None else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapImage:
    """The identity of the bootstrap image as the lockfile records it."""

    image_digest: str
    pull_digest: str
    architecture: str
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildConfig:
    """The known keys of the lockfile's ``config``; macros as (name, value) in order of name."""

    target_arch: str
    legal_host_arches: tuple[str, ...]
    dist: str
    package_manager: str
    bootstrap_image: str
    bootstrap_image_ready: bool
    macros: tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lockfile:
    """``buildroot_lock.json``."""

    rpms: tuple[LockedRpm, ...]
    bootstrap: BootstrapImage
    config: BuildConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A blob of an image: its digest with ``sha256:``, its size in bytes, its media type."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSource:
    """Where the bootstrap image comes from (skopeo references, in order) and all its bytes."""

    reference: str
    locations: tuple[str, ...]
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RepositorySource:
    """A package repository: base URLs in order of preference, and whether it must be signed.

    ``client_certificate`` is the name of the certificate with which it is read, or None.
    """

    id: str
    base_urls: tuple[str, ...]
    gpgcheck: bool
    client_certificate: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RpmSource:
    """Where a locked RPM comes from: its bytes' sha256 and size, and its place in a repository.

    ``key`` is the issuer of its signature as the header tells it: 16 or 40 hex digits, or None.
    ``source`` is the file name of its source RPM, None where nobody says.
    """

    sha256: str
    size: int
    repository: str
    location: str
    key: str | None
    source: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapPackage:
    """An RPM that completes a bootstrap image which is not ready; its ``url`` follows from its source."""

    rpm: LockedRpm
    source: RpmSource


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataFile:
    """A file that a repository's index names beside packages: its ``kind`` is ``group`` (comps) or ``modules``."""

    repository: str
    kind: str
    location: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRpm:
    """A source RPM of locked packages: its file name, and where it comes from."""

    name: str
    repository: str
    location: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFile:
    """An OpenPGP certificate file that travels with the lock, named relative to the lockfile."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedSrpm:
    """The source RPM that was resolved."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetIdentity:
    """The target that was resolved for: its name and the sha256 of its file."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    """What a spec is evaluated with: ``%bcond`` names, macros as ``NAME VALUE``, and further build requirements.

    Each sorted; the requirements are among the sidecar's static ones too.
    """

    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    define: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


NO_OPTIONS = BuildOptions()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleStreams:
    """What the target chose of modules: streams enabled (``NAME:STREAM``), and modules disabled; each sorted."""

    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()


NO_MODULES = ModuleStreams()

Rows = tuple[int, ...]
"""Indexes into the lockfile's rows, ascending."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildrootEntry:
    """What the target's minimal buildroot asks for (packages, or a group), and the rows it brought."""

    name: str
    rows: Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementEdges:
    """Which row is there for what.

    ``static`` and ``dynamic`` are parallel to the sidecar's requirements, ``packages`` to the
    lockfile's rows: the rows that satisfy each requirement, and what each row itself requires.
    """

    buildroot: tuple[BuildrootEntry, ...]
    static: tuple[Rows, ...]
    dynamic: tuple[Rows, ...]
    packages: tuple[Rows, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecar:
    """``buildroot_lock.sources.json``: ``rpms`` is parallel to the lockfile's rows.

    ``edges`` and ``sources`` are None in a sidecar of a version that did not have them.
    ``bootstrap_packages`` complete the image; there are none where it was ready.
    """

    lockfile_sha256: str
    srpm: LockedSrpm
    target: TargetIdentity
    image: ImageSource
    repositories: tuple[RepositorySource, ...]
    keys: tuple[KeyFile, ...]
    rpms: tuple[RpmSource, ...]
    static_requirements: tuple[str, ...]
    dynamic_requirements: tuple[str, ...]
    edges: RequirementEdges | None = None
    metadata: tuple[MetadataFile, ...] = ()
    sources: tuple[SourceRpm, ...] | None = None
    bootstrap_packages: tuple[BootstrapPackage, ...] = ()
    build_options: BuildOptions = NO_OPTIONS
    modules: ModuleStreams = NO_MODULES

    def repository(self, repository_id: str) -> RepositorySource:
        """The repository of that id; KeyError if there is none (validation holds that there is)."""
        return {repository.id: repository for repository in self.repositories}[repository_id]


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A locked RPM with its source, which is None where the lock has no sidecar."""

    rpm: LockedRpm
    source: RpmSource | None
    file_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """Lockfile and sidecar joined, and the sha256 of each file.

    ``packages`` are those of the buildroot, ``bootstrap_packages`` what its bootstrap image lacked.
    """

    lockfile: Lockfile
    sidecar: Sidecar | None
    packages: tuple[Package, ...]
    lockfile_sha256: str
    sidecar_sha256: str | None
    bootstrap_packages: tuple[Package, ...] = ()

    @property
    def every_package(self) -> tuple[Package, ...]:
        """The packages of the buildroot, then those of the bootstrap."""
        return (*self.packages, *self.bootstrap_packages)
