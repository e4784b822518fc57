"""One file from its addresses: bounded by its locked size, resumed where it broke, never believed.

All addresses are asked in rounds: another one is sooner right than the same one again.  A
file ends up under a temporary name with the size and sha256 that were asked for, or every
address answered wrongly.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from hermetic_rpm.files import CHUNK_BYTES, begin_to_sync, writing_errors
from stages.fetcher.connections import Answer, Taker, WrongAnswerError
from stages.fetcher.origins import Origin, origin_of
from stages.fetcher.transport import OK, PARTIAL, RANGE_REFUSED, Transport

MAX_WAIT_SECONDS = 120
UNREACHABLE_TIMES = 3
"""So often in a row nobody answered: the origin is asked last from then on."""

MAX_UNKNOWN_BYTES = 8 << 30
"""The bound for a file whose size nobody recorded (a lock without sidecar)."""

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]+/([0-9]+|\*)")


class NobodyGivesError(Exception):
    """No address gave the file; the text has all answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file to get: its addresses in order, and what is known of its bytes."""

    urls: tuple[str, ...]
    sha256: str | None
    size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How often all addresses are asked, and how many seconds one may give (nearly) nothing."""

    rounds: int = 4
    idle_seconds: float = 60


class Downloader:
    """Downloads over shared connections; safe to use from several threads."""

    def __init__(self, transport: Transport, *, patience: Patience, warn: Callable[[str], None]) -> None:
        self._transport = transport
        self._patience = patience
        self._warn = warn
        self._unreachable: Counter[Origin] = Counter()
        self._told: Counter[Origin] = Counter()
        self._ended = threading.Event()

    def end(self) -> None:
        """Make running downloads give up soon."""
        self._ended.set()

    def fetch(self, wanted: Wanted, destination: Path, received: Callable[[int], None]) -> str:
        """Get the file under ``destination``; returns the address that gave it, raises `NobodyGivesError`.

        It may not be on the disk yet: that is for whoever gives it its name (`hermetic_rpm.files.sync`).
        ``received`` is told how many bytes came, a negative number where some are thrown away.
        """
        answers: dict[str, WrongAnswerError] = {}
        with writing_errors(destination), destination.open("wb") as stream:
            part = _Part(stream, received)
            for attempt in range(self._patience.rounds):
                self._pause(attempt, answers)
                for url in self._promising(wanted.urls, answers):
                    try:
                        self._once(url, wanted, part)
                    except WrongAnswerError as error:
                        answers[url] = error
                        self._unreachable[origin_of(url)] += error.unreachable
                        if error.whole or not error.again:
                            part.restart(None)
                    else:
                        self._unreachable.pop(origin_of(url), None)
                        self._tell(answers)
                        begin_to_sync(stream)
                        return url
            part.restart(None)
        destination.unlink()
        raise NobodyGivesError("; ".join(f"{url}: {error}" for url, error in answers.items()))

    def _promising(self, urls: tuple[str, ...], answers: dict[str, WrongAnswerError]) -> Iterator[str]:
        """The addresses worth asking (again), those of origins where nobody answers last."""
        worth = [url for url in urls if url not in answers or answers[url].again]
        for url in sorted(worth, key=lambda url: self._unreachable[origin_of(url)] >= UNREACHABLE_TIMES):
            if not self._ended.is_set():
                yield url

    def _tell(self, answers: dict[str, WrongAnswerError]) -> None:
        """Warn of the addresses that did not give what another one gave; of a dead origin not for every file."""
        for url, error in answers.items():
            origin = origin_of(url)
            self._told[origin] += error.unreachable
            if not error.unreachable or self._told[origin] <= UNREACHABLE_TIMES:
                self._warn(f"{url}: {error}")

    def _pause(self, attempt: int, answers: dict[str, WrongAnswerError]) -> None:
        """Between two rounds: longer each time, with jitter, and as long as a busy server asks."""
        again = [error for error in answers.values() if error.again]
        if again and not self._ended.is_set():
            backoff = random.uniform(0.5, 1.0) * 2 ** (attempt - 1)  # noqa: S311 - only jitter
            asked = min(error.after for error in again)
            self._ended.wait(min(max(backoff, asked), MAX_WAIT_SECONDS))

    def _once(self, url: str, wanted: Wanted, part: _Part) -> None:
        limit = MAX_UNKNOWN_BYTES if wanted.size is None else wanted.size

        def take(piece: bytes) -> None:
            if part.size + len(piece) > limit:
                raise WrongAnswerError(f"it is larger than the {limit} bytes that are locked")
            if self._ended.is_set():
                raise WrongAnswerError("it was given up")
            part.add(piece)

        self._ask(url, wanted, part, take)
        if wanted.size is not None and part.size != wanted.size:
            raise WrongAnswerError(f"it has {part.size} bytes instead of {wanted.size}", again=True, whole=True)
        if wanted.sha256 is not None and part.sha256 != wanted.sha256:
            again = part.resumed
            raise WrongAnswerError(f"its sha256 is {part.sha256}, locked is {wanted.sha256}", again=again, whole=True)

    def _ask(self, url: str, wanted: Wanted, part: _Part, take: Taker) -> None:
        """Have ``take`` given the bytes at an address, from where ``part`` ends if its server goes on there."""

        def begin(answer: Answer) -> Taker:
            part.accept(answer, url, wanted.size)
            return take

        if url.startswith("file://"):
            part.restart(None)
            for piece in _local_pieces(url):
                take(piece)
        else:
            self._transport.get(url, part.headers(url), begin)


