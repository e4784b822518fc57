"""The results of a build: copied out of a tree that package code wrote, read back, then named."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import made, repodata, sbom
from hermetic_rpm.buildroot.rpmbuild import TOPDIR
from hermetic_rpm.errors import BuildFailed, OutputRefused
from hermetic_rpm.files import copy_out, is_safe_name, names_inside, sha256_of, writing_errors
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import REPODATA, SBOMS
from hermetic_rpm.rpmfile import Header, Readers
from stages.builder import logs

INCOMPLETE = ".incomplete-results"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A package in its final place, read back; ``sha256`` in hex."""

    path: Path
    header: Header
    sha256: str


def remove_earlier(output: Path, *, createrepo: bool) -> None:
    """Remove the results of an earlier build into this directory, and nothing else.

    Raises `OutputRefused` if ``repodata/`` is wanted where somebody else's is.
    """
    made.remove(output, (*made.earlier(output), *logs.NAMES, INCOMPLETE, repodata.INCOMPLETE))
    if createrepo and os.path.lexists(output / REPODATA):
        raise OutputRefused(f"{output / REPODATA} is not of an earlier build.", solution="Remove it.")


def results(buildroot: Path, output: Path, readers: Readers) -> tuple[Built, ...]:
    """Move RPMs and SRPM to ``output``; returns them, the SRPM last.

    Raises `BuildFailed` if there are none, or if one cannot be read back.
    """
    waiting = output / INCOMPLETE
    with writing_errors(waiting):
        waiting.mkdir()
    try:
        names = [
            _take(buildroot, f"{TOPDIR[1:]}/{directory}", name, waiting)
            for directory in ("RPMS", "SRPMS")
            for name in names_inside(buildroot, f"{TOPDIR[1:]}/{directory}")
            if name.endswith(".rpm") and not name.endswith(".buildreqs.nosrc.rpm")
        ]
        if len(set(names)) != len(names):
            raise BuildFailed("rpmbuild made two packages of one name.", solution="Look for it in RPMS and SRPMS.")
        if not any(not name.endswith(".src.rpm") for name in names):
            raise BuildFailed("rpmbuild ended well but made no package.", solution="Does the spec have %files?")
        headers = readers.inspect([waiting / name for name in names])
        unsound = [header for header in headers if header.problem]
        if unsound:
            raise BuildFailed(f"rpmbuild made a package nobody can read: {unsound[0].path}: {unsound[0].problem}.")
        made.note(output, (*names, *SBOMS, REPODATA))
        with writing_errors(output):
            paths = tuple((waiting / name).replace(output / name) for name in names)
        return tuple(
            Built(path=path, header=header, sha256=sha256_of(path)) for path, header in zip(paths, headers, strict=True)
        )
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def describe(
    output: Path, built: tuple[Built, ...], lock: Lock, srpm: Path, srpm_sha256: str, *, createrepo: bool
) -> tuple[Path, ...]:
    """Write the bills of materials and, if wanted, ``repodata/``; returns the files."""
    headers = [(package.header, package.sha256) for package in built]
    sbom.write(sbom.build_documents(lock, srpm=srpm.name, srpm_sha256=srpm_sha256, made=headers), output)
    documents = tuple(output / name for name in SBOMS)
    if not createrepo:
        return documents
    repodata.write(output, tuple(sorted(package.path.name for package in built)))
    return (*documents, *(output / REPODATA).iterdir())


def _take(buildroot: Path, directory: str, name: str, waiting: Path) -> str:
    if not is_safe_name(name):
        raise BuildFailed(f"rpmbuild made a package with an unusable name: {name!r}.")
    try:
        copy_out(buildroot, f"{directory}/{name}", waiting / name)
    except OSError as error:
        raise BuildFailed(f"{name} is no regular file in the buildroot.") from error
    return name
