"""Debian's control files: paragraphs, and which dependencies an RPM takes over."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from demo.version import evr_of
from hermetic_rpm.errors import CommandFailed

_RELATION = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\((?P<relation>[^)]*)\))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class BinaryPackage:
    """The fields of a deb's control file that its RPM needs."""

    name: str
    version: str
    architecture: str
    summary: str
    description: str
    homepage: str | None
    source: str
    depends: tuple[tuple[str, ...], ...]
    provides: tuple[tuple[str, str | None], ...]


def fields_of(paragraph: str) -> dict[str, str]:
    """The fields of one control paragraph by name; continuation lines stay, without their leading space."""
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t"):
            fields[name] += "\n" + line[1:]
        elif line.strip():
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def package_of(paragraph: str) -> BinaryPackage:
    """A deb's control paragraph as a `BinaryPackage`."""
    fields = fields_of(paragraph)
    summary, _, description = fields.get("Description", fields["Package"]).partition("\n")
    lines = ("" if line == "." else line for line in description.splitlines())
    return BinaryPackage(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        summary=summary,
        description="\n".join(lines).strip() or summary,
        homepage=fields.get("Homepage"),
        source=fields.get("Source", fields["Package"]).split()[0],
        depends=_groups(fields.get("Pre-Depends", "")) + _groups(fields.get("Depends", "")),
        provides=_provided(fields.get("Provides", "")),
    )


def _groups(value: str) -> tuple[tuple[str, ...], ...]:
    groups = (tuple(_relation(one)[0] for one in group.split("|")) for group in value.split(",") if group.strip())
    return tuple(groups)


def _provided(value: str) -> tuple[tuple[str, str | None], ...]:
    relations = (_relation(one) for one in value.split(",") if one.strip())
    return tuple((name, text.removeprefix("=").strip() if text else None) for name, text in relations)


def _relation(text: str) -> tuple[str, str]:
    match = _RELATION.match(text.strip())
    if match is None:
        raise CommandFailed(f"This is no Debian dependency: {text!r}.")
    return match["name"], match["relation"] or ""


def requires_of(package: BinaryPackage, *, available: Collection[str], left_out: Collection[str]) -> tuple[str, ...]:
    """One requirement for each dependency: its first alternative that is in the distribution, without version.

    ``available`` are names of packages and of what they provide.  A dependency none of whose alternatives is
    available must name one of ``left_out``, else `CommandFailed` says so.
    """
    chosen: set[str] = set()
    for group in package.depends:
        name = next((name for name in group if name in available), None)
        if name is not None and name != package.name:
            chosen.add(name)
        elif name is None and not any(one in left_out for one in group):
            raise CommandFailed(
                f"{package.name} depends on {' or '.join(group)}, which the demo distribution does not have.",
                solution="Name one of them in WANTED or in LEFT_OUT of demo/recipe.py.",
            )
    return tuple(sorted(chosen))


def provides_of(package: BinaryPackage, *, dist: str) -> tuple[str, ...]:
    """Virtual packages as Provides, with the version where Debian states one."""
    return tuple(
        sorted(f"{name} = {evr_of(version, dist=dist)}" if version else name for name, version in package.provides)
    )


def names_of(packages: Collection[BinaryPackage]) -> frozenset[str]:
    """Every name that the packages can be required by."""
    return frozenset(name for package in packages for name in (package.name, *(one for one, _ in package.provides)))


_SPDX: Mapping[str, str] = {
    "apache-2.0": "Apache-2.0", "artistic": "Artistic-1.0-Perl", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "cc0-1.0": "CC0-1.0", "expat": "MIT", "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later", "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later",
    "isc": "ISC", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later", "mit": "MIT", "zlib": "Zlib",
}  # fmt: skip

UNKNOWN_LICENCE = "LicenseRef-see-copyright"


def licence_of(copyright_text: str) -> str:
    """The SPDX expression of the paragraph ``Files: *`` of a machine-readable copyright file, if it is a known one."""
    for paragraph in re.split(r"\n\s*\n", copyright_text):
        fields = {name.lower(): value for name, value in _loose_fields(paragraph).items()}
        if fields.get("files", "").split() == ["*"]:
            short = fields.get("license", "").splitlines()[:1]
            return _expression(short[0]) if short else UNKNOWN_LICENCE
    return UNKNOWN_LICENCE


def _loose_fields(paragraph: str) -> dict[str, str]:
    start = re.search(r"^[A-Za-z]", paragraph, re.MULTILINE)
    return fields_of(paragraph[start.start() :]) if start else {}


def _expression(short_name: str) -> str:
    words = re.split(r"\s+(and|or)\s+", short_name.strip().lower())
    known = [word if word in ("and", "or") else _SPDX.get(word, "") for word in words]
    if not all(known) or ("and" in known and "or" in known):
        return UNKNOWN_LICENCE
    return " ".join(word.upper() if word in ("and", "or") else word for word in known)
