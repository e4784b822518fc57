"""What the repositories of a lock would give today, and what of the lock nobody gives any more.

Nothing is kept and nothing is believed but sizes: it is a question, and the answer goes to people.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hermetic_rpm import process
from hermetic_rpm.errors import ChecksumsMissing
from hermetic_rpm.lock import evr, join
from hermetic_rpm.lock.model import Lock, Package, RepositorySource, Sidecar
from hermetic_rpm.progress import Progress
from stages.fetcher import access, origins, sources
from stages.fetcher.access import Given
from stages.fetcher.connections import Answer, Sink, WrongAnswerError
from stages.fetcher.download import CONTENT_RANGE
from stages.fetcher.origins import Origin, origin_of
from stages.fetcher.sources import Alternatives
from stages.fetcher.transport import OK, RANGE_REFUSED, Transport

INDEX = "repodata/repomd.xml"
MAX_INDEX_BYTES = 4 << 20
MAX_PRIMARY_BYTES = 512 << 20
READ_SECONDS = 600
MAX_ADDRESSES = 10
"""So many addresses of a file are asked."""

SILENT_TIMES = 3
"""So often nobody answered: the origin is asked no more."""

WORKER = Path(__file__).with_name("offered.py")
OUTDATED = "outdated"

Names = tuple[str, str]
"""name and architecture of a package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the fetcher is asked: the lock, and how servers are reached."""

    lockfile: Path
    allow_origins: tuple[str, ...]
    alternatives: Alternatives
    access: Given
    workers: int
    idle_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A version of a package in a repository."""

    repository: str
    evr: evr.Evr


class Servers:
    """What is asked of declared origins only, and no more of one where nobody answers; for several threads."""

    def __init__(self, transport: Transport, allowed: frozenset[Origin]) -> None:
        self._transport = transport
        self._allowed = allowed
        self._silent: Counter[Origin] = Counter()

    def size(self, url: str) -> int | None:
        """The bytes of a file as its server tells them, None if it tells only that it is there."""
        self._refuse(url)
        if url.startswith("file://"):
            return _local_size(url)
        answer = self._get(url, {"Range": "bytes=0-0"}, lambda _: None)
        if answer.status == RANGE_REFUSED:
            raise WrongAnswerError("it is empty")
        if answer.status == OK:
            text = answer.headers.get("content-length", "")
            return int(text) if text.isdecimal() else None
        found = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        return int(found[2]) if found is not None and found[2] != "*" else None

    def read(self, url: str, limit: int) -> bytes:
        """The bytes at an address, ``limit`` at most."""
        self._refuse(url)
        content = bytearray()
        end = time.monotonic() + READ_SECONDS

        def take(piece: bytes) -> None:
            content.extend(piece)
            if len(content) > limit:
                raise WrongAnswerError(f"it is larger than {limit} bytes")
            if time.monotonic() > end:
                raise WrongAnswerError(f"it is not complete after {READ_SECONDS} seconds")

        if url.startswith("file://"):
            take(_local_bytes(url, limit + 1))
        else:
            self._get(url, {}, lambda _: take)
        return bytes(content)

    def _get(self, url: str, headers: dict[str, str], sink: Sink) -> Answer:
        origin = origin_of(url)
        if self._silent[origin] >= SILENT_TIMES:
            raise WrongAnswerError("nobody answers there")
        try:
            return self._transport.get(url, headers, sink)
        except WrongAnswerError as error:
            self._silent[origin] += error.unreachable
            raise

    def _refuse(self, url: str) -> None:
        if not origins.is_allowed(url, self._allowed):
            raise WrongAnswerError("its origin is declared by nobody")


