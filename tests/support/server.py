"""A real HTTP server on loopback whose answers can be spoilt, path by path."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit


class FaultyServer(http.server.ThreadingHTTPServer):
    """Serves a directory; ``faults`` orders what happens at a path, call by call (the last one stays).

    Faults: ``ok``, ``missing``, ``truncated``, ``short``, ``endless``, ``wrong``, ``reset``, ``slow``,
    ``status:503``, ``busy:1`` (429 with Retry-After), ``redirect:URL``, ``loop``, ``hang``, ``stall``, ``drip``,
    ``headers`` and ``chunks`` (dripping them without end),
    ``whole`` (no ranges), ``elsewhere`` and ``unwilling`` (wrong answers to a range), ``changed`` (other bytes
    in another version of the file).  ``demand`` is the Authorization header without which nothing is given.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.directory = directory
        self.faults: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []
        self.seen: list[dict[str, str]] = []
        self.demand: str | None = None
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def log_message(self, *_arguments: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        count = self.server.asked.count(self.path)
        self.server.asked.append(self.path)
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        ordered = self.server.faults.get(path.rpartition("/")[2]) or ("ok",)
        fault, _, detail = ordered[min(count, len(ordered) - 1)].partition(":")
        time.sleep(self.server.delay)
        file = self.server.directory / path.lstrip("/")
        if not file.is_file() and fault == "ok":
            fault = "missing"
        if self.server.demand not in (None, self.headers.get("authorization")):
            self._refuse(401)
        else:
            getattr(self, f"fault_{fault}")(file, detail)

    def _answer(self, content: bytes) -> None:
        self._begin(len(content), content)
        self.wfile.write(content)

    def _begin(self, length: int, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", _tag(content))
        self.end_headers()

    def _range(self, content: bytes, start: int) -> None:
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])

    def _refuse(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def fault_ok(self, file: Path, _detail: str) -> None:
        content = file.read_bytes()
        asked = self.headers.get("range", "")
        if asked and self.headers.get("if-range") == _tag(content):
            self._range(content, int(asked.removeprefix("bytes=").removesuffix("-")))
        else:
            self._answer(content)

    def fault_whole(self, file: Path, _detail: str) -> None:
        self._answer(file.read_bytes())

    def fault_elsewhere(self, file: Path, _detail: str) -> None:
        self._range(file.read_bytes(), 1)

    def fault_unwilling(self, _file: Path, _detail: str) -> None:
        self._refuse(416)

    def fault_changed(self, file: Path, _detail: str) -> None:
        """Another version of the same size, of which half comes."""
        content = file.read_bytes()[::-1]
        self._begin(len(content), content)
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def fault_hang(self, _file: Path, _detail: str) -> None:
        """Say nothing until the client has gone."""
        self.connection.settimeout(20)
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def fault_stall(self, file: Path, detail: str) -> None:
        """Half of it, and then nothing."""
        content = file.read_bytes()
        self._begin(len(content), content)
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.fault_hang(file, detail)

    def fault_drip(self, file: Path, _detail: str) -> None:
        """A byte now and then, for as long as anybody listens."""
        content = file.read_bytes()
        self._begin(len(content), content)
        for byte in content:
            self.wfile.write(bytes((byte,)))
            self.wfile.flush()
            time.sleep(0.1)

    def _drip(self, start: bytes) -> None:
        """One byte after the other, none of which ends what the start began."""
        with contextlib.suppress(OSError):
            self.wfile.write(start)
            while True:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        self.close_connection = True

    def fault_headers(self, _file: Path, _detail: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Long: ")

    def fault_chunks(self, _file: Path, _detail: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")

    def fault_missing(self, _file: Path, _detail: str) -> None:
        self._refuse(404)

    def fault_status(self, _file: Path, detail: str) -> None:
        self._refuse(int(detail))

    def fault_busy(self, _file: Path, detail: str) -> None:
        self._refuse(429, ("Retry-After", detail))

    def fault_truncated(self, file: Path, _detail: str) -> None:
        """Promise the whole, send half, hang up."""
        content = file.read_bytes()
        self._begin(len(content), content)
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def fault_short(self, file: Path, _detail: str) -> None:
        """Send half as if it were the whole."""
        content = file.read_bytes()
        self._answer(content[: len(content) // 2])

    def fault_wrong(self, file: Path, _detail: str) -> None:
        """The right number of other bytes."""
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        self._answer(bytes(content))

    def fault_endless(self, _file: Path, _detail: str) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(b"\0" * 65536)

    def fault_slow(self, file: Path, _detail: str) -> None:
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), 1 + len(content) // 5):
            self.wfile.write(content[start : start + 1 + len(content) // 5])
            self.wfile.flush()
            time.sleep(0.2)

    def fault_reset(self, file: Path, _detail: str) -> None:
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:100])
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def fault_redirect(self, _file: Path, detail: str) -> None:
        self._refuse(302, ("Location", detail))

    def fault_loop(self, _file: Path, _detail: str) -> None:
        self._refuse(302, ("Location", self.path))


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[FaultyServer]:
    """A server on a free port for as long as it is needed."""
    server = FaultyServer(directory)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, seconds: float = 20) -> None:
    """Return once something listens there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")
