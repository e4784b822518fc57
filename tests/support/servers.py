"""The real servers of the tests: nginx, and a container registry with TLS, both on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import free_port, wait_for_port


@contextlib.contextmanager
def running(command: tuple[object, ...], port: int, **environment: str) -> Iterator[None]:
    """A server in the foreground, ended by its process id."""
    with subprocess.Popen(
        [str(part) for part in command], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        try:
            wait_for_port(port)
            yield
        finally:
            child.terminate()
            child.wait(20)


def program(name: str) -> str:
    """The path of a program that may lie outside PATH; the test is skipped without it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: run `make setup`")
    return found


@contextlib.contextmanager
def nginx(directory: Path, root: Path, *, listen: str = "", more: str = "") -> Iterator[int]:
    """nginx with its files in ``directory``, serving ``root``; gives its port.

    ``listen`` is added to the listen directive (`` ssl``), ``more`` to the server's block.
    """
    port = free_port()
    temporary = "".join(
        f"{name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\nerror_log {directory}/error.log;\npid {directory}/pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}"
        f"server {{\nlisten 127.0.0.1:{port}{listen};\nroot {root};\n{more}}}\n}}\n"
    )
    with running((program("nginx"), "-c", directory / "nginx.conf", "-p", directory), port):
        yield port


@contextlib.contextmanager
def tunnels() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy on loopback that only knows CONNECT; gives its port, and the heads of the requests that it got."""
    heads: list[bytes] = []

    class Tunnel(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.request.recv(1)
            heads.append(head)
            host, _, port = head.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as server:
                self.request.sendall(b"HTTP/1.1 200 here you are\r\n\r\n")
                back = threading.Thread(target=_pour, args=(server, self.request))
                back.start()
                _pour(self.request, server)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy.server_address[1], heads
        proxy.shutdown()


@contextlib.contextmanager
def proxy(host: str, login: str) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy on loopback for CONNECT and for plain requests: what it is asked of ``host`` is on loopback, too.

    It lets in who shows ``login`` (base64).  Gives its port, and the first line of each request that it served.
    """
    lines: list[bytes] = []

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (byte := self.request.recv(1)):
                    return
                head += byte
            first, _, rest = head.partition(b"\r\n")
            method, address, _ = first.decode().split()
            if f"Proxy-Authorization: Basic {login}".encode() not in rest:
                self.request.sendall(b"HTTP/1.1 407 who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            lines.append(first)
            name, _, path = address.removeprefix("http://").partition("/")
            asked, _, port = name.partition(":")
            with socket.create_connection(("127.0.0.1" if asked == host else asked, int(port))) as server:
                if method == "CONNECT":
                    self.request.sendall(b"HTTP/1.1 200 here you are\r\n\r\n")
                else:
                    server.sendall(f"{method} /{path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                back = threading.Thread(target=_pour, args=(server, self.request))
                back.start()
                if method == "CONNECT":
                    _pour(self.request, server)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served.server_address[1], lines
        served.shutdown()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for loopback and its key, made on the spot."""
    made, key = directory / f"{name}.crt", directory / f"{name}.key"
    subprocess.run(
        (program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", made, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:repository.invalid"),
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A registry with TLS on loopback; ``environment`` makes clients trust it."""

    address: str
    environment: dict[str, str]

    def push(self, layout: Path, name: str, *options: str) -> None:
        """Copy the image ``latest`` of an OCI layout to ``name``."""
        subprocess.run(
            ("skopeo", "copy", "--quiet", "--insecure-policy", *options, f"oci:{layout}:latest",
             f"docker://{self.address}/{name}"),
            check=True, capture_output=True, env={**os.environ, **self.environment},
        )  # fmt: skip


@contextlib.contextmanager
def registry(directory: Path, *, auth: str = "") -> Iterator[Registry]:
    """docker-registry with a certificate made on the spot; ``auth`` is added to its configuration."""
    directory.mkdir(exist_ok=True)
    trusted, key = certificate(directory, "registry")
    port = free_port()
    (directory / "config.yml").write_text(
        "version: 0.1\nlog: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'storage'}}}}}\n"
        f"http:\n  addr: 127.0.0.1:{port}\n  tls: {{certificate: {trusted}, key: {key}}}\n{auth}"
    )
    with running((program("docker-registry"), "serve", directory / "config.yml"), port):
        yield Registry(address=f"127.0.0.1:{port}", environment={"SSL_CERT_FILE": str(trusted)})
