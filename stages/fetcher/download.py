"""One file from its addresses in order: bounded by its locked size, never believed.

The adapter of requests.  A file ends up under a temporary name with the size and sha256
that were asked for, or the address answered wrongly and the next one is tried.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hermetic_rpm.files import CHUNK_BYTES, writing_errors
from stages.fetcher.sources import Origin, is_allowed

ATTEMPTS = 4
REDIRECTS = 5
SLOW_BYTES_PER_SECOND, SLOW_AFTER_SECONDS = 1024, 60
TIMEOUT_SECONDS = (20, 60)
"""For connecting, and without a byte."""

WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
MAX_UNKNOWN_BYTES = 8 << 30
"""The bound for a file whose size nobody recorded (a lock without sidecar)."""


class WrongAnswerError(Exception):
    """An address does not give the file; ``again`` where another try may help."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file to get: its addresses in order, and what is known of its bytes."""

    urls: tuple[str, ...]
    sha256: str | None
    size: int | None


class Downloader:
    """Downloads over shared connections; safe to use from several threads."""

    def __init__(self, *, workers: int, allowed: frozenset[Origin], warn: Callable[[str], None]) -> None:
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=workers))
        self._allowed = allowed
        self._warn = warn
        self._ended = threading.Event()

    def end(self) -> None:
        """Make running downloads give up soon."""
        self._ended.set()

    def fetch(self, wanted: Wanted, destination: Path) -> str | None:
        """Get the file under ``destination``; returns None, or the answers of all addresses."""
        answers: list[str] = []
        for url in wanted.urls:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._once(url, wanted, destination)
                except WrongAnswerError as error:
                    destination.unlink(missing_ok=True)
                    if error.again and attempt < ATTEMPTS and not self._ended.is_set():
                        self._ended.wait(random.uniform(0.5, 1.0) * 2 ** (attempt - 1))  # noqa: S311 - only jitter
                        continue
                    answers.append(f"{url}: {error}")
                    break
                for answer in answers:
                    self._warn(answer)
                return None
        return "; ".join(answers)

    def _once(self, url: str, wanted: Wanted, destination: Path) -> None:
        limit = MAX_UNKNOWN_BYTES if wanted.size is None else wanted.size
        digest, size = hashlib.sha256(), 0
        with writing_errors(destination), destination.open("wb") as stream:
            for piece in self._pieces(url):
                size += len(piece)
                if size > limit:
                    raise WrongAnswerError(f"it is larger than the {limit} bytes that are locked")
                if self._ended.is_set():
                    raise WrongAnswerError("it was given up")
                digest.update(piece)
                stream.write(piece)
        if wanted.size is not None and size != wanted.size:
            raise WrongAnswerError(f"it has {size} bytes instead of {wanted.size}", again=True)
        if wanted.sha256 is not None and digest.hexdigest() != wanted.sha256:
            raise WrongAnswerError(f"its sha256 is {digest.hexdigest()}, locked is {wanted.sha256}")

    def _pieces(self, url: str) -> Iterator[bytes]:
        if url.startswith("file://"):
            yield from _local_pieces(url)
            return
        try:
            with self._open(url) as answer:
                yield from self._body(answer)
        except requests.exceptions.SSLError as error:
            raise WrongAnswerError(f"TLS failed: {_short(error)}") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise WrongAnswerError(_short(error), again=True) from error

    def _body(self, answer: requests.Response) -> Iterator[bytes]:
        """The bytes as they come, so that it can be ended at any time; a server that only drips is given up."""
        started, size = time.monotonic(), 0
        while piece := answer.raw.read1(CHUNK_BYTES // 4):
            size += len(piece)
            yield piece
            seconds = time.monotonic() - started
            if seconds > SLOW_AFTER_SECONDS and size < seconds * SLOW_BYTES_PER_SECOND:
                raise WrongAnswerError(f"it gives less than {SLOW_BYTES_PER_SECOND} bytes a second", again=True)

    def _open(self, url: str) -> requests.Response:
        for _ in range(REDIRECTS + 1):
            answer = self._session.get(
                url, stream=True, timeout=TIMEOUT_SECONDS, allow_redirects=False,
                headers={"Accept-Encoding": "identity"},
            )  # fmt: skip
            if not answer.is_redirect:
                break
            answer.close()
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme not in ("http", "https") or not is_allowed(url, self._allowed):
                raise WrongAnswerError(f"it redirects to {url}, an origin that nobody declared")
        else:
            raise WrongAnswerError(f"it redirects more than {REDIRECTS} times")
        if answer.status_code != requests.codes.ok:
            answer.close()
            self._respect(answer)
            raise WrongAnswerError(f"HTTP {answer.status_code}", again=answer.status_code in WORTH_RETRYING)
        return answer

    def _respect(self, answer: requests.Response) -> None:
        """Wait as long as an overloaded server asks, within reason."""
        after = answer.headers.get("retry-after", "")
        if answer.status_code in WORTH_RETRYING and after.isdigit():
            self._ended.wait(min(int(after), 30))


def _local_pieces(url: str) -> Iterator[bytes]:
    path = Path(unquote(urlsplit(url).path))
    try:
        with path.open("rb") as stream:
            while piece := stream.read(CHUNK_BYTES):
                yield piece
    except OSError as error:
        raise WrongAnswerError(f"{error.strerror}") from error


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]
