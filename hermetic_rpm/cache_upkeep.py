"""What lies in the cache, and how it is kept sound and small while stages use it.

Nothing here waits for a stage: what a running one holds is left alone, and an entry that
vanishes under a fetcher is fetched again by it (see `hermetic_rpm.cache`).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.cache import ENTRIES, INCOMPLETE, LOCK
from hermetic_rpm.errors import OutputRefused
from hermetic_rpm.files import writing_errors

PACKAGES = "packages"
METADATA = "repository metadata"
BUILDROOTS = "minimal buildroots"
HALF_MADE = "half-made"
KINDS = (PACKAGES, METADATA, BUILDROOTS, HALF_MADE)

DNF_DIRECTORY, BUILDROOT_DIRECTORY = "dnf", "buildroots"
DIGEST = re.compile(r"[0-9a-f]{64}")
FOREIGN = (
    "Use the cache as the user whose containers fill it; what belongs to a range of ids of that user's containers "
    "can be used with `podman unshare hermetic-rpm cache …`."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """What is removed whole or not at all: a file with all its names here, or the metadata of a target.

    ``size`` in bytes; ``used`` is when it was last of use (nanoseconds since 1970); ``shared``
    says that it has a further name elsewhere, in a repository.  Whoever uses it holds one of the
    ``locks`` (flock).
    """

    kind: str
    paths: tuple[Path, ...]
    size: int
    used: int
    shared: bool = False
    locks: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """The entries that were hashed, those that are not what their name says, and what killed runs left."""

    checked: int
    corrupt: tuple[Path, ...]
    half_made: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """The items that had to go, and those that stay; of these a running stage holds some."""

    removed: tuple[Item, ...]
    kept: tuple[Item, ...]
    held: tuple[Item, ...]


def scan(cache: Path) -> tuple[Item, ...]:
    """Everything in the cache, by kind; raises `OutputRefused` where it cannot be read."""
    with _refusing(cache):
        return (*_packages(cache), *_metadata(cache), *_buildroots(cache), *_half_made(cache))


def beyond(items: Iterable[Item], excess: int) -> tuple[Item, ...]:
    """The least recently used items that have ``excess`` bytes together, or all of them: pure."""
    chosen = []
    for item in sorted(items, key=lambda item: (item.used, item.paths)):
        if excess <= 0:
            break
        chosen.append(item)
        excess -= item.size
    return tuple(chosen)


def collect(cache: Path, max_size: int, *, dry_run: bool = False) -> Collected:
    """Remove what killed runs left and the least recently used items, until the rest has ``max_size`` bytes at most.

    An item that a stage holds stays, and so does everything with ``dry_run``.
    """
    with _refusing(cache), _idle(_locks(cache)) as idle:
        items = scan(cache)
        free = [item for item in items if idle.issuperset(item.locks)]
        dead = tuple(item for item in free if item.kind == HALF_MADE)
        excess = sum(item.size for item in items) - sum(item.size for item in dead) - max_size
        removed = dead + beyond((item for item in free if item not in dead), excess)
        for item in () if dry_run else removed:
            _remove(item)
    gone = frozenset(removed)
    kept = tuple(item for item in items if item not in gone)
    return Collected(removed=removed, kept=kept, held=tuple(item for item in kept if not idle.issuperset(item.locks)))


def verify(cache: Path, *, dry_run: bool = False) -> Verified:
    """Hash every entry, and remove the corrupt ones and what killed runs left (not with ``dry_run``)."""
    with _refusing(cache):
        entries = [path for path in _walk(cache / ENTRIES) if _is_entry(path)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            sound = list(pool.map(_is_sound, entries))
        corrupt = tuple(path for path, good in zip(entries, sound, strict=True) if not good)
        with _idle([cache / LOCK]) as idle:
            dead = _half_made(cache) if idle else ()
            if not dry_run:
                for path in corrupt:
                    path.unlink(missing_ok=True)
                for item in dead:
                    _remove(item)
    return Verified(checked=len(entries), corrupt=corrupt, half_made=dead)


# -- looking ------------------------------------------------------------------------------


def _packages(cache: Path) -> tuple[Item, ...]:
    """Each file once, whether it is an entry, a package that dnf kept, or both by one link."""
    names: dict[tuple[int, int], list[Path]] = defaultdict(list)
    facts: dict[tuple[int, int], os.stat_result] = {}
    entries = (path for path in _walk(cache / ENTRIES) if _is_entry(path))
    for path in (*entries, *(path for path in _walk(cache / DNF_DIRECTORY) if _is_package_of_dnf(path))):
        if found := _facts(path):
            identity = (found.st_dev, found.st_ino)
            names[identity].append(path)
            facts[identity] = found
    return tuple(
        Item(
            kind=PACKAGES, paths=tuple(paths), size=facts[identity].st_size, used=facts[identity].st_atime_ns,
            shared=facts[identity].st_nlink > len(paths),
            locks=tuple(sorted({_dnf_lock(cache, path) for path in paths if _is_package_of_dnf(path)})),
        )
        for identity, paths in names.items()
    )  # fmt: skip


def _metadata(cache: Path) -> tuple[Item, ...]:
    """What dnf keeps for each target besides packages."""
    names: dict[Path, list[Path]] = defaultdict(list)
    for path in _walk(cache / DNF_DIRECTORY):
        if path.parent != cache / DNF_DIRECTORY and not _is_package_of_dnf(path):
            names[_dnf_lock(cache, path)].append(path)
    return tuple(
        Item(
            kind=METADATA, locks=(lock,), used=_modified(lock),
            size=sum(found.st_size for path in paths if (found := _facts(path))),
            paths=tuple(sorted(paths, key=lambda path: (path.name != "repomd.xml", path))),
        )
        for lock, paths in sorted(names.items())
    )  # fmt: skip


def _buildroots(cache: Path) -> tuple[Item, ...]:
    archives = (path for path in _names(cache / BUILDROOT_DIRECTORY) if path.suffix == ".tar")
    return tuple(
        Item(kind=BUILDROOTS, paths=(path,), size=found.st_size, used=found.st_mtime_ns)
        for path in archives
        if (found := _facts(path))
    )


def _half_made(cache: Path) -> tuple[Item, ...]:
    """Files and directories without their final name: of a stage that writes now, or of one that was killed."""
    places = (*_names(cache / ENTRIES), cache / BUILDROOT_DIRECTORY)
    return tuple(
        Item(
            kind=HALF_MADE, paths=(path,), used=_modified(path), locks=(cache / LOCK,),
            size=sum(found.st_size for file in (path, *_walk(path)) if (found := _facts(file))),
        )
        for place in places
        for path in _names(place)
        if path.name.startswith(INCOMPLETE)
    )  # fmt: skip


def _is_entry(path: Path) -> bool:
    return DIGEST.fullmatch(path.name) is not None and path.parent.name == path.name[:2] and _facts(path) is not None


def _is_package_of_dnf(path: Path) -> bool:
    return path.parent.name == "packages"


def _dnf_lock(cache: Path, path: Path) -> Path:
    """What a resolver locks while it uses the directory of a target that ``path`` lies in."""
    target = path.relative_to(cache / DNF_DIRECTORY).parts[0]
    return cache / DNF_DIRECTORY / f"{target}.lock"


def _walk(directory: Path) -> Iterator[Path]:
    """Everything below that is no directory, links unfollowed, sorted; nothing where there is no directory."""
    for parent, directories, names in os.walk(directory, onerror=_unless_missing):
        directories.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _names(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _facts(path: Path) -> os.stat_result | None:
    """None for what is no regular file, or has just vanished."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _modified(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0


