"""Try TCP, UDP and DNS against this machine and its gateway; report "HOW OUTCOME" lines."""

import os
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

PORTS = (53, 80, 443)


def gateways() -> list[str]:
    """The gateways of the routing table, none inside a sandbox."""
    rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    return sorted({socket.inet_ntoa(struct.pack("<L", int(row[2], 16))) for row in rows if int(row[2], 16)})


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces other than the loopback's."""
    words = Path("/proc/net/fib_trie").read_text().split("\n")
    local = {words[i - 1].split()[-1] for i, line in enumerate(words) if "/32 host LOCAL" in line}
    return sorted(address for address in local if not address.startswith("127."))


def say(line: str) -> None:
    """Write a line of the report."""
    sys.stdout.write(f"{line}\n")


def attempt(how: str, action: Callable[[], object]) -> None:
    """Report whether the action ended without an error."""
    try:
        action()
    except OSError:
        say(f"{how} refused")
    else:
        say(f"{how} REACHED")


def tcp(address: str, port: int) -> None:
    """Open a connection."""
    socket.create_connection((address, port), timeout=3).close()


def udp(address: str, port: int) -> None:
    """Send a datagram and wait for any answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((address, port))
        sock.send(b"\0")
        sock.recv(1)


def name_server() -> None:
    """Ask for a name that cannot exist: a server that says so has been reached."""
    try:
        socket.getaddrinfo("demo-network.invalid", 80)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise OSError from error


for address in ("127.0.0.1", *own_addresses(), *gateways()):
    for port in PORTS:
        attempt(f"python-tcp-{address}-{port}", partial(tcp, address, port))
    attempt(f"python-udp-{address}-53", partial(udp, address, 53))
attempt("python-dns", name_server)
attempt("python-abstract-socket", lambda: socket.socket(socket.AF_UNIX).connect("\0/containerd-shim"))
attempt("python-raw-socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close())
attempt("python-setuid", lambda: os.setuid(0))
attempt("python-chroot", lambda: os.chroot("/"))
say(f"python-gateways {len(gateways())}")
say(f"python-addresses {len(own_addresses())}")
