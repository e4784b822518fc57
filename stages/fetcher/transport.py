"""One HTTP request and its redirects: the adapter of requests.

Nothing is taken from the environment but proxies; an origin that nobody declared is never
asked, and what is secret goes to the host that it was given for.
"""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from stages.fetcher.access import Access
from stages.fetcher.origins import Origin, is_allowed

CONNECT_SECONDS = 10
REDIRECTS = 5
WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416

_BROKEN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError)


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

    def __init__(self, answer: requests.Response) -> None:
        self._answer = answer
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers

    def read(self, size: int) -> bytes:
        """At most so many bytes as soon as there are any; none at the end, which must be where it was promised."""
        try:
            piece: bytes = self._answer.raw.read1(size)
        except _BROKEN as error:
            raise WrongAnswerError(_short(error), again=True) from error
        if not piece and self._answer.raw.length_remaining:
            raise WrongAnswerError(f"it ended {self._answer.raw.length_remaining} bytes early", again=True)
        return piece

    def close(self) -> None:
        """Give the connection back, or end it where the body was not read."""
        self._answer.close()


class Transport:
    """Shared connections, kept alive; safe to use from several threads."""

    def __init__(self, *, workers: int, allowed: frozenset[Origin], access: Access, idle_seconds: float) -> None:
        self._allowed = allowed
        self._access = access
        self._timeout = (min(CONNECT_SECONDS, idle_seconds), idle_seconds)
        self._proxies: dict[tuple[str, str], dict[str, str]] = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_maxsize=workers))
        self._session.mount("https://", _TlsAdapter(access.trust, workers))
        for origin, context in access.certified.items():
            for port in {f":{origin.port}", "" if origin.port == 443 else f":{origin.port}"}:
                self._session.mount(f"https://{origin.host}{port}/", _TlsAdapter(context, workers))

    def open(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET; raises `WrongAnswerError` for any other status."""
        try:
            answer = self._follow(url, headers)
        except requests.exceptions.SSLError as error:
            raise WrongAnswerError(f"TLS failed: {_short(error)}") from error
        except requests.exceptions.ConnectionError as error:
            raise WrongAnswerError(_short(error), again=True, unreachable=True) from error
        except _BROKEN as error:
            raise WrongAnswerError(_short(error), again=True) from error
        if answer.status_code in (OK, PARTIAL, RANGE_REFUSED):
            return Answer(answer)
        answer.close()
        raise WrongAnswerError(
            f"HTTP {answer.status_code}", again=answer.status_code in WORTH_RETRYING, after=_retry_after(answer)
        )

    def _follow(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        for _ in range(REDIRECTS + 1):
            authorization = self._access.authorization(url)
            secret = {} if authorization is None else {"Authorization": authorization}
            answer = self._session.get(
                url, stream=True, timeout=self._timeout, allow_redirects=False, proxies=self._proxies_for(url),
                headers={"Accept-Encoding": "identity", **headers, **secret},
            )  # fmt: skip
            if not answer.is_redirect:
                return answer
            answer.close()
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).scheme not in ("http", "https") or not is_allowed(url, self._allowed):
                shown = url.partition("?")[0]
                raise WrongAnswerError(f"it redirects to {shown}, an origin that nobody declared")
        raise WrongAnswerError(f"it redirects more than {REDIRECTS} times")

    def _proxies_for(self, url: str) -> dict[str, str]:
        """What the environment says, looked up once for a host: requests reads all of it each time."""
        host = urlsplit(url)[:2]
        if host not in self._proxies:
            self._proxies[host] = get_environ_proxies(url)
        return self._proxies[host]


class _TlsAdapter(HTTPAdapter):
    """Connections of one TLS context; nothing else decides what is trusted."""

    def __init__(self, context: ssl.SSLContext, workers: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=workers)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """The pool of direct connections."""
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """The pool of connections through a proxy."""
        return super().proxy_manager_for(*arguments, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, *_arguments: Any) -> None:
        """Leave to the context what requests would take from its own bundle."""
        conn.cert_reqs = "CERT_REQUIRED"


def _retry_after(answer: requests.Response) -> float:
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