def _local(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _local_bytes(url: str, size: int) -> bytes:
    try:
        with _local(url).open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise WrongAnswerError(str(error.strerror)) from error


def _local_size(url: str) -> int:
    try:
        return _local(url).stat().st_size
    except OSError as error:
        raise WrongAnswerError(str(error.strerror)) from error


def line(request: Request, progress: Progress) -> str:
    """The answer as a line of JSON; raises `ChecksumsMissing` for a lock without sidecar."""
    lock = join.load(request.lockfile)
    if lock.sidecar is None:
        raise ChecksumsMissing("The lock has no sidecar, so that it does not say what repositories there are.")
    allowed = origins.allowed_origins(lock, (*request.allow_origins, *request.alternatives.named))
    transport = Transport(allowed=allowed, access=access.read(request.access), idle_seconds=request.idle_seconds)
    servers = Servers(transport, allowed)
    silent: dict[str, str] = {}
    offers: dict[Names, list[Offer]] = {}
    wanted = frozenset((package.rpm.name, package.rpm.arch) for package in lock.every_package)
    for repository in repositories(lock.sidecar):
        progress.say(f"asking {repository.id}")
        try:
            for name, found in _offered(servers, repository, wanted):
                offers.setdefault(name, []).append(found)
        except WrongAnswerError as error:
            silent[repository.id] = str(error)
    progress.say(f"asking for {len(lock.every_package)} packages")
    with ThreadPoolExecutor(request.workers) as pool:
        answers = tuple(pool.map(lambda package: _gone(servers, lock, package, request), lock.every_package))
    rows = [
        _row(package, newest(package, offers), gone)
        for package, gone in zip(lock.every_package, answers, strict=True)
    ]  # fmt: skip
    return json.dumps({OUTDATED: {"packages": rows, "repositories": silent}}, sort_keys=True)


def repositories(sidecar: Sidecar) -> tuple[RepositorySource, ...]:
    """The repositories of packages: pure; those of source RPMs alone are not asked."""
    used = {rpm.repository for rpm in (*sidecar.rpms, *(package.source for package in sidecar.bootstrap_packages))}
    of_sources = {entry.repository for entry in sidecar.sources or ()} - used
    return tuple(repository for repository in sidecar.repositories if repository.id not in of_sources)


def newest(package: Package, offers: dict[Names, list[Offer]]) -> Offer | None:
    """The newest version that is newer than the locked one, of several repositories the first's: pure."""
    rpm = package.rpm
    mine = (rpm.epoch, rpm.version, rpm.release)
    newer = [offer for offer in offers.get((rpm.name, rpm.arch), ()) if evr.compare(offer.evr, mine) > 0]
    order = cmp_to_key(evr.compare)
    return max(newer, key=lambda offer: order(offer.evr), default=None)


def _row(package: Package, newer: Offer | None, gone: tuple[str, ...]) -> dict[str, Any]:
    rpm = package.rpm
    found = None
    if newer is not None:
        epoch, version, release = newer.evr
        prefix = f"{epoch}:" if epoch not in (None, "0") else ""
        found = {"repository": newer.repository, "evr": f"{prefix}{version}-{release}"}
    return {"package": rpm.nevra, "name": rpm.name, "arch": rpm.arch, "newer": found, "gone": list(gone)}


def _offered(
    servers: Servers, repository: RepositorySource, wanted: Iterable[Names]
) -> list[tuple[Names, Offer]]:  # fmt: skip
    """What a repository has of the wanted packages, from its first base URL that answers."""
    answers = []
    for base in _bases(repository):
        try:
            with tempfile.TemporaryDirectory() as directory:
                path = _primary(servers, base, Path(directory))
                rows = _ask({"primary": str(path), "wanted": sorted(wanted)})
        except WrongAnswerError as error:
            answers.append(f"{base}: {error}")
            continue
        return [
            ((name, arch), Offer(repository=repository.id, evr=(epoch, version, release)))
            for name, arch, epoch, version, release in rows
        ]
    raise WrongAnswerError("; ".join(answers) or "it has no address that is asked")


def _primary(servers: Servers, base: str, directory: Path) -> Path:
    """The list of packages, as the index names it by sha256."""
    (directory / "repomd.xml").write_bytes(servers.read(f"{base}/{INDEX}", MAX_INDEX_BYTES))
    named = _ask({"index": str(directory / "repomd.xml")})
    content = servers.read(f"{base}/{named['location']}", min(named["size"], MAX_PRIMARY_BYTES))
    if hashlib.sha256(content).hexdigest() != named["sha256"]:
        raise WrongAnswerError("its list of packages is not the one that its index names")
    path = directory / Path(named["location"]).name
    path.write_bytes(content)
    return path


def _ask(question: dict[str, Any]) -> Any:
    done = process.run_worker(str(WORKER), question)
    if done.returncode != 0:
        raise WrongAnswerError("its metadata cannot be parsed")
    return json.loads(done.stdout)


def _bases(repository: RepositorySource) -> tuple[str, ...]:
    urls = (base.rstrip("/") for base in repository.base_urls if not base.startswith("ftp://"))
    return tuple(urls)[:MAX_ADDRESSES]


def _gone(servers: Servers, lock: Lock, package: Package, request: Request) -> tuple[str, ...]:
    """What each address answered if none has the package; nothing if one has."""
    assert package.source is not None
    answers = []
    for url in sources.urls(lock, package, request.alternatives)[:MAX_ADDRESSES]:
        try:
            size = servers.size(url)
            if size in (None, package.source.size):
                return ()
            answers.append(f"{url}: it has {size} bytes instead of {package.source.size}")
        except WrongAnswerError as error:
            answers.append(f"{url}: {error}")
    return tuple(answers)
