"""Connections to one origin, kept alive: the adapter of http.client.  Of the environment only proxies count."""

from __future__ import annotations

import base64
import http.client
import io
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from hermetic_rpm import __version__
from stages.fetcher.origins import PORTS, Origin

CONNECT_SECONDS = 10
AGENT = f"hermetic-rpm/{__version__}"
URL_CHARACTERS = "/?:@!$&'()*+,;=%~[]"

BROKEN = (OSError, http.client.HTTPException, UnicodeError)
"""What broken connections and answers raise, and hosts that no name server can be asked for."""


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


class Connections:
    """Connections to an origin, or to the proxy that the environment names for it; safe to use from several threads."""

    def __init__(self, origin: Origin, *, context: ssl.SSLContext | None, idle_seconds: float) -> None:
        self._origin = origin
        self._proxy = _proxy(origin)
        self._headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if self._proxy is not None and origin.scheme == "http":
            self._headers |= _login(self._proxy)
        self._context = context
        self._idle_seconds = idle_seconds
        self._unused: deque[http.client.HTTPConnection] = deque()

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """What the server answers to a GET; raises `WrongAnswerError` where nothing comes or TLS fails."""
        connection = self._kept() or self._connect()
        try:
            connection.request("GET", self._target(url), headers={**self._headers, **headers})
            answer = cast("_Response", connection.getresponse())
        except ssl.SSLError as error:  # also a client certificate that is refused
            connection.close()
            raise _tls_failed(error) from error
        except BROKEN as error:
            connection.close()
            silent = isinstance(error, TimeoutError)
            raise WrongAnswerError(_short(error), again=True, unreachable=not silent) from error
        return Answer(connection, answer, self._unused)

    def _kept(self) -> http.client.HTTPConnection | None:
        """A connection that was used before, unless its server closed it meanwhile."""
        while self._unused:
            try:
                connection = self._unused.pop()
            except IndexError:
                break
            poll = select.poll()
            poll.register(connection.sock, select.POLLIN)
            if not poll.poll(0):
                return connection
            connection.close()
        return None

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._new()
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            raise _tls_failed(error) from error
        except BROKEN as error:
            connection.close()
            raise WrongAnswerError(_short(error), again=True, unreachable=True) from error
        connection.sock.settimeout(self._idle_seconds)
        return connection

    def _new(self) -> http.client.HTTPConnection:
        """A connection that is not open yet, through a tunnel where TLS has to pass a proxy."""
        secure, proxy = self._origin.scheme == "https", self._proxy
        if proxy is None:
            return self._toward(self._origin.host, self._origin.port, secure=secure)
        connection = self._toward(proxy.hostname or "", proxy.port or PORTS[proxy.scheme], secure=secure)
        if secure:
            connection.set_tunnel(self._origin.host, self._origin.port, _login(proxy))
        return connection

    def _toward(self, host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
        seconds = min(CONNECT_SECONDS, self._idle_seconds)
        connection: http.client.HTTPConnection
        if secure:
            connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=self._context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
        connection.response_class = _Response
        return connection

    def _target(self, url: str) -> str:
        """What the request line names: the path, or to a proxy without tunnel all of the URL."""
        parts = urlsplit(url)
        path = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=URL_CHARACTERS)
        return path if self._proxy is None or parts.scheme == "https" else f"http://{parts.netloc}{path}"


class _Response(http.client.HTTPResponse):
    """A response whose headers, and whatever is read in one go later, must come within a deadline.

    The timeout of a socket counts from byte to byte; a server may drip for ever.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.bytes = _Bytes(self.fp.detach(), sock.gettimeout() or CONNECT_SECONDS)
        self.fp = io.BufferedReader(self.bytes)


class _Bytes(io.RawIOBase):
    """What comes over a connection until a deadline, which `go_on` puts off."""

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        super().__init__()
        self._raw = raw
        self._seconds = seconds
        self.go_on()

    def go_on(self) -> None:
        """Let there be so many seconds from now on."""
        self._deadline = time.monotonic() + self._seconds

    def readable(self) -> bool:
        """As a reader must say."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Some bytes; raises TimeoutError after the deadline."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"timed out: not done in {self._seconds:g} seconds")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket's file, too."""
        self._raw.close()
        super().close()


class Answer:
    """What a server answered: its status and headers, and its body, read as it comes."""

    def __init__(
        self, connection: http.client.HTTPConnection, answer: _Response,
        unused: deque[http.client.HTTPConnection],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._answer = answer
        self._unused = unused
        self._whole = False
        self.status = answer.status
        self.headers = answer.headers

    def read(self, size: int) -> bytes:
        """At most so many bytes as soon as there are any; none at the end, which must be where it was promised."""
        try:
            self._answer.bytes.go_on()
            piece = self._answer.read1(size)
        except BROKEN as error:
            raise WrongAnswerError(_short(error), again=True) from error
        if not piece and self._answer.length:
            raise WrongAnswerError(f"it ended {self._answer.length} bytes early", again=True)
        self._whole = not piece
        return piece

    def close(self) -> None:
        """Give the connection back, or end it where the body was not read."""
        self._answer.close()
        if self._whole and not self._answer.will_close:
            self._unused.append(self._connection)
        else:
            self._connection.close()


def _proxy(origin: Origin) -> SplitResult | None:
    """The proxy that the environment names for an origin; raises `WrongAnswerError` where it cannot be used."""
    found = getproxies()
    named = found.get(origin.scheme) or found.get("all")
    if not named or proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    try:
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        if proxy.scheme == "http" and proxy.hostname and proxy.port != 0:
            return proxy
    except ValueError:
        pass
    raise WrongAnswerError("the proxy that the environment names is not http://HOST:PORT")


def _login(proxy: SplitResult) -> dict[str, str]:
    """The header by which a proxy lets in who its address names."""
    if proxy.username is None:
        return {}
    name_and_password = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(name_and_password.encode()).decode()}"}


def _short(error: Exception) -> str:
    """The first line of what a library says."""
    return (str(error) or type(error).__name__).split("\n", 1)[0][:300]


def _tls_failed(error: ssl.SSLError) -> WrongAnswerError:
    """Wrong certificates stay wrong; a server that ends in the middle of a handshake may have been restarted."""
    return WrongAnswerError(f"TLS failed: {_short(error)}", again=isinstance(error, ssl.SSLEOFError))
