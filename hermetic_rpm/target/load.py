"""Target files: found by name, validated, turned into a `Target`."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hermetic_rpm.document import checked, parse_yaml, read_bytes
from hermetic_rpm.errors import TargetInvalid, TargetUnknown
from hermetic_rpm.target.model import Repository, Target

BUILD_MACROS: dict[str, str | int] = {
    "%_topdir": "/builddir/build",
    "%_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "%_platform_multiplier": 1,
}
"""Macros every build gets, as Mock sets them; a target may add to them."""

DEFAULT_BUILDHOST = "hermetic-rpm"


def find(name: str, directory: Path) -> Path:
    """The file of target ``name`` (``NAME.yaml`` in ``directory``) or the path ``name`` itself."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise TargetUnknown(f"There is no target file {name}.")
        return path
    path = directory / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(entry.stem for entry in directory.glob("*.yaml")) if directory.is_dir() else []
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise TargetUnknown(f"There is no target {name} among {', '.join(known) or 'none'}.{hint}")


def load(path: Path) -> Target:
    """The target that a file describes; raises `TargetInvalid` with every problem and its line."""
    return parse(read_bytes(path, TargetInvalid), name=path.stem, place=str(path))


def parse(content: bytes, *, name: str, place: str) -> Target:
    """The target that ``content`` (YAML) describes."""
    data: Any = checked(parse_yaml(content, place, TargetInvalid), "target", TargetInvalid)
    image = data["image"]
    macros = {**BUILD_MACROS, "%_buildhost": data.get("buildhost", DEFAULT_BUILDHOST), **data.get("macros", {})}
    repositories = tuple(_repository(entry) for entry in data["repositories"])
    source_repositories = tuple(_repository(entry) for entry in data.get("source_repositories", ()))
    _refuse_unsafe((*repositories, *source_repositories), place)
    return Target(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        architecture=data["architecture"],
        legal_host_arches=tuple(data.get("legal_host_arches", (data["architecture"],))),
        image_reference=image["reference"],
        image_locations=tuple(image.get("locations", (f"docker://{image['reference']}",))),
        package_manager=data["package_manager"],
        repositories=repositories,
        buildroot=tuple(data["buildroot"]),
        dist=data.get("dist", ""),
        releasever=data.get("releasever"),
        module_platform_id=data.get("module_platform_id"),
        macros=tuple(sorted(macros.items())),
        source_repositories=source_repositories,
    )


def _repository(entry: dict[str, Any]) -> Repository:
    return Repository(
        id=entry["id"],
        name=entry.get("name", entry["id"]),
        baseurl=tuple(entry["baseurl"]),
        gpgcheck=entry["gpgcheck"],
        repo_gpgcheck=entry.get("repo_gpgcheck", False),
        gpgkey=tuple(entry.get("gpgkey", ())),
        priority=entry.get("priority"),
        cost=entry.get("cost"),
        exclude=tuple(entry.get("exclude", ())),
    )


def _refuse_unsafe(repositories: tuple[Repository, ...], place: str) -> None:
    ids = [repository.id for repository in repositories]
    if len(set(ids)) != len(ids):
        raise TargetInvalid(f"{place}: two repositories have one id.")
    for repository in repositories:
        if any("$" in url or urlsplit(url).username for url in (*repository.baseurl, *repository.gpgkey)):
            raise TargetInvalid(
                f"{place}: repository {repository.id} has an address with a variable or a password in it.",
                solution="Write addresses out, since they are recorded in the lockfile; never write a password there.",
            )
        if repository.gpgcheck and not repository.gpgkey:
            raise TargetInvalid(
                f"{place}: repository {repository.id} has gpgcheck on but names no gpgkey.",
                solution="Name the keys that its packages are signed with under gpgkey.",
            )
