"""A source RPM from a spec and a directory of sources, made in the target's buildroot.

The same spec and sources give the same bytes: their time stamps, modes and owners do not count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hermetic_rpm import files, rpmfile
from hermetic_rpm.buildroot import rpmbuild, sandbox
from hermetic_rpm.buildroot.rpmbuild import SAFE_SPEC, TOPDIR, PackageRoom
from hermetic_rpm.errors import SourceMissing, SpecFailed
from hermetic_rpm.files import copy_out, is_safe_name, writing_errors

DATE = 315532800
"""1980-01-01 in seconds since 1970: the date of every file in the source RPM, and of the source RPM itself if the spec
has no changelog.  No zip archive, for instance no Python wheel, knows an earlier one."""


def make(package: PackageRoom, spec: Path, sources: Path | None, scratch: Path) -> Path:
    """Make the source RPM below ``scratch``, which does not exist yet.

    Raises `SpecFailed`, or `SourceMissing` for what the spec names and ``sources`` has not.
    """
    if SAFE_SPEC.fullmatch(spec.name) is None:
        raise SpecFailed(f"{spec.name!r} is no usable name for a spec.", solution="Rename the file as NAME.spec.")
    with writing_errors(scratch):
        for name in ("SPECS", "SOURCES", "made"):
            (scratch / name).mkdir(parents=True)
    _copy(spec.resolve(), scratch / "SPECS" / spec.name)
    for source in () if sources is None else _files_in(sources):
        _copy(source, scratch / "SOURCES" / source.name)
    with_files = replace(package, mounts=(*package.mounts, *(
        sandbox.bind(scratch / name, f"{TOPDIR}/{name}", read_only=True) for name in ("SPECS", "SOURCES")
    )))  # fmt: skip
    made = _copied(package, rpmbuild.source_rpm(with_files, spec.name), scratch / "made")
    if rpmfile.check_source_rpm(made).date is not None:  # no changelog tells its date
        dated = replace(with_files, source_date=DATE)
        made = _copied(package, rpmbuild.source_rpm(dated, spec.name), scratch / "made")
    return made


def _files_in(directory: Path) -> Iterator[Path]:
    """The regular files directly in a directory: no links, which could lead anywhere."""
    for entry in os.scandir(directory):
        if entry.is_file(follow_symlinks=False):
            yield Path(entry)


def _copy(path: Path, copy: Path) -> None:
    try:
        copy_out(path.parent, path.name, copy)
        copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    except OSError as error:
        raise SourceMissing(f"{path} cannot be read: {error.strerror}.") from error
    os.utime(copy, (DATE, DATE))


def _copied(package: PackageRoom, inner: str, output: Path) -> Path:
    """The source RPM at ``inner`` in the buildroot, which package code wrote, copied into ``output``."""
    name = Path(inner).name
    if not is_safe_name(name):
        raise SpecFailed(f"rpmbuild made a source RPM with an unusable name: {name!r}.")
    try:
        files.copy_out(package.root, inner[1:], output / name)
    except OSError as error:
        raise SpecFailed(f"{name} is no regular file in the buildroot.") from error
    return output / name
