"""GET requests to one origin over connections that are kept alive: the adapter of libcurl.

libcurl moves bytes and speaks TLS; it follows no redirect, reads no file but those it is named, and of
the environment only proxies count.  It calls back from C, where no exception may pass: what ours raise is
kept, and raised when it has returned.
"""

from __future__ import annotations

import math
import re
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

from hermetic_rpm import __version__
from stages.fetcher.access import Trust
from stages.fetcher.origins import Origin

CONNECT_SECONDS = 10
SLOW_BYTES_PER_SECOND = 1024
PIECE_BYTES = 256 << 10
MAX_UNWANTED_BYTES = 64 << 10
"""So much of a body that nobody wants is read, for the connection to serve again."""

AGENT = f"hermetic-rpm/{__version__}"
URL_CHARACTERS = "/?:@!$&'()*+,;=%~[]"
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
EARLY = re.compile(r"with ([0-9]+) bytes remaining")
TLS_ENDED = re.compile(r"unexpected eof|SSL_ERROR_SYSCALL", re.IGNORECASE)
TLS_CODES = frozenset(
    (
        pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_CIPHER, pycurl.E_SSL_ISSUER_ERROR,
    )
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: its status, and its headers by their names in lower case, a character for each byte."""

    status: int
    headers: Mapping[str, str]


Taker = Callable[[bytes], None]
"""Is given the pieces of a body as they come; what it raises ends the request."""

Sink = Callable[[Answer], Taker | None]
"""Says who takes the body of an answer, or None where nobody wants it; what it raises ends the request."""


class Connections:
    """Connections to an origin, or to the proxy that the environment names for it; safe to use from several threads."""

    def __init__(self, origin: Origin, *, trust: Trust | None, idle_seconds: float) -> None:
        self._origin = origin
        self._proxy = _proxy(origin)
        self._trust = trust
        self._idle_seconds = idle_seconds
        self._unused: deque[pycurl.Curl] = deque()

    def get(self, url: str, headers: Mapping[str, str], sink: Sink) -> Answer:
        """Give the body of what the server answers to ``sink``; raises `WrongAnswerError` and what that raises."""
        transfer = _Transfer(sink)
        try:
            curl = self._unused.pop()
        except IndexError:
            curl = self._new()
        curl.setopt(pycurl.URL, self._made_anew(url))
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
        curl.setopt(pycurl.HEADERFUNCTION, transfer.take_header)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.take_piece)
        try:
            curl.perform()
        except pycurl.error as error:
            transfer.broken(*error.args)
        self._unused.append(curl)
        return transfer.end()

    def _made_anew(self, url: str) -> str:
        """The URL, put together from its checked parts: what libcurl asks is what the origins were held against."""
        origin, parts = self._origin, urlsplit(url)
        try:
            host = origin.host if ":" in origin.host else origin.host.encode("idna").decode("ascii").lower()
        except UnicodeError as error:
            raise WrongAnswerError(f"nobody can be asked for such a host: {error}", unreachable=True) from error
        if not HOST.fullmatch(host):
            raise WrongAnswerError("nobody can be asked for such a host", unreachable=True)
        path = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=URL_CHARACTERS)
        return f"{origin.scheme}://{f'[{host}]' if ':' in host else host}:{origin.port}{path}"

    def _new(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        for option, value in self._options().items():
            if value is None:
                curl.unsetopt(option)
            else:
                curl.setopt(option, value)
        return curl

    def _options(self) -> dict[int, Any]:
        """All that does not change from one request to the next."""
        connect_seconds = min(CONNECT_SECONDS, self._idle_seconds)
        options: dict[int, Any] = {
            pycurl.PROTOCOLS: pycurl.PROTO_HTTPS if self._origin.scheme == "https" else pycurl.PROTO_HTTP,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.USERAGENT: AGENT,
            pycurl.PATH_AS_IS: 1,
            pycurl.NOSIGNAL: 1,
            pycurl.BUFFERSIZE: PIECE_BYTES,
            pycurl.CONNECTTIMEOUT_MS: math.ceil(connect_seconds * 1000),
            pycurl.LOW_SPEED_LIMIT: SLOW_BYTES_PER_SECOND,
            pycurl.LOW_SPEED_TIME: math.ceil(self._idle_seconds),
            pycurl.NOPROXY: "",
            pycurl.PROXY: "",
        }
        if self._proxy is not None:
            options |= _through(self._proxy)
        if self._trust is not None:
            options |= _tls(self._trust)
        return options


class _Transfer:
    """What comes in one request; libcurl calls `take_header` and `take_piece`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._status = 0
        self._headers: dict[str, str] = {}
        self._answer: Answer | None = None
        self._taker: Taker | None = None
        self._unwanted = 0
        self._error: Exception | None = None

    def take_header(self, line: bytes) -> None:
        """Keep a header; those of a proxy's tunnel and of a "100 Continue" give way to what comes after them."""
        if self._answer is not None:
            return  # what follows a chunked body
        if line.startswith(b"HTTP/"):
            words = line.split()
            self._status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            self._headers = {}
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            self._headers.setdefault(name.strip().lower(), value.strip())

    def take_piece(self, piece: bytes) -> int | None:
        """Hand a piece on; any number but its length makes libcurl end the request."""
        try:
            self._answered()
            if self._taker is not None:
                self._taker(piece)
                return None
        except Exception as error:  # noqa: BLE001 - raised again by end()
            self._error = error
            return 0
        self._unwanted += len(piece)
        return None if self._unwanted <= MAX_UNWANTED_BYTES else 0

    def _answered(self) -> Answer:
        if self._answer is None:
            self._answer = Answer(self._status, self._headers)
            self._taker = self._sink(self._answer)
        return self._answer

    def broken(self, code: int, text: str) -> None:
        """Libcurl did not come to the end, maybe because it was told to."""
        if self._error is None and self._unwanted <= MAX_UNWANTED_BYTES:
            self._error = _reason(code, text, answered=self._status != 0)

    def end(self) -> Answer:
        """The answer; raises what went wrong."""
        if self._error is not None:
            raise self._error
        return self._answered()


def _reason(code: int, text: str, *, answered: bool) -> WrongAnswerError:
    """What libcurl says, in the words of this project."""
    shown = text.split("\n", 1)[0][:300] or f"libcurl's error {code}"
    if code in TLS_CODES or "SSL" in text:
        # Wrong certificates stay wrong; a server that ends in the middle of a handshake may have been restarted.
        return WrongAnswerError(f"TLS failed: {shown}", again=TLS_ENDED.search(text) is not None)
    if code == pycurl.E_OPERATION_TIMEDOUT and "too slow" in text:
        return WrongAnswerError(f"timed out: it gives less than {SLOW_BYTES_PER_SECOND} bytes a second", again=True)
    early = EARLY.search(text)
    if early is not None:
        return WrongAnswerError(f"it ended {early[1]} bytes early", again=True)
    return WrongAnswerError(shown, again=True, unreachable=not answered)


def _tls(trust: Trust) -> dict[int, Any]:
    """Trust the bundle, or else what the system (or SSL_CERT_FILE) says."""
    system = ssl.get_default_verify_paths()
    return {
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
        pycurl.CAINFO: system.cafile if trust.bundle is None else str(trust.bundle),
        pycurl.CAPATH: system.capath if trust.bundle is None else None,
        **({} if trust.certificate is None else {pycurl.SSLCERT: str(trust.certificate)}),
        **({} if trust.key is None else {pycurl.SSLKEY: str(trust.key)}),
    }


def _proxy(origin: Origin) -> SplitResult | None:
    """The proxy that the environment names for an origin; raises `WrongAnswerError` where it cannot be used."""
    found = getproxies()
    named = found.get(origin.scheme) or found.get("all")
    if not named or proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    try:
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        if proxy.scheme == "http" and HOST.fullmatch((proxy.hostname or "").lower()) and proxy.port != 0:
            return proxy
    except ValueError:
        pass
    raise WrongAnswerError("the proxy that the environment names is not http://HOST:PORT")


def _through(proxy: SplitResult) -> dict[int, Any]:
    """Ask a proxy, and say who its address names."""
    host = proxy.hostname or ""
    options: dict[int, Any] = {pycurl.PROXY: f"http://{f'[{host}]' if ':' in host else host}:{proxy.port or 80}"}
    if proxy.username is not None:
        options[pycurl.PROXYUSERNAME] = unquote(proxy.username)
        options[pycurl.PROXYPASSWORD] = unquote(proxy.password or "")
    return options
