"""Packages that attack, made by the host's rpmbuild, a repository of them, and locks that name them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from containers import ROOT, Engine, Workspace
from demo.repository import index
from demo.rpmbuild import Rpmbuild

SPECS = Path(__file__).with_name("hostile")
PLACE = "/hostile"
ROW = "%{name}|%{arch}|%{license}|%{version}|%{release}|%{sigmd5}"


def place_of(engine: Engine, directory: Path) -> Path:
    """A directory that the engine's user can reach: the one given, or one below the user's home."""
    if not engine.prefix:
        return directory
    engine.run("mkdir", engine.home / directory.name, check=True)
    return engine.home / directory.name


def give(engine: Engine, path: Path) -> None:
    """Make a tree the property of the engine's user."""
    subprocess.run(["chown", "--recursive", f"--reference={engine.home}", path], check=True)


@contextlib.contextmanager
def bare_copy(made: Workspace, engine: Engine, directory: Path) -> Iterator[Workspace]:
    """The lock of a workspace without its sidecar, so that it is bound to no source RPM, and its repository, to change.

    Files of the repository may be those of the workspace, under a second name.
    """
    place = place_of(engine, directory)
    shutil.copytree(made.path / "lock", place / "lock")
    shutil.copytree(made.path / "repo", place / "repo", copy_function=_link_or_copy)
    (place / "results").mkdir()
    give(engine, place / "results")
    (place / "lock/buildroot_lock.sources.json").unlink()
    shutil.rmtree(place / "repo/repodata")  # its comps and modules are those of the sidecar
    try:
        yield Workspace(engine=engine, path=place)
    finally:
        shutil.rmtree(place)


def _link_or_copy(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What attacks must not reach: a TCP and a UDP port of loopback, an abstract socket and one with a path."""

    tcp: socket.socket
    udp: socket.socket
    abstract: socket.socket
    path: socket.socket
    name: str
    reached: list[str]

    def addresses(self) -> str:
        """What attack.pl reads."""
        return f"{self.tcp.getsockname()[1]} {self.udp.getsockname()[1]} {self.name}\n"


@contextlib.contextmanager
def servers(directory: Path, name: str) -> Iterator[Servers]:
    """Servers that note who reached them; the socket with a path is ``path`` in ``directory``, made for it."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        abstract = stack.enter_context(_unix(f"\0{name}"))
        directory.mkdir()
        path = stack.enter_context(_unix(str(directory / "path")))
        (directory / "path").chmod(0o777)
        made = Servers(tcp=tcp, udp=udp, abstract=abstract, path=path, name=name, reached=[])
        stop = threading.Event()
        for kind in ("tcp", "udp", "abstract", "path"):
            thread = threading.Thread(target=_serve, args=(made, kind, stop))
            stack.callback(thread.join)
            thread.start()
        stack.callback(stop.set)
        yield made


def _unix(address: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    return server


def _serve(made: Servers, kind: str, stop: threading.Event) -> None:
    server: socket.socket = getattr(made, kind)
    server.settimeout(0.2)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            if kind == "udp":
                _, sender = server.recvfrom(16)
                server.sendto(b"x", sender)
            else:
                server.accept()[0].close()
            made.reached.append(kind)


def packages(home: Path, addresses: str) -> Path:
    """The repository of the packages in tests/e2e/hostile."""
    rpmbuild = Rpmbuild(home=home)
    rpmbuild.prepare()
    sources = home / "SOURCES"
    (sources / "listeners").write_text(addresses)
    shutil.copy(SPECS / "attack.pl", sources)
    for spec in sorted(SPECS.glob("hostile-*.spec")):
        rpmbuild.build(spec, sources=sources)
    repository = home / "repo"
    repository.mkdir()
    for rpm in rpmbuild.made():
        shutil.copy(rpm, repository)
    index(repository)
    return repository


@contextlib.contextmanager
def web_server(directory: Path) -> Iterator[str]:
    """The address at which the files of a directory can be had."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def target(directory: Path, name: str, address: str) -> Path:
    """The demo target of that name with the repository of attackers besides; returns the directory of targets."""
    text = (ROOT / f"targets/{name}.yaml").read_text()
    more = f'repositories:\n  - id: hostile\n    baseurl: ["{address}"]\n    gpgcheck: false\n'
    directory.mkdir()
    (directory / f"{name}.yaml").write_text(text.replace("repositories:\n", more, 1))
    return directory


def scriptlet_rpm(home: Path, name: str, script: str) -> Path:
    """A package named for its attack, whose %post is ``script``."""
    rpmbuild = Rpmbuild(home=home)
    rpmbuild.prepare()
    spec = home / f"{name}.spec"
    spec.write_text(
        f"Name: {name}\nVersion: 1\nRelease: 1\nSummary: Attacks\nLicense: MIT\nBuildArch: noarch\n"
        f"Requires(post): bash coreutils perl-base\n%description\nAttacks.\n%post\n{script}\n%files\n"
    )
    rpmbuild.build(spec, sources=home)
    return next(path for path in rpmbuild.made() if path.name.startswith(f"{name}-1-1"))


def add_to_lock(workspace: Workspace, rpm: Path) -> None:
    """Lock one more package and put it into the offline repository; the lock must have no sidecar."""
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", ROW, rpm], check=True, text=True, stdout=subprocess.PIPE
    )
    fields = dict(zip(("name", "arch", "license", "version", "release", "sigmd5"), done.stdout.split("|"), strict=True))
    path = workspace.path / "lock/buildroot_lock.json"
    lock = json.loads(path.read_text())
    row = {**fields, "epoch": None, "signature": None, "url": f"https://hostile.invalid/{rpm.name}"}
    lock["buildroot"]["rpms"] = sorted([*lock["buildroot"]["rpms"], row], key=lambda entry: entry["name"])
    path.write_text(json.dumps(lock))
    shutil.copy(rpm, workspace.path / "repo")


def source_rpm(home: Path) -> Path:
    """The source RPM that requires all of `packages`, made after them."""
    Rpmbuild(home=home).source(SPECS / "attack.spec", sources=home)
    return next((home / "SAMPLES").glob("attack-*.src.rpm"))
