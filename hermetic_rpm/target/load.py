"""Target files: found by name, validated, turned into a `Target`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hermetic_rpm import near
from hermetic_rpm.document import Document, checked, parse_yaml, read_bytes, refuse
from hermetic_rpm.errors import TargetInvalid, TargetUnknown
from hermetic_rpm.target import check
from hermetic_rpm.target.model import Option, Origin, Repository, Target

BUILD_MACROS: dict[str, str | int] = {
    "%_topdir": "/builddir/build",
    "%_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "%_platform_multiplier": 1,
}
"""Macros every build gets, as Mock sets them; a target may add to them."""

DEFAULT_BUILDHOST = "hermetic-rpm"


def find(name: str, *directories: Path) -> Path:
    """The file of target ``name`` (``NAME.yaml`` in the first directory that has it) or the path ``name`` itself."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise TargetUnknown(f"There is no target file {name}.")
        return path
    known = files(*directories)
    found = next((path for path in known if path.stem == name), None)
    if found is not None:
        return found
    names = [path.stem for path in known]
    hint = near.sentence(name, names)
    raise TargetUnknown(f"There is no target {name} among {', '.join(names) or 'none'}.{hint}")


def files(*directories: Path) -> tuple[Path, ...]:
    """Every target file, sorted by name; of two with one name that in the earlier directory."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in directory.glob("*.yaml"):
            found.setdefault(path.stem, path)
    return tuple(path for _, path in sorted(found.items()))


def load(path: Path) -> Target:
    """The target that a file describes; raises `TargetInvalid` with every problem and its line."""
    return parse(read_bytes(path, TargetInvalid), name=path.stem, place=str(path))


def parse(content: bytes, *, name: str, place: str) -> Target:
    """The target that ``content`` (YAML) describes."""
    return target(read(content, place), name)


def read(content: bytes, place: str) -> Document:
    """The document of a target, valid in every way that a file can be; raises `TargetInvalid`."""
    document = parse_yaml(content, place, TargetInvalid)
    checked(document, "target", TargetInvalid)
    refuse(document, check.mistakes(document), TargetInvalid)
    return document


def target(document: Document, name: str) -> Target:
    """The target of a valid document."""
    data = document.data
    image = data["image"]
    macros = {**BUILD_MACROS, "%_buildhost": data.get("buildhost", DEFAULT_BUILDHOST), **data.get("macros", {})}
    return Target(
        name=name,
        sha256=hashlib.sha256(document.content).hexdigest(),
        architecture=data["architecture"],
        legal_host_arches=tuple(data.get("legal_host_arches", (data["architecture"],))),
        image_reference=image["reference"],
        image_locations=tuple(image.get("locations", (f"docker://{image['reference']}",))),
        image_ready=image.get("ready"),
        package_manager=data["package_manager"],
        options=_options(data),
        module_streams=tuple(sorted(data.get("module_streams", ()))),
        disabled_modules=tuple(sorted(data.get("disabled_modules", ()))),
        repositories=tuple(_repository(entry, data) for entry in data["repositories"]),
        buildroot=tuple(data["buildroot"]),
        dist=data.get("dist", ""),
        releasever=data.get("releasever"),
        module_platform_id=data.get("module_platform_id"),
        macros=tuple(sorted(macros.items())),
        source_repositories=tuple(_repository(entry, data) for entry in data.get("source_repositories", ())),
        description=data.get("description", ""),
        origin=_origin(data.get("origin")),
    )


def _repository(entry: dict[str, Any], data: dict[str, Any]) -> Repository:
    return Repository(
        id=entry["id"],
        name=entry.get("name", entry["id"]),
        baseurl=tuple(entry.get("baseurl", ())),
        mirrorlist=entry.get("mirrorlist"),
        metalink=entry.get("metalink"),
        gpgcheck=entry["gpgcheck"],
        repo_gpgcheck=entry.get("repo_gpgcheck", False),
        gpgkey=tuple(entry.get("gpgkey", ())),
        client_certificate=entry.get("client_certificate"),
        proxy=entry.get("proxy", data.get("proxy")),
        priority=entry.get("priority"),
        cost=entry.get("cost"),
        exclude=tuple(entry.get("exclude", ())),
        options=_options(entry),
    )


def _options(entry: dict[str, Any]) -> tuple[Option, ...]:
    return tuple(sorted(entry.get("options", {}).items()))


def _origin(entry: dict[str, Any] | None) -> Origin | None:
    return None if entry is None else Origin(mock_config=entry["mock_config"], place=entry.get("from", ""))
