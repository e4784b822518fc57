"""Spec files and file lists for the repackaged debs: text, and nothing but text."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from demo.control import BinaryPackage
from demo.version import Evr

_GLOB = re.compile(r"([?*\[{}])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file of a package: its absolute path and what ``lstat`` says of it."""

    path: str
    mode: int
    user: str
    group: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Relations:
    """What an RPM requires and provides beyond its own name."""

    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()


def file_line(entry: Entry) -> str:
    """The line of a %files list for ``entry``, quoted so that rpmbuild takes the path literally."""
    path = _GLOB.sub(r"[\1]", entry.path).replace("%", "%%")
    quoted = f'"{path}"' if re.search(r"\s", path) else path
    mode = "-" if stat.S_ISLNK(entry.mode) else f"{stat.S_IMODE(entry.mode):04o}"
    prefix = "%dir " if stat.S_ISDIR(entry.mode) else ""
    return f"{prefix}%attr({mode}, {entry.user}, {entry.group}) {quoted}"


def file_list(entries: Iterable[Entry]) -> str:
    """A file for ``%files -f``, sorted by path."""
    return "".join(f"{file_line(entry)}\n" for entry in sorted(entries, key=lambda entry: entry.path))


def spec_of(package: BinaryPackage, *, evr: Evr, licence: str, relations: Relations, files: str) -> str:
    """The spec that packs an already populated build root; ``files`` is the name of its file list,
    its only source.

    There is no %install: the build root is filled before rpmbuild starts.
    """
    head = [
        f"Name: {package.name}",
        *([f"Epoch: {evr.epoch}"] if evr.epoch else []),
        f"Version: {evr.version}",
        f"Release: {evr.release}",
        f"Summary: {_escape(package.summary)}",
        f"License: {licence}",
        f"Source0: {files}",
        *([f"URL: {_escape(package.homepage)}"] if package.homepage else []),
        *(["BuildArch: noarch"] if package.architecture == "all" else []),
        "AutoReq: no",
        *(f"Requires: {name}" for name in relations.requires),
        *(f"Provides: {name}" for name in relations.provides),
    ]
    return "\n".join((*head, "", "%description", _escape(package.description), "", "%files -f %{SOURCE0}", ""))


def _escape(text: str) -> str:
    """Text that rpmbuild must not take for macros, sections or conditions."""
    return re.sub(r"(?m)^(?=#)", " ", text.replace("%", "%%"))
