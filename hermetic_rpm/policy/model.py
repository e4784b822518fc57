"""A policy, what it is held against, and what it found, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hermetic_rpm.policy.versions import Bound

GIVEN, MODIFIED = "given", "modified"


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Where the bootstrap image may come from, and which one it may be; None leaves that open.

    ``registries`` are prefixes of whole components (``registry.example.com/base``), ``directories``
    those below which images in files may lie.
    """

    registries: tuple[str, ...] | None
    directories: tuple[str, ...]
    digests: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Licences:
    """Terms, as globs, that are allowed (None: all) and denied, and which texts count that are no SPDX expression."""

    allow: tuple[str, ...] | None
    deny: tuple[str, ...]
    not_spdx: bool
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Denied:
    """A package that may not be there: a glob of its name or NEVRA, and the versions it is about (none: all)."""

    package: str
    versions: tuple[Bound, ...]
    written: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """How old a lock may be, and whether its date must be given or the file's modification time will do."""

    maximum_days: int
    date: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy file; what it does not mention is None or empty and not checked."""

    name: str
    sha256: str
    sidecar_required: bool
    origins: tuple[str, ...] | None
    images: Images | None
    signing_keys: tuple[str, ...] | None
    licences: Licences | None
    denied: tuple[Denied, ...]
    age: Age | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A key file of the lock: the fingerprints (hex, lower case) of all keys in it, or why it cannot be read."""

    path: str
    fingerprints: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What a lock's own content cannot tell.

    ``origins`` are those that the user allows beside the lock's own, ``images`` other places where the
    user says that the image is, ``dated`` the date that was given for the lock, ``modified`` the
    lockfile's modification time.
    """

    origins: tuple[str, ...]
    images: tuple[str, ...]
    certificates: tuple[Certificate, ...]
    dated: datetime | None
    modified: datetime
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A rule of the policy, the package (or repository, image, key file) that breaks it, and how."""

    rule: str
    subject: str
    text: str
