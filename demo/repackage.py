"""Debs become RPMs: unpacked, pruned, described by a spec and packed by the host's rpmbuild."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from demo.control import (
    UNKNOWN_LICENCE,
    BinaryPackage,
    licence_of,
    names_of,
    package_of,
    provides_of,
    requires_of,
)
from demo.parallel import run_all
from demo.recipe import AMENDMENTS, DIST, DROPPED_TREES, LEFT_OUT, OWNED_BY_FILESYSTEM, Amendment
from demo.rpmbuild import Rpmbuild, touch_all
from demo.spec import Entry, Relations, file_list, spec_of
from demo.version import evr_of
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.process import run

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The static users and groups of the distribution by number."""

    users: Mapping[int, str]
    groups: Mapping[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where and with what packages are made."""

    rpmbuild: Rpmbuild
    names: Names
    available: frozenset[str]

    def make(self, deb: Path, package: BinaryPackage) -> None:
        """Make the RPM of one deb."""
        root = self.rpmbuild.home / "BUILDROOT" / package.name
        run(("dpkg-deb", "--extract", deb, root))
        amendment = AMENDMENTS.get(package.name, Amendment())
        prune(root)
        amend(root, amendment)
        spec = self.rpmbuild.home / "SPECS" / f"{package.name}.spec"
        files = self.rpmbuild.home / "SOURCES" / f"{package.name}.files"
        files.write_text(file_list(entries_of(root, self.names)))
        requires = requires_of(package, available=self.available, left_out=LEFT_OUT)
        relations = Relations(
            requires=tuple(sorted({*requires, *amendment.requires, "demo-filesystem"})),
            provides=tuple(sorted({*provides_of(package, dist=DIST), *amendment.provides, *pkgconfig_provides(root)})),
        )
        evr = evr_of(package.version, dist=DIST)
        spec.write_text(
            spec_of(package, evr=evr, licence=_licence(root, package), relations=relations, files=files.name)
        )
        touch_all((spec, files))
        self.rpmbuild.pack(spec, root)
        shutil.rmtree(root)


def repackage(debs: tuple[Path, ...], rpmbuild: Rpmbuild, names: Names) -> tuple[BinaryPackage, ...]:
    """Make an RPM of every deb that the distribution does not leave out."""
    described = tuple((deb, control_of(deb)) for deb in debs)
    chosen = tuple((deb, package) for deb, package in described if package.name not in LEFT_OUT)
    packages = tuple(package for _deb, package in chosen)
    workshop = Workshop(rpmbuild=rpmbuild, names=names, available=names_of(packages))
    largest_first = sorted(chosen, key=lambda pair: pair[0].stat().st_size, reverse=True)
    run_all(partial(workshop.make, deb, package) for deb, package in largest_first)
    return packages


def control_of(deb: Path) -> BinaryPackage:
    """What a deb says of itself."""
    return package_of(run(("dpkg-deb", "--field", deb)).stdout)


def prune(root: Path) -> None:
    """Remove what no build reads and what belongs to demo-filesystem; move what is outside /usr into it."""
    for name in MERGED:
        if (root / name).is_dir() and not (root / name).is_symlink():
            (root / "usr" / name).mkdir(parents=True, exist_ok=True)
            run(("cp", "--archive", f"{root / name}/.", root / "usr" / name))
            shutil.rmtree(root / name)
        (root / name).unlink(missing_ok=True)
    for tree in DROPPED_TREES:
        shutil.rmtree(root / tree, ignore_errors=True)
    documents = root / "usr/share/doc"
    for path in documents.rglob("*") if documents.is_dir() else ():
        if path.name != "copyright" and not path.is_symlink() and path.is_file():
            path.unlink()
    _remove_empty(documents)


def _remove_empty(directory: Path) -> None:
    for current, _directories, _files in os.walk(directory, topdown=False):
        if not any(Path(current).iterdir()):
            Path(current).rmdir()


def amend(root: Path, amendment: Amendment) -> None:
    """Make the links of an amendment."""
    for place, target in amendment.links:
        link = root / place.lstrip("/")
        if link.is_symlink() or link.exists():
            raise CommandFailed(f"{place} exists already in its deb; take it out of AMENDMENTS in demo/recipe.py.")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def pkgconfig_provides(root: Path) -> Iterator[str]:
    """``pkgconfig(NAME) = VERSION`` for each .pc file, without version where that is computed."""
    for path in filter(Path.is_file, root.glob("usr/**/pkgconfig/*.pc")):
        version = re.search(r"^Version:\s*([A-Za-z0-9._+~^]+)\s*$", path.read_text(), re.MULTILINE)
        yield f"pkgconfig({path.stem})" + (f" = {version[1]}" if version else "")


def entries_of(root: Path, names: Names) -> Iterator[Entry]:
    """The files below ``root``, without the directories that demo-filesystem owns."""
    for current, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(current, name)
            relative = str(path.relative_to(root))
            if relative in OWNED_BY_FILESYSTEM:
                continue
            status = path.lstat()
            yield Entry(
                path=f"/{relative}",
                mode=status.st_mode,
                user=_name(names.users, status.st_uid, relative),
                group=_name(names.groups, status.st_gid, relative),
            )


def _name(known: Mapping[int, str], number: int, path: str) -> str:
    if number not in known:
        raise CommandFailed(f"/{path} belongs to number {number}, which is nobody's in base-passwd.")
    return known[number]


def _licence(root: Path, package: BinaryPackage) -> str:
    text = root / "usr/share/doc" / package.name / "copyright"
    if not text.is_file() or stat.S_ISLNK(text.lstat().st_mode):
        return UNKNOWN_LICENCE
    return licence_of(text.read_text(errors="replace"))
