"""The fetcher against curl and sha256sum on the same list and server, and its memory for a large lock.

What is compared with the fetcher's phase ``packages`` are both programs from their start to their
end: ``curl --parallel`` with as many transfers at a time, then ``sha256sum --check`` (files still in
memory).  The phase does more: it reads headers, verifies signatures, and has every file on the disk
before it gets its name.  So there is also the sum of the programs that do all of that.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import figures, packages
from bench.figures import MIB, Figure
from hermetic_rpm import process
from hermetic_rpm.files import sha256_of, write_atomically
from hermetic_rpm.image.manifest import Image
from tests.support import fetching, images, servers
from tests.support.fetching import ROOT, Room

RUNS = 7
SHAPES = ((300, 200_000), (1000, 50_000), (20, 20_000_000))
"""Packages, and bytes of each."""

MANY, MANY_BYTES = (1250, 2500, 5000), 1000
LAUNCHER = Path(__file__).with_name("launcher.py")
MOCK = "MOCK_HERMETIC_REPO"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiny:
    """An image so small that its part can be told from the rest."""

    image: Image
    location: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where packages are served, and the certificate to trust there."""

    url: str
    certificate: Path | None = None

    def trusted(self, option: str) -> tuple[str, ...]:
        """The option of a program that makes it trust the server, if that needs one."""
        return () if self.certificate is None else (option, str(self.certificate))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """Seconds, those that processors were busy for it, and the peak resident bytes of the largest process."""

    seconds: float
    busy: float
    peak: int
    status: int


def measure(output: Path) -> None:
    """Print the figures, and write them to ``fetch.json`` below ``output``."""
    say("making packages (some minutes, the first time)")
    if not os.environ.get(MOCK):
        say(f"{MOCK} names no tool of Mock's: not measured")
    shapes = [packages.make(output / f"{count}x{size}", count=count, size=size) for count, size in SHAPES]
    many = packages.make(output / f"{MANY[-1]}x{MANY_BYTES}", count=MANY[-1], size=MANY_BYTES)
    with tempfile.TemporaryDirectory(dir=output, prefix="run-") as name:
        directory = Path(name)
        layout = images.oci_layout(directory / "oci", {"etc/os-release": b"NAME=tiny\n"})
        location = f"oci:{layout}:latest"
        tiny = Tiny(image=fetching.copied(location, directory / "tiny/image"), location=location)
        found = [
            *(figure for paths in shapes for figure in _speed(directory, paths, tiny)),
            *_speed(directory, shapes[0], tiny, secure=True),
            *_growth(directory, many, tiny),
        ]
    machine = figures.machine()
    document = {"machine": machine, "figures": [{**asdict(figure), "median": figure.median} for figure in found]}
    write_atomically(output / "fetch.json", json.dumps(document, indent=2) + "\n")
    for line in (machine, *figures.table(found)):
        print(line)  # noqa: T201 - the result


def _speed(directory: Path, paths: Sequence[Path], tiny: Tiny, *, secure: bool = False) -> list[Figure]:
    """Fetcher, curl and (where no TLS is) Mock's tool in turn, each into an empty directory."""
    what = f"{len(paths)} packages of {paths[0].stat().st_size >> 10} KiB{', TLS' if secure else ''}"
    place = directory / f"{len(paths)}{'-tls' if secure else ''}"
    seconds: dict[str, list[float]] = {}
    with _serving(place, paths[0].parent, secure=secure) as server:
        room = _room(place / "room", paths, server.url, tiny)
        for number in range(RUNS):
            say(f"{what}, round {number + 1} of {RUNS}")
            mock = () if secure else _mock(place, room)
            for name, value in (*_fetcher(room, server), *_others(place / "curl", paths, server), *mock):
                seconds.setdefault(f"{what}: {name}", []).append(value)
    return [Figure(name=name, values=tuple(values)) for name, values in seconds.items()]


def _growth(directory: Path, paths: Sequence[Path], tiny: Tiny) -> list[Figure]:
    """Time and memory of the fetcher for locks of several sizes."""
    found = []
    with _serving(directory / "many", paths[0].parent) as server:
        for count in MANY:
            say(f"{count} packages")
            room = _room(directory / f"many-{count}", paths[:count], server.url, tiny)
            ran = run(room.command())
            phases = room.result()["timings_seconds"]
            again = run(room.command())
            found += [
                Figure(name=f"{count} packages: the fetcher", values=(ran.seconds,)),
                *(Figure(name=f"{count} packages:   its phase {name}", values=(phases[name],)) for name in phases),
                Figure(name=f"{count} packages:   its peak memory", values=(ran.peak / MIB,), unit="MiB"),
                Figure(name=f"{count} packages: the fetcher again", values=(again.seconds,)),
                Figure(name=f"{count} packages:   its peak memory", values=(again.peak / MIB,), unit="MiB"),
            ]
    return found


