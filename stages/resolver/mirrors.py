"""What a target's mirrorlists and metalinks name: all mirrors for the lock, those that answer for dnf.

The order in which the lock records them must not depend on who asked from where: base URLs of
the target come first, then the mirrors sorted, https before http.  dnf gets a few that were tried,
in the order of the list, all with one and the same ``repomd.xml``: that of the metalink, if it is one.
They are given to it as a metalink again, so that it takes no other, whatever the mirrors do meanwhile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from urllib.request import OpenerDirector
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from hermetic_rpm.errors import RepositoryUnavailable
from hermetic_rpm.progress import Progress
from hermetic_rpm.target.model import Repository, Target
from stages.resolver import access, web
from stages.resolver.access import Access

INDEX = "repodata/repomd.xml"
MAX_LIST_BYTES = 2 << 20
MAX_INDEX_BYTES = 4 << 20
MAX_MIRRORS = 500
MAX_ADDRESS = 1000
LIST_SECONDS, INDEX_SECONDS = 30, 10
WANTED = 3
MAX_ASKED = 20
AT_ONCE = 8
"""Repositories whose lists are read at the same time."""

HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
SEGMENTS = r"(/([A-Za-z0-9_~+:=-][A-Za-z0-9._~+:=-]*)?)*"
MIRROR = re.compile(rf"https?://{HOST}(:({PORT}))?{SEGMENTS}")
"""A mirror's base URL: no password, no query, no escape, no way upwards."""

LOCAL = re.compile(rf"file://(?=/[^/]){SEGMENTS}")
"""What only a list on this file system may name."""

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What a list says: base URLs, best first, and the sha256 of each ``repomd.xml`` that is right, newest first.

    A mirrorlist says nothing of ``repomd.xml``.
    """

    mirrors: tuple[str, ...]
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """The mirrors that can be used, best first, the sha256 of their ``repomd.xml``, and why others were passed over."""

    working: tuple[str, ...]
    index: str
    passed_over: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expanded:
    """A target whose repositories all have base URLs: for dnf those that work, for the lock all that are known.

    ``lists`` are the metalinks for dnf: the repository of each, and its text.
    """

    working: Target
    recorded: Target
    lists: tuple[tuple[Repository, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    working: Repository
    recorded: Repository
    metalink: str | None = None
    said: str = ""
    passed_over: tuple[str, ...] = ()


def expand(target: Target, progress: Progress, given: Access = access.NONE) -> Expanded:
    """The target with the mirrors of its lists; raises `RepositoryUnavailable` for one that is of no use."""
    if not any(map(list_of, target.every_repository)):
        return Expanded(working=target, recorded=target)
    with progress.phase("mirrors"), ThreadPoolExecutor(AT_ONCE) as pool:
        entries = tuple(pool.map(partial(_expanded, given=given), target.every_repository))
    for entry in entries:
        for text in entry.passed_over:
            progress.warn(f"mirror of {entry.working.id} passed over: {text}")
        if entry.said:
            progress.say(entry.said)
    count = len(target.repositories)
    working, recorded = [entry.working for entry in entries], [entry.recorded for entry in entries]
    return Expanded(
        working=replace(target, repositories=tuple(working[:count]), source_repositories=tuple(working[count:])),
        recorded=replace(target, repositories=tuple(recorded[:count]), source_repositories=tuple(recorded[count:])),
        lists=tuple((entry.working, entry.metalink) for entry in entries if entry.metalink is not None),
    )


def list_of(repository: Repository) -> str | None:
    """The address of a repository's list; of two dnf takes the metalink."""
    return repository.metalink or repository.mirrorlist


def _expanded(repository: Repository, given: Access) -> _Entry:
    address = list_of(repository)
    if address is None:
        return _Entry(working=repository, recorded=repository)
    opener = given.opener(repository)
    listed = _read(repository, address, opener)
    tried = choose((*repository.baseurl, *listed.mirrors), listed.indexes, partial(_index, opener=opener))
    if not tried.working:
        reasons = "".join(f"\n  {text}" for text in tried.passed_over)
        raise RepositoryUnavailable(f"No mirror of the repository {repository.id} in {address} can be used:{reasons}")
    known = recorded(repository.baseurl, listed.mirrors)
    return _Entry(
        working=replace(repository, baseurl=tried.working),
        recorded=replace(repository, baseurl=known),
        metalink=render(tried),
        said=f"repository {repository.id} from {tried.working[0]}, one of {len(known)} mirrors",
        passed_over=tried.passed_over,
    )


def _read(repository: Repository, address: str, opener: OpenerDirector) -> Listed:
    try:
        content = web.read(address, limit=MAX_LIST_BYTES, seconds=LIST_SECONDS, opener=opener)
        return parse(content, metalink=repository.metalink is not None, local=address.startswith("file://"))
    except (web.Unreadable, ValueError) as error:
        text = f"The list of mirrors {address} of the repository {repository.id} cannot be used: {error}."
        raise RepositoryUnavailable(text) from error


