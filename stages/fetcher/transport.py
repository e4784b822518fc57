"""One HTTP request and its redirects.

Nothing is taken from the environment but proxies; an origin that nobody declared is never
asked, and what is secret goes to the host that it was given for.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Mapping
from urllib.parse import quote, urljoin

from stages.fetcher.access import Access
from stages.fetcher.connections import URL_CHARACTERS, Answer, Connections, Sink, Taker, WrongAnswerError
from stages.fetcher.origins import Origin, is_allowed, origin_of

REDIRECTS = 5
WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416
WANTED = frozenset((OK, PARTIAL, RANGE_REFUSED))
REDIRECTING = frozenset((301, 302, 303, 307, 308))


class Transport:
    """Shared connections, kept alive; safe to use from several threads."""

    def __init__(self, *, allowed: frozenset[Origin], access: Access, idle_seconds: float) -> None:
        self._allowed = allowed
        self._access = access
        self._idle_seconds = idle_seconds
        self._connections: dict[Origin, Connections] = {}
        self._lock = threading.Lock()

    def get(self, url: str, headers: Mapping[str, str], sink: Sink) -> Answer:
        """Give the body of the answer to a GET to ``sink``.

        Raises `WrongAnswerError` for any status but 200, 206 and 416, and what ``sink`` raises.
        """

        def wanted(answer: Answer) -> Taker | None:
            return sink(answer) if answer.status in WANTED else None

        for _ in range(REDIRECTS + 1):
            authorization = self._access.authorization(url)
            secret = {} if authorization is None else {"Authorization": authorization}
            answer = self._to(origin_of(url)).get(url, {"Accept-Encoding": "identity", **headers, **secret}, wanted)
            if answer.status in WANTED:
                return answer
            location = answer.headers.get("location")
            if location is None or answer.status not in REDIRECTING:
                again = answer.status in WORTH_RETRYING
                raise WrongAnswerError(f"HTTP {answer.status}", again=again, after=_retry_after(answer))
            url = self._redirected(url, location)
        raise WrongAnswerError(f"it redirects more than {REDIRECTS} times")

    def _redirected(self, url: str, location: str) -> str:
        """Where a redirect leads; an answer has each byte of a header as a character, though servers mean UTF-8."""
        try:
            found = urljoin(url, quote(location.encode("latin-1"), safe=f"{URL_CHARACTERS}#"))
        except ValueError as error:
            raise WrongAnswerError("it redirects to what is no URL") from error
        if not found.startswith(("http://", "https://")) or not is_allowed(found, self._allowed):
            shown = found.partition("?")[0]
            raise WrongAnswerError(f"it redirects to {shown}, an origin that nobody declared")
        return found

    def _to(self, origin: Origin) -> Connections:
        """The connections to an origin, which one trust and one proxy serve."""
        with self._lock:
            if origin not in self._connections:
                self._connections[origin] = Connections(
                    origin, trust=self._access.tls(origin), idle_seconds=self._idle_seconds
                )
            return self._connections[origin]


def _retry_after(answer: Answer) -> float:
    """The seconds that a server asks to wait, given as such or as a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