# -- acting -------------------------------------------------------------------------------


def _is_sound(path: Path) -> bool:
    """Whether the content of an entry is what its name says; one that has vanished meanwhile does no harm."""
    try:
        with open(path, "rb", opener=_unnoticed) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == path.name
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EIO:  # the disk has lost it
            return False
        raise


def _unnoticed(path: str, flags: int) -> int:
    """Open without a new access time, which tells when an entry was of use."""
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # only the owner may
        return os.open(path, flags)


def _locks(cache: Path) -> list[Path]:
    return [cache / LOCK, *(path for path in _names(cache / DNF_DIRECTORY) if path.suffix == ".lock")]


@contextlib.contextmanager
def _idle(locks: Iterable[Path]) -> Iterator[frozenset[Path]]:
    """Hold those of the locks that no stage holds, and say which; nobody gets these before the end."""
    with contextlib.ExitStack() as stack:
        held = set()
        for path in locks:
            lock = stack.enter_context(path.open("a"))  # the time of its last use stays
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.add(path)
        yield frozenset(held)


def _remove(item: Item) -> None:
    for path in item.paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _refusing(cache: Path) -> Iterator[None]:
    try:
        with writing_errors(cache):
            yield
    except OutputRefused as error:
        if isinstance(error.__cause__, PermissionError):
            raise OutputRefused(f"{error.__cause__.filename} belongs to another user.", solution=FOREIGN) from error
        raise
