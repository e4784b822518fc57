"""A small real lock of the demo distribution, and the real fetcher run over it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm import rpmfile
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image import copy, manifest
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import lockfile
from hermetic_rpm.lock.model import ImageSource, KeyFile, RepositorySource, RpmSource
from tests.support import locks
from tests.support.server import FaultyServer

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "build/demo"
PACKAGES = DEMO / "repo/Packages"
KEY = DEMO / "keys/RPM-GPG-KEY-demo"
NAMES = ("demo-caret", "demo-c++-tools", "demo-epoch", "demo-header-signed", "demo-tilde", "demo-tool", "demo-oddities")
FEW = ("demo-c++-tools", "demo-caret", "demo-epoch", "demo-header-signed", "demo-tilde")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How the fetcher ended."""

    code: int
    err: str

    def said(self, *words: str) -> bool:
        return all(word in self.err for word in words)


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Directories of one run of the fetcher: ``lock``, ``repo`` and ``cache`` below one."""

    directory: Path

    def __post_init__(self) -> None:
        for name in ("lock", "repo", "cache"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)

    @property
    def repo(self) -> Path:
        return self.directory / "repo"

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    def command(self, *more: str) -> tuple[str, ...]:
        return (
            sys.executable, "-m", "stages.fetcher", "--lockfile", str(self.directory / "lock/buildroot_lock.json"),
            "--output", str(self.repo), *more,
        )  # fmt: skip

    def fetch(self, *more: str, env: Mapping[str, str] | None = None, cache: bool = False) -> Ran:
        options = ("--cache", str(self.cache)) if cache else ()
        done = subprocess.run(
            self.command(*options, *more), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        return Ran(code=done.returncode, err=done.stderr)

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.repo / "result.json").read_text())
        return found

    def tree(self) -> dict[str, str]:
        """The sha256 of every file that the fetcher made, its report of this run aside."""
        return {
            str(path.relative_to(self.repo)): sha256_of(path)
            for path in sorted(self.repo.rglob("*"))
            if path.is_file() and path.name != "result.json"
        }

    def incomplete(self) -> list[str]:
        return sorted(str(path.relative_to(self.repo)) for path in self.repo.rglob(".incomplete*"))


def rpms(names: Sequence[str] = NAMES, directory: Path = PACKAGES) -> tuple[Path, ...]:
    """The demo packages of these names."""
    return tuple(next(iter(sorted(directory.glob(f"{name}-[0-9]*.rpm")))) for name in names)


def rows(paths: Sequence[Path]) -> list[lockfile.InstalledRow]:
    """The packages' rows as `rpm -qa` would print them, in the order of the files."""
    command = ("rpm", "-qp", "--nosignature", "--qf", lockfile.QUERY_FORMAT, *paths)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [lockfile.installed_rows(line)[0] for line in done.stdout.splitlines()]


def write_lock(
    room: Room,
    paths: Sequence[Path],
    bases: Sequence[str],
    *,
    image: Image,
    image_locations: Sequence[str],
    reference: str = "localhost/hermetic-rpm/tiny:latest",
    key: Path | None = KEY,
    gpgcheck: bool = True,
    with_sidecar: bool = True,
) -> None:
    """Write lockfile, sidecar and keys for real package files that the base URLs serve flat."""
    signers = [max(header.signers, key=len, default=None) for header in rpmfile.inspect(paths, payload=False)]
    lock = dataclasses.replace(
        locks.locked(
            *(
                lockfile.locked_rpm(entry, url=f"{bases[0]}/{path.name}")
                for entry, path in zip(rows(paths), paths, strict=True)
            ),
            bootstrap_image=reference,
        ),
        bootstrap=image.identity,
    )
    keys = ()
    if key is not None:
        (room.directory / "lock/keys").mkdir(exist_ok=True)
        (room.directory / "lock/keys/demo-1.asc").write_bytes(key.read_bytes())
        keys = (KeyFile(path="keys/demo-1.asc", sha256=sha256_of(key)),)
    side = locks.beside(
        lock,
        *(
            RpmSource(
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size, repository="demo",
                location=path.name, key=signer,
            )
            for signer, path in zip(signers, paths, strict=True)
        ),
        repositories=(RepositorySource(id="demo", base_urls=tuple(bases), gpgcheck=gpgcheck),),
        keys=keys,
        image=ImageSource(
            reference=reference, locations=tuple(image_locations), manifest=image.manifest, config=image.config,
            layers=image.layers,
        ),
    )  # fmt: skip
    (room.directory / "lock/buildroot_lock.sources.json").unlink(missing_ok=True)
    locks.write(room.directory / "lock", lock, side if with_sidecar else None)


def copied(location: str, directory: Path) -> Image:
    """An image copied by skopeo into the ``dir:`` layout."""
    directory.mkdir(parents=True)
    subprocess.run(copy.copy_command(location, directory, architecture="amd64"), check=True, capture_output=True)
    return manifest.read(directory)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A lock, the server that has its packages, and the directories of a run."""

    room: Room
    server: FaultyServer
    files: tuple[Path, ...]
    image: Image
    layout: Path

    def lock(self, *bases: str, **options: object) -> None:
        write_lock(
            self.room, self.files, bases or (self.server.url,), image=self.image,
            image_locations=(f"oci:{self.layout}:latest",), **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def sound(self) -> bool:
        """Whether the repository holds exactly the locked packages, each with its bytes."""
        names = {path.name for path in self.room.repo.glob("*.rpm")}
        return names == {path.name for path in self.files} and all(
            (self.room.repo / path.name).read_bytes() == path.read_bytes() for path in self.files
        )
