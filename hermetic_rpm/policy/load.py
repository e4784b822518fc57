"""Policy files: validated, every mistake with its place, turned into a `Policy`."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hermetic_rpm import licences, near
from hermetic_rpm.document import Document, checked, parse_yaml, read_bytes
from hermetic_rpm.errors import PolicyInvalid
from hermetic_rpm.policy import places, versions
from hermetic_rpm.policy.model import GIVEN, Age, Denied, Images, Licences, Policy


def load(path: Path) -> Policy:
    """The policy that a file holds; raises `PolicyInvalid` with every mistake and its line."""
    return parse(read_bytes(path, PolicyInvalid), str(path))


def parse(content: bytes, name: str) -> Policy:
    """The policy that ``content`` (YAML) holds."""
    document = parse_yaml(content, name, PolicyInvalid)
    data: Any = checked(document, "policy", PolicyInvalid)
    problems = (*_origin_problems(document), *_licence_problems(document), *_range_problems(document))
    if problems:
        raise PolicyInvalid("\n".join((f"{name} is not valid:", *(f"  {line}" for line in problems))))
    age = data.get("age")
    return Policy(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        sidecar_required=data.get("sidecar") == "required",
        origins=_texts(data, "origins"),
        images=_images(data.get("images")),
        signing_keys=None if "signing_keys" not in data else tuple(key.lower() for key in data["signing_keys"]),
        licences=_licences(data.get("licences")),
        denied=tuple(_denied(entry) for entry in data.get("denied", ())),
        age=None if age is None else Age(maximum_days=age["maximum_days"], date=age.get("date", GIVEN)),
    )


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    return None if key not in data else tuple(data[key])


def _images(data: Mapping[str, Any] | None) -> Images | None:
    if data is None:
        return None
    return Images(
        registries=_texts(data, "registries"), directories=_texts(data, "directories") or (),
        digests=_texts(data, "digests"),
    )  # fmt: skip


def _licences(data: Mapping[str, Any] | None) -> Licences | None:
    if data is None:
        return None
    return Licences(
        allow=None if "allow" not in data else tuple(_spelled(entry) for entry in data["allow"]),
        deny=tuple(_spelled(entry) for entry in data.get("deny", ())),
        not_spdx=data.get("not_spdx") == "accept",
        texts=tuple(data.get("texts", ())),
    )


def _denied(entry: Mapping[str, str]) -> Denied:
    written = entry.get("versions", "")
    return Denied(
        package=entry["package"], versions=versions.parse_range(written) if written else (), written=written,
        reason=entry.get("reason", ""),
    )  # fmt: skip


def _spelled(entry: str) -> str:
    """An entry as the SPDX list spells it; globs stay as they are."""
    found = licences.parse(entry)
    return entry if found is None else str(found)


def _origin_problems(document: Document) -> Iterable[str]:
    for index, url in enumerate(document.data.get("origins", ())):
        if places.split(url) is None:
            yield f"{document.place(('origins', index))}: origins[{index}]: {url!r} is no address with a plain path"


def _licence_problems(document: Document) -> Iterable[str]:
    """Entries that no licence can ever match: a mistyped denial would deny nothing."""
    data = document.data.get("licences", {})
    for key in ("allow", "deny"):
        for index, entry in enumerate(data.get(key, ())):
            if not _can_match(entry):
                hint = near.aside((entry,), licences.identifiers().licences.values())
                place = document.place(("licences", key, index))
                yield f"{place}: licences.{key}[{index}]: {entry!r} is no licence of the SPDX list{hint}"


def _can_match(entry: str) -> bool:
    licence, _, exception = entry.partition(" WITH ")
    names = licences.identifiers()
    if exception and not _matches_some(exception, names.exceptions.values()):
        return False
    return licences.known(licence) is not None or (
        "*" in licence and ("LicenseRef-" in licence or _matches_some(licence, names.licences.values()))
    )


def _matches_some(glob: str, names: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), glob.lower()) for name in names)


def _range_problems(document: Document) -> Iterable[str]:
    for index, entry in enumerate(document.data.get("denied", ())):
        try:
            versions.parse_range(entry.get("versions", "= 0"))
        except ValueError as error:
            yield f"{document.place(('denied', index, 'versions'))}: denied[{index}].versions: {error}"
