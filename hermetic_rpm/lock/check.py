"""Every problem of a lock at once, each with its place; `join.load` stops at the first.

The documents may be wrong in any way, so they are read as plain data: what the schema already
refuses is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hermetic_rpm.document import Document, parse_json, read_bytes
from hermetic_rpm.document import problems as schema_problems
from hermetic_rpm.errors import HermeticError, LockInvalid, LockMismatch
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock import join, lockfile
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.sidecar import BOOTSTRAP, KEYS_DIRECTORY, PARTS_OF_REPOSITORIES, SIDECAR_NAME, inner_problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A problem, its place first; ``error`` is the class it would be raised as."""

    text: str
    error: type[HermeticError]


def check(path: Path) -> Lock:
    """The lock whose lockfile is ``path`` if nothing is wrong with it.

    Raises `LockInvalid` with all problems, or `LockMismatch` where each part is sound and only
    the whole is not.
    """
    found = problems(path)
    if not found:
        return join.load(path)
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    reason = "\n".join((f"{path} has {count}:", *(f"  {problem.text}" for problem in found)))
    raise (LockInvalid if any(problem.error is LockInvalid for problem in found) else LockMismatch)(reason)


def problems(path: Path) -> tuple[Problem, ...]:
    """Every problem of the lockfile, of the sidecar and the keys beside it, and between them."""
    beside = path.with_name(SIDECAR_NAME)
    found: list[Problem] = []
    locked = _document(path, "lockfile", found)
    if locked is not None:
        found += _duplicates(locked)
    if not beside.exists():
        if locked is not None:
            found += _file_names(locked, "url", "buildroot", "rpms")
        return tuple(found)
    before = len(found)
    sidecar = _document(beside, "sidecar", found)
    if sidecar is not None and len(found) == before:
        found += (Problem(text=f"{beside}: {line}", error=LockInvalid) for line in inner_problems(sidecar.data))
    if sidecar is not None:
        found += _sidecar_problems(sidecar)
        found += _key_problems(sidecar, path.parent)
    if locked is not None and sidecar is not None:
        found += _binding_problems(locked, sidecar)
    return tuple(found)


def _document(path: Path, schema: str, found: list[Problem]) -> Document | None:
    """The document if it is JSON at all; what the schema says of it is added to ``found``."""
    try:
        document = parse_json(read_bytes(path, LockInvalid), str(path), LockInvalid)
    except LockInvalid as error:
        found.append(Problem(text=error.reason, error=LockInvalid))
        return None
    found += (Problem(text=line, error=LockInvalid) for line in schema_problems(document, schema))
    return document


def _at(data: Any, *path: str) -> Any:
    """The value at ``path``, or None."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _rows(data: Any, *path: str) -> tuple[tuple[int, dict[str, Any]], ...]:
    """The objects of the array at ``path``, each with its index."""
    found = _at(data, *path)
    return tuple((i, row) for i, row in enumerate(found) if isinstance(row, dict)) if isinstance(found, list) else ()


def _repeated(document: Document, path: str, values: list[tuple[int, str]]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, value in values:
        first = seen.setdefault(value, index)
        if first != index:
            yield Problem(
                text=f"{document.name}: {path}[{index}]: {value} is already {path}[{first}]", error=LockInvalid
            )


def _duplicates(locked: Document) -> Iterator[Problem]:
    rows = _rows(locked.data, "buildroot", "rpms")
    nevras = [
        (i, f"{row.get('name')}-{row.get('epoch') or '0'}:{row.get('version')}-{row.get('release')}.{row.get('arch')}")
        for i, row in rows
    ]
    yield from _repeated(locked, "buildroot.rpms", nevras)


def _file_names(document: Document, field: str, *path: str) -> Iterator[Problem]:
    for index, row in _rows(document.data, *path):
        address = row.get(field)
        if isinstance(address, str) and join.file_name(urlsplit(address).path if field == "url" else address) is None:
            place = f"{document.name}: {'.'.join(path)}[{index}].{field}"
            yield Problem(text=f"{place}: {address!r} ends in no usable file name", error=LockInvalid)


def _sidecar_problems(sidecar: Document) -> Iterator[Problem]:
    for part in ("rpms", BOOTSTRAP):
        yield from _file_names(sidecar, "location", part)
    repositories = [(i, str(row.get("id"))) for i, row in _rows(sidecar.data, "repositories")]
    yield from _repeated(sidecar, "repositories", repositories)
    yield from _repeated(sidecar, "keys", [(i, str(row.get("path"))) for i, row in _rows(sidecar.data, "keys")])
    known = {repository for _, repository in repositories}
    for part in PARTS_OF_REPOSITORIES:
        for index, row in _rows(sidecar.data, part):
            repository = row.get("repository")
            if isinstance(repository, str) and repository not in known:
                text = f"{sidecar.name}: {part}[{index}].repository: no repository {repository!r} is described"
                yield Problem(text=text, error=LockInvalid)


def _key_problems(sidecar: Document, directory: Path) -> Iterator[Problem]:
    """What the files in ``keys/`` are not; paths that the schema refuses are never opened."""
    named = set()
    for index, row in _rows(sidecar.data, "keys"):
        name = str(row.get("path")).removeprefix(f"{KEYS_DIRECTORY}/")
        path = directory / KEYS_DIRECTORY / name
        named.add(name)
        if not isinstance(row.get("path"), str) or "/" in name or name.startswith("."):
            continue
        place = f"{sidecar.name}: keys[{index}]: {path}"
        if not path.is_file():
            yield Problem(text=f"{place} is missing", error=LockMismatch)
        elif (digest := sha256_of(path)) != row.get("sha256"):
            yield Problem(text=f"{place} has the sha256 {digest}, not the recorded one", error=LockMismatch)
    kept = directory / KEYS_DIRECTORY
    for extra in sorted({path.name for path in kept.iterdir()} - named) if kept.is_dir() else ():
        yield Problem(text=f"{kept / extra}: the sidecar names no such key", error=LockMismatch)


def _binding_problems(locked: Document, sidecar: Document) -> Iterator[Problem]:
    digest, bound = lockfile.sha256(locked.content), _at(sidecar.data, "lockfile_sha256")
    if isinstance(bound, str) and bound != digest:
        yield _mismatch(sidecar, "lockfile_sha256", f"{bound} is another lockfile; the one beside it has {digest}")
    rows, sources = _at(locked.data, "buildroot", "rpms"), _at(sidecar.data, "rpms")
    if isinstance(rows, list) and isinstance(sources, list) and len(rows) != len(sources):
        yield _mismatch(sidecar, "rpms", f"describes {len(sources)} packages, the lockfile {len(rows)}")
    image, pulled = _at(sidecar.data, "image", "manifest", "digest"), _at(locked.data, "bootstrap", "pull_digest")
    if isinstance(image, str) and isinstance(pulled, str) and image != pulled:
        yield _mismatch(sidecar, "image.manifest.digest", f"{image} is another image than the lockfile's {pulled}")
    if _rows(sidecar.data, BOOTSTRAP) and _at(locked.data, "config", "bootstrap_image_ready") is True:
        yield _mismatch(sidecar, BOOTSTRAP, "completes an image which the lockfile calls ready")


def _mismatch(document: Document, path: str, what: str) -> Problem:
    return Problem(text=f"{document.name}: {path}: {what}", error=LockMismatch)
