"""What both formats tell of a buildroot and of what was built in it, as values."""

from __future__ import annotations

from dataclasses import dataclass

from hermetic_rpm.licences import Expression
from hermetic_rpm.lock.model import ImageSource


@dataclass(frozen=True, kw_only=True, slots=True)
class SrpmComponent:
    """A source RPM: the one that the buildroot is for, or one that a locked package was built from."""

    name: str
    evr: str
    purl: str
    file_name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RpmComponent:
    """A locked package; what only a sidecar knows is None without one.

    ``licence`` is the text of the header, ``expression`` its meaning if it is an SPDX expression;
    ``source`` is the source RPM, None where no source repository had it.
    """

    name: str
    evr: str
    nevra: str
    purl: str
    url: str
    file_name: str
    sigmd5: str
    licence: str
    expression: Expression | None
    sha256: str | None
    key: str | None
    key_digits: str | None
    repository: str | None
    location: str | None
    source: SrpmComponent | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageComponent:
    """The bootstrap image; ``sha256`` is that of its manifest, ``source`` None without a sidecar."""

    name: str
    purl: str
    digest: str
    sha256: str
    config_digest: str
    source: ImageSource | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Buildroot:
    """A buildroot: its packages in the lock's order, its bootstrap image, what is built in it.

    ``tools`` are the packages that complete the image and are not in the buildroot as well.
    ``uuid`` is the same for the same lock and the same version of this program.
    """

    name: str
    uuid: str
    lockfile_sha256: str
    target: str | None
    packages: tuple[RpmComponent, ...]
    tools: tuple[RpmComponent, ...]
    image: ImageComponent
    srpm: SrpmComponent | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltRpm:
    """A package that was built; ``source`` is the file name of the source RPM that its header names."""

    name: str
    evr: str
    purl: str
    file_name: str
    licence: str
    expression: Expression | None
    sha256: str
    source: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What was built: the packages and the source RPMs that rpmbuild wrote, by file name, and from which one.

    ``srpm`` is the source RPM that the builder was given, ``buildroot`` the UUID of the buildroot's
    documents.  ``uuid`` is the same for the same inputs, outputs and version of this program.
    """

    name: str
    uuid: str
    lockfile_sha256: str
    sidecar_sha256: str | None
    buildroot: str
    packages: tuple[BuiltRpm, ...]
    written: tuple[SrpmComponent, ...]
    srpm: SrpmComponent
