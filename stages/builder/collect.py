"""The results of a build: copied out of a tree that package code wrote, read back, then named."""

from __future__ import annotations

import shutil
from pathlib import Path

from hermetic_rpm import made, rpmfile
from hermetic_rpm.buildroot.rpmbuild import TOPDIR
from hermetic_rpm.errors import BuildFailed
from hermetic_rpm.files import copy_out, is_safe_name, names_inside, writing_errors
from stages.builder import logs

INCOMPLETE = ".incomplete-results"


def remove_earlier(output: Path) -> None:
    """Remove the results of an earlier build into this directory, and nothing else."""
    made.remove(output, (*made.earlier(output), *logs.NAMES, INCOMPLETE))


def results(buildroot: Path, output: Path) -> tuple[Path, ...]:
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
        unsound = [header for header in rpmfile.inspect([waiting / name for name in names]) if header.problem]
        if unsound:
            raise BuildFailed(f"rpmbuild made a package nobody can read: {unsound[0].path}: {unsound[0].problem}.")
        made.note(output, names)
        with writing_errors(output):
            return tuple((waiting / name).replace(output / name) for name in names)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _take(buildroot: Path, directory: str, name: str, waiting: Path) -> str:
    if not is_safe_name(name):
        raise BuildFailed(f"rpmbuild made a package with an unusable name: {name!r}.")
    try:
        copy_out(buildroot, f"{directory}/{name}", waiting / name)
    except OSError as error:
        raise BuildFailed(f"{name} is no regular file in the buildroot.") from error
    return name