def parse(content: bytes, *, metalink: bool, local: bool = False) -> Listed:
    """What a list says: pure; raises `ValueError` for what is none, or names no mirror that may be used.

    A mirrorlist may be a metalink as well, as dnf takes it.  Addresses that are no plain base URLs
    are left out; a ``local`` list may also name directories of this file system.
    """
    text = content.decode()
    if metalink or text.lstrip().startswith("<"):
        listed = _metalink(text)
    else:
        listed = Listed(mirrors=tuple(line.strip() for line in text.splitlines()))
    plain = tuple(
        dict.fromkeys(
            url.rstrip("/")
            for url in listed.mirrors
            if len(url) <= MAX_ADDRESS and (MIRROR.fullmatch(url) or (local and LOCAL.fullmatch(url)))
        )
    )  # fmt: skip
    if not plain:
        raise ValueError("it names no mirror with an http or https address")
    return replace(listed, mirrors=plain)


def _metalink(text: str) -> Listed:
    if "<!DOCTYPE" in text:
        raise ValueError("it has a document type, which no metalink needs")
    try:
        # As text it is UTF-8 to the parser whatever it says itself; without a document type it has no entities.
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"it is no XML: {error}") from error
    file = root.find("{*}files/{*}file[@name='repomd.xml']")
    if file is None:
        raise ValueError("it is no metalink of a repomd.xml")
    indexes = tuple(dict.fromkeys(_indexes(file)))
    if not indexes:
        raise ValueError("it gives no sha256 of repomd.xml")
    urls = sorted(file.iterfind("{*}resources/{*}url"), key=_preference, reverse=True)
    return Listed(
        mirrors=tuple(
            address.removesuffix(INDEX)
            for address in ((url.text or "").strip() for url in urls)
            if address.endswith(f"/{INDEX}")
        ),
        indexes=indexes,
    )


def _indexes(file: ElementTree.Element) -> Iterator[str]:
    for place in (file, *file.iterfind("{*}alternates/{*}alternate")):
        for found in place.iterfind("{*}verification/{*}hash[@type='sha256']"):
            value = (found.text or "").strip().lower()
            if SHA256.fullmatch(value):
                yield value


def render(tried: Tried) -> str:
    """A metalink of the mirrors that can be used: pure."""
    urls = "".join(
        f'<url preference="{100 - place}">{escape(url.rstrip("/"))}/{INDEX}</url>\n'
        for place, url in enumerate(tried.working)
    )
    return (
        '<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml">\n'
        f'<verification><hash type="sha256">{tried.index}</hash></verification>\n'
        f"<resources>\n{urls}</resources>\n</file></files></metalink>\n"
    )


def _preference(url: ElementTree.Element) -> int:
    text = url.get("preference", "")
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0


def recorded(baseurl: tuple[str, ...], listed: tuple[str, ...]) -> tuple[str, ...]:
    """The base URLs for the lock: pure; the same for the same mirrors in whatever order they were listed."""
    own = {url.rstrip("/") for url in baseurl}
    others = sorted({*listed} - own, key=lambda url: (not url.startswith("https:"), url))
    return (*baseurl, *others[:MAX_MIRRORS])


def choose(candidates: tuple[str, ...], indexes: tuple[str, ...], ask: Callable[[str], str]) -> Tried:
    """The first mirrors that have the newest of the right ``repomd.xml`` that any has; ``ask`` gives its sha256.

    Where nobody says which is right, it is that of the first mirror that answers.
    """
    found: dict[str, list[str]] = {}
    passed_over: list[str] = []
    right = indexes
    for url in candidates[:MAX_ASKED]:
        try:
            sha256 = ask(url)
        except web.Unreadable as error:
            passed_over.append(f"{url}: {error}")
            continue
        right = right or (sha256,)
        if sha256 not in right:
            passed_over.append(f"{url}: its repomd.xml is not {'that of the metalink' if indexes else 'the same'}")
            continue
        found.setdefault(sha256, []).append(url)
        if len(found.get(right[0], ())) == WANTED:
            break
    best = next((sha256 for sha256 in right if sha256 in found), "")
    return Tried(working=tuple(found.get(best, ())), index=best, passed_over=tuple(passed_over))


def _index(mirror: str, opener: OpenerDirector) -> str:
    address = f"{mirror.rstrip('/')}/{INDEX}"
    content = web.read(address, limit=MAX_INDEX_BYTES, seconds=INDEX_SECONDS, opener=opener)
    if b"<repomd" not in content:
        raise web.Unreadable(f"its {INDEX} is none")
    return hashlib.sha256(content).hexdigest()
