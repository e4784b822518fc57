"""One HTTP request and its redirects: the adapter of urllib3.

Nothing is taken from the environment but proxies; an origin that nobody declared is never
asked, and what is secret goes to the host that it was given for.
"""

from __future__ import annotations

import email.utils
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions

from stages.fetcher.access import Access
from stages.fetcher.origins import Origin, is_allowed, origin_of

CONNECT_SECONDS = 10
REDIRECTS = 5
WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416
REDIRECTING = frozenset((301, 302, 303, 307, 308))

_UNREACHABLE = (
    exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.ProtocolError, exceptions.ProxyError
)  # fmt: skip


class WrongAnswerError(Exception):
    """An address does not give the file; ``again`` where another try may help.

    ``whole`` where that try must not continue what came, ``unreachable`` where nobody answered
    at all, ``after`` the seconds that a server asks to wait.
    """

    def __init__(
        self, reason: str, *, again: bool = False, whole: bool = False, unreachable: bool = False, after: float = 0
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.whole = whole
        self.unreachable = unreachable
        self.after = after


class Answer:
    """What a server answered: its status (200, 206 or 416) and headers, and its body, read as it comes."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers

    def read(self, size: int) -> bytes:
        """At most so many bytes as soon as there are any; none at the end, which must be where it was promised."""
        try:
            piece = self._answer.read1(size)
        except exceptions.HTTPError as error:
            raise WrongAnswerError(_short(error), again=True) from error
        if not piece and self._answer.length_remaining:
            raise WrongAnswerError(f"it ended {self._answer.length_remaining} bytes early", again=True)
        return piece

    def close(self) -> None:
        """Give the connection back, or end it where the body was not read."""
        self._answer.close()


class Transport:
    """Shared connections, kept alive; safe to use from several threads."""

    def __init__(self, *, workers: int, allowed: frozenset[Origin], access: Access, idle_seconds: float) -> None:
        self._workers = workers
        self._allowed = allowed
        self._access = access
        self._timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, idle_seconds), read=idle_seconds)
        self._pools: dict[Origin, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def open(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET; raises `WrongAnswerError` for any other status."""
        try:
            answer = self._follow(url, headers)
        except exceptions.SSLError as error:
            raise WrongAnswerError(f"TLS failed: {_short(error)}") from error
        except _UNREACHABLE as error:
            raise WrongAnswerError(_short(error), again=True, unreachable=True) from error
        except exceptions.HTTPError as error:
            raise WrongAnswerError(_short(error), again=True) from error
        if answer.status in (OK, PARTIAL, RANGE_REFUSED):
            return Answer(answer)
        answer.close()
        raise WrongAnswerError(
            f"HTTP {answer.status}", again=answer.status in WORTH_RETRYING, after=_retry_after(answer)
        )  # fmt: skip

    def _follow(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        for _ in range(REDIRECTS + 1):
            authorization = self._access.authorization(url)
            secret = {} if authorization is None else {"Authorization": authorization}
            answer = self._pool(origin_of(url)).request(
                "GET", url, timeout=self._timeout, redirect=False, retries=False, preload_content=False,
                decode_content=False, headers={"Accept-Encoding": "identity", **headers, **secret},
            )  # fmt: skip
            location = answer.headers.get("location")
            if location is None or answer.status not in REDIRECTING:
                return answer
            answer.close()
            url = urljoin(url, location)
            if urlsplit(url).scheme not in ("http", "https") or not is_allowed(url, self._allowed):
                shown = url.partition("?")[0]
                raise WrongAnswerError(f"it redirects to {shown}, an origin that nobody declared")
        raise WrongAnswerError(f"it redirects more than {REDIRECTS} times")

    def _pool(self, origin: Origin) -> urllib3.PoolManager:
        """The connections to an origin, which one TLS context and one proxy serve."""
        with self._lock:
            if origin not in self._pools:
                context = self._access.certified.get(origin, self._access.trust)
                self._pools[origin] = _connections(_proxy(origin), context, self._workers)
            return self._pools[origin]


def _connections(proxy: str | None, context: ssl.SSLContext, workers: int) -> urllib3.PoolManager:
    if proxy is None:
        return urllib3.PoolManager(maxsize=workers, ssl_context=context)
    login = urlsplit(proxy)
    headers = {}
    if login.username is not None:
        name_and_password = f"{unquote(login.username)}:{unquote(login.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=name_and_password)
    return urllib3.ProxyManager(
        proxy, proxy_headers=headers, proxy_ssl_context=context, maxsize=workers, ssl_context=context
    )


def _proxy(origin: Origin) -> str | None:
    """The proxy that the environment names for an origin."""
    found = getproxies()
    proxy = found.get(origin.scheme) or found.get("all")
    if not proxy or proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _retry_after(answer: urllib3.BaseHTTPResponse) -> float:
    """The seconds that a server asks to wait, given as such or as a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _short(error: Exception) -> str:
    """The first line of what a library says."""
    return str(error).split("\n", 1)[0][:300]
