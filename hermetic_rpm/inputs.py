"""Further locked inputs: directories that package code may read, known by the digest of what is in them.

docs/reference/inputs.md defines that digest.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.errors import InputMismatch, InputRefused
from hermetic_rpm.files import sha256_of, writing_errors

PLACE = "/hermetic_inputs"
"""Where package code finds the directory of each input, under its name."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ROLE = "input:"
HEADER = b"hermetic-rpm input 1"
MODIFIED = 315532800
"""1980-01-01 in UTC, the first moment that a zip archive (thus a wheel) can name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A directory that package code may read, under a name."""

    name: str
    directory: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something in an input; ``kind`` is directory, file, executable or link, ``path`` relative to the input."""

    kind: str
    path: str


def role(name: str) -> str:
    """The role of an input among those of a result and of ``--expect``."""
    return f"{ROLE}{name}"


def is_role(text: str) -> bool:
    """Whether a role is that of an input."""
    return text.startswith(ROLE) and NAME.fullmatch(text.removeprefix(ROLE)) is not None


def entries(root: Path) -> tuple[Entry, ...]:
    """Everything below ``root``, sorted by the bytes of its path; raises `InputRefused`."""
    found = []
    try:
        if not root.is_dir():
            raise InputRefused(f"{root} is no directory.")
        for directory, names, others in os.walk(root, onerror=_unreadable):
            found += [_entry(root, Path(directory, name)) for name in (*names, *others)]
    except PermissionError as error:
        raise _refused(error) from error
    return tuple(sorted(found, key=lambda entry: os.fsencode(entry.path)))


def digest(root: Path) -> str:
    """The sha256 (hex) of all that is below a directory; raises `InputRefused`."""
    total = hashlib.sha256(HEADER + b"\0")
    for entry in entries(root):
        for field in (entry.kind, _content(entry.kind, root / entry.path), entry.path):
            total.update(os.fsencode(field) + b"\0")
    return total.hexdigest()


def unique(given: Iterable[Input]) -> tuple[Input, ...]:
    """The inputs, each with a name of its own; raises `InputRefused`."""
    inputs = tuple(given)
    twice = [name for name, count in Counter(one.name for one in inputs).items() if count > 1]
    if twice:
        raise InputRefused(f"Two inputs have the name {twice[0]}.", solution="Give each a name of its own.")
    return inputs


def take(given: Iterable[Input], destination: Path, expected: Mapping[str, str]) -> dict[str, str]:
    """Copy every input below ``destination``, which is made; returns the sha256 by role of what was copied.

    Package code is shown the copy: nobody changes it, everybody may read it, and modes and times
    are those that its digest tells.  Raises `InputRefused`, and `InputMismatch` unless each is as
    ``expected`` (sha256 by role).
    """
    found = {}
    with writing_errors(destination):
        destination.mkdir()
        for one in unique(given):
            _copy(one.directory, destination / one.name)
            found[role(one.name)] = digest(destination / one.name)
    expect(found, expected)
    return found


def expect(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Hold inputs against the checksums the caller was given, by role; raises `InputMismatch`."""
    for name in filter(is_role, expected):
        if found.get(name) != expected[name]:
            actual = f"has the sha256 {found[name]}" if name in found else "was not given"
            raise InputMismatch(f"The {name.replace(':', ' ')} {actual}, but {expected[name]} was expected.")


def _entry(root: Path, path: Path) -> Entry:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        kind = "link"
        _refuse_leaving(root, path)
    elif stat.S_ISDIR(mode):
        kind = "directory"
    elif stat.S_ISREG(mode):
        kind = "executable" if mode & stat.S_IXUSR else "file"
    else:
        raise InputRefused(f"{path} is neither file, directory nor link.")
    return Entry(kind=kind, path=str(path.relative_to(root)))


def _refuse_leaving(root: Path, link: Path) -> None:
    target = link.readlink()
    if target.is_absolute() or not Path(os.path.realpath(link)).is_relative_to(os.path.realpath(root)):
        raise InputRefused(f"The link {link} leads out of the input, to {target}.")


def _content(kind: str, path: Path) -> str:
    if kind == "directory":
        return ""
    if kind == "link":
        return os.readlink(path)  # noqa: PTH115 - a Path would lose a trailing slash
    try:
        return sha256_of(path)
    except OSError as error:
        raise _refused(error) from error


def _copy(source: Path, destination: Path) -> None:
    found = entries(source)
    destination.mkdir()
    for entry in found:
        to = destination / entry.path
        if entry.kind == "directory":
            to.mkdir()
        elif entry.kind == "link":
            to.symlink_to(os.readlink(source / entry.path))  # noqa: PTH115 - see above
        else:
            _copy_file(source / entry.path, to)
            to.chmod(0o755 if entry.kind == "executable" else 0o644)
    for entry in reversed(found):
        os.utime(destination / entry.path, (MODIFIED, MODIFIED), follow_symlinks=False)
    os.utime(destination, (MODIFIED, MODIFIED))


def _copy_file(source: Path, to: Path) -> None:
    try:
        shutil.copyfile(source, to, follow_symlinks=False)
    except PermissionError as error:
        raise _refused(error) from error


def _unreadable(error: OSError) -> None:
    raise _refused(error) from error


def _refused(error: OSError) -> InputRefused:
    return InputRefused(f"{error.filename} cannot be read: {error.strerror}.")