class _Part:
    """What is there of a file, and whether its server can be asked for the rest only."""

    def __init__(self, stream: IO[bytes], received: Callable[[int], None]) -> None:
        self._stream = stream
        self._received = received
        self._digest = hashlib.sha256()
        self._url: str | None = None
        self._validator: str | None = None
        self.size = 0
        self.resumed = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, piece: bytes) -> None:
        self._stream.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._received(len(piece))

    def restart(self, url: str | None, validator: str | None = None) -> None:
        """Throw away what is there; ``validator`` says which version of the file comes now.

        A new file is not truncated: ext4 would write it to the disk at once when it is closed.
        """
        if self.size:
            self._received(-self.size)
            self._stream.seek(0)
            self._stream.truncate()
            self._digest = hashlib.sha256()
        self._url, self._validator = url, validator
        self.size, self.resumed = 0, False

    def headers(self, url: str) -> dict[str, str]:
        """Ask for the rest, provided that the file is still the one that began to come from this address."""
        if url != self._url or self._validator is None or self.size == 0:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def accept(self, answer: Answer, url: str, total: int | None) -> None:
        """Continue or start over, as the server answered; raises `WrongAnswerError` for an answer that fits neither."""
        if answer.status == OK:
            self.restart(url, _validator(answer))
            return
        found = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        fits = answer.status == PARTIAL and found is not None and int(found[1]) == self.size > 0
        if not fits or (found is not None and total is not None and found[2] not in ("*", str(total))):
            refused = answer.status == RANGE_REFUSED
            self.restart(None)
            raise WrongAnswerError("it refuses to go on" if refused else "it goes on at another place", again=True)
        self.resumed = True


def _validator(answer: Answer) -> str | None:
    """What names this version of the file to its server: a strong entity tag, or its date."""
    tag = answer.headers.get("etag", "")
    return tag if tag.startswith('"') else answer.headers.get("last-modified")


def _local_pieces(url: str) -> Iterator[bytes]:
    path = Path(unquote(urlsplit(url).path))
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise WrongAnswerError("it is no file")
            while piece := stream.read(CHUNK_BYTES):
                yield piece
    except OSError as error:
        raise WrongAnswerError(f"{error.strerror}") from error