@contextmanager
def _serving(directory: Path, root: Path, *, secure: bool = False) -> Iterator[Server]:
    directory.mkdir()
    if not secure:
        with servers.nginx(directory, root) as port:
            yield Server(url=f"http://127.0.0.1:{port}")
        return
    certificate, key = servers.certificate(directory, "server")
    more = f"ssl_certificate {certificate};\nssl_certificate_key {key};\n"
    with servers.nginx(directory, root, listen=" ssl", more=more) as port:
        yield Server(url=f"https://127.0.0.1:{port}", certificate=certificate)


def _room(directory: Path, paths: Sequence[Path], url: str, tiny: Tiny) -> Room:
    room = Room(directory=directory)
    key = packages.key_of(paths[0].parents[1])
    fetching.write_lock(room, paths, (url,), image=tiny.image, image_locations=(tiny.location,), key=key)
    return room


def _fetcher(room: Room, server: Server) -> list[tuple[str, float]]:
    _fresh(room.repo)
    ran = run(room.command(*server.trusted("--ca-bundle")))
    phases = room.result()["timings_seconds"]
    return [
        ("the fetcher's phase packages", phases["packages"]),
        ("  the whole fetcher without the image", ran.seconds - phases["image"]),
        ("  its metadata and SBOMs", phases["repodata"] + phases["sbom"]),
        ("  the image", phases["image"]),
        ("  processor time of all", ran.busy),
    ]


def _others(directory: Path, paths: Sequence[Path], server: Server) -> list[tuple[str, float]]:
    """The programs that do, one after the other, what the fetcher does with packages."""
    _fresh(directory)
    names = tuple(path.name for path in paths)
    urls, sums, keyring = (directory.with_suffix(suffix) for suffix in (".list", ".sums", ".keys"))
    urls.write_text("".join(f'url = "{server.url}/{name}"\noutput = "{name}"\n' for name in names))
    if not sums.exists():
        sums.write_text("".join(f"{sha256_of(path)}  {path.name}\n" for path in paths))
        run(("rpmkeys", "--dbpath", str(keyring), "--import", str(packages.key_of(paths[0].parents[1]))))
    curl = (
        "curl", "--silent", "--show-error", "--fail", *server.trusted("--cacert"), "--parallel", "--parallel-max", "10",
        "-K", str(urls),
    )  # fmt: skip
    got = run(curl, cwd=directory)
    checked = run(("sha256sum", "--check", "--quiet", str(sums)), cwd=directory)
    signed = run(("rpmkeys", "--dbpath", str(keyring), "--checksig", *names), cwd=directory).seconds
    synced = run(("sync", *names), cwd=directory).seconds
    return [
        ("curl and sha256sum", got.seconds + checked.seconds),
        ("  curl", got.seconds),
        ("  sha256sum", checked.seconds),
        ("  processor time of both", got.busy + checked.busy),
        ("curl, sha256sum, rpmkeys and sync", got.seconds + checked.seconds + signed + synced),
        ("  rpmkeys", signed),
        ("  sync", synced),
    ]


def _mock(directory: Path, room: Room) -> list[tuple[str, float]]:
    """Mock's tool knows no sidecar; it may not find the tiny image, which comes after the packages."""
    program = os.environ.get(MOCK)
    if not program:
        return []
    output = directory / "mock"
    _fresh(output)
    lockfile = room.directory / "lock/buildroot_lock.json"
    ran = run((program, "--lockfile", str(lockfile), "--output-repo", str(output)), may_fail=True)
    fetched = len(list(output.glob("*.rpm")))
    return [
        (f"Mock's tool ({fetched} packages, status {ran.status})", ran.seconds),
        ("  processor time of Mock's tool", ran.busy),
    ]


def _fresh(directory: Path) -> None:
    """Make an empty directory; what was there is moved, since ext4 is slow where files were just removed."""
    if directory.exists():
        directory.rename(tempfile.mkdtemp(dir=directory.parent, prefix="older-"))
    directory.mkdir()
    os.sync()


def run(argv: Sequence[str], *, cwd: Path = ROOT, may_fail: bool = False) -> Ran:
    """Run a command; it must end with 0 unless it ``may_fail``."""
    done = process.run((sys.executable, "-S", LAUNCHER, *argv), cwd=cwd, env=process.host_environment())
    ran = Ran(**json.loads(done.stdout))
    if ran.status != 0 and not may_fail:
        sys.exit(f"this ended with {ran.status}: {process.paste(argv)}")
    return ran


def say(text: str) -> None:
    """Tell what goes on."""
    print(f"bench: {text}", file=sys.stderr)  # noqa: T201
