"""podman as root or as an ordinary user, a workspace, and the stages run on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import rpm_rs

from hermetic_rpm.runner.command import TMPFS_OPTIONS
from hermetic_rpm.runner.plan import SCRATCH
from tests.support import documents

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "build/demo"
IMAGES = tuple(f"localhost/hermetic-rpm/{stage}" for stage in ("resolver", "fetcher", "builder", "signer"))
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
SANDBOX = "DAC_OVERRIDE,SETFCAP,SETGID,SETUID,SYS_CHROOT"
CAPABILITIES = {"resolver": SANDBOX, "fetcher": "DAC_OVERRIDE", "builder": SANDBOX}
IN_MEMORY = (f"--tmpfs={SCRATCH}:{TMPFS_OPTIONS}",) if MEMORY >= 8 << 30 else ()
"""Where most tests have the scratch of a stage: a third of the time of a disk, which the runner and the README use."""
TARGETS = ("demo-dnf5-x86_64", "demo-dnf4-x86_64")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """podman as somebody: ``prefix`` becomes that user, ``environment`` is all there is."""

    name: str
    prefix: tuple[str, ...]
    environment: dict[str, str]
    home: Path

    def run(self, *argv: str | Path, cwd: Path | None = None, check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.prefix, *map(str, argv)], env=self.environment, cwd=cwd or self.home, text=True, check=False,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        if check and done.returncode != 0:
            pytest.fail(f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done


def host_environment() -> dict[str, str]:
    """The environment that `make` gives to podman on this host."""
    inherited = ("PATH", "HOME", "LANG", "TERM", "CONTAINERS_CONF")
    environment = {key: os.environ[key] for key in inherited if key in os.environ}
    environment["XDG_STATE_HOME"] = str(ROOT / "build/state")
    host = ROOT / "build/host.env"
    for line in host.read_text().splitlines() if host.is_file() else ():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            environment[name] = value
    return environment


@dataclass(kw_only=True)
class Workspace:
    """One workspace of one user, and the stages run on it as the README says."""

    engine: Engine
    path: Path
    log: list[str] = field(default_factory=list)
    options: tuple[str, ...] = ()
    scratch: tuple[str, ...] = IN_MEMORY
    capabilities: dict[str, str] = field(default_factory=lambda: CAPABILITIES)

    def stage(
        self, stage: str, *arguments: str, mounts: tuple[str, ...] = (), options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        volumes = [part for mount in mounts for part in ("-v", mount)]
        return self.engine.run(
            "podman", "run", "--rm", "--read-only", "--hostname=hermetic-rpm", "--cap-drop=all",
            f"--cap-add={self.capabilities[stage]}", "--security-opt=no-new-privileges", *self.scratch,
            *self.options, *options, *volumes,
            f"localhost/hermetic-rpm/{stage}", *arguments,
        )  # fmt: skip

    def resolve(self, srpm: Path, target: str = TARGETS[0], *extra: str) -> subprocess.CompletedProcess[str]:
        return self.stage(
            "resolver", "--srpm", f"/input/{srpm.name}", "--target", target, "--output", "/workspace/lock",
            "--cache", "/workspace/cache", *extra,
            mounts=(f"{srpm.parent}:/input:ro", f"{ROOT / 'targets'}:/targets:ro", f"{DEMO}:/distribution:ro",
                    f"{self.path}:/workspace"),
        )  # fmt: skip

    def fetch(self, *extra: str) -> subprocess.CompletedProcess[str]:
        return self.stage(
            "fetcher", "--lockfile", "/workspace/lock/buildroot_lock.json", "--output", "/workspace/repo",
            "--cache", "/workspace/cache", *extra,
            mounts=(f"{self.path}:/workspace", f"{self.path}/lock:/workspace/lock:ro", f"{DEMO}:/distribution:ro"),
        )  # fmt: skip

    def build(self, srpm: Path, *extra: str, network: str = "none") -> subprocess.CompletedProcess[str]:
        return self.stage(
            "builder", "--srpm", f"/input/{srpm.name}", *extra, options=(f"--network={network}",),
            mounts=(f"{srpm.parent}:/input:ro", f"{self.path}/lock:/lock:ro", f"{self.path}/repo:/repo:ro",
                    f"{self.path}/results:/results"),
        )  # fmt: skip

    def whole(self, srpm: Path, target: str = TARGETS[0]) -> None:
        """All three stages, each of which must end well."""
        for done in (self.resolve(srpm, target), self.fetch(), self.build(srpm)):
            assert done.returncode == 0, done.stderr[-4000:]
            self.log.append(done.stderr)

    def take_cache(self, other: Workspace) -> None:
        """Have in the cache what the cache of another workspace has."""
        shutil.copytree(other.path / "cache", self.path / "cache", copy_function=os.link, dirs_exist_ok=True)

    def result(self, directory: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.path / directory / "result.json").read_text())
        return loaded

    def rpms(self) -> tuple[Path, ...]:
        return tuple(sorted((self.path / "results").glob("*.rpm")))


def workspace_at(engine: Engine, path: Path) -> Workspace:
    for name in ("cache", "lock", "repo", "results"):
        (path / name).mkdir(parents=True)
    return Workspace(engine=engine, path=path)


def sample(name: str) -> Path:
    """A source RPM of the demo distribution."""
    found = sorted((DEMO / "srpms").glob(f"{name}-[0-9]*.src.rpm"))
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


QUICK = "quick-1-1.src.rpm"
QUICK_SPEC = """
Name: quick
Version: 1
Release: 1
Summary: Builds in no time
License: MIT
BuildArch: noarch
%description
Quick.
%install
install -D -m 0644 /etc/os-release %{buildroot}/usr/share/quick/os-release
%files
/usr/share/quick
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""


def quick_srpm(directory: Path) -> Path:
    """The source RPM `QUICK`, made in that directory, for tests in which it does not matter what is built."""
    with tempfile.TemporaryDirectory() as top:
        spec = Path(top, "quick.spec")
        spec.write_text(QUICK_SPEC)
        subprocess.run(["rpmbuild", "-bs", "--quiet", "--define", f"_topdir {top}", spec], check=True)
        return Path(shutil.move(Path(top, "SRPMS", QUICK), directory))


def unpack_rpm(rpm: Path, destination: Path) -> Path:
    """The files of an RPM below ``destination``, which must not exist yet."""
    rpm_rs.Package.open(str(rpm)).extract(str(destination))
    return destination


def rpm_query(rpm: Path, query: str) -> str:
    """What the host's rpm reads in a package."""
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", query, rpm], check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def with_runner(engine: Engine, home: Path, **more: str) -> Engine:
    """The same podman with `hermetic-rpm` on its path."""
    path = f"{Path(sys.executable).parent}:{engine.environment['PATH']}"
    return Engine(name=home.name, prefix=(), environment={**engine.environment, "PATH": path, **more}, home=home)


def commands(how_to: str, name: str) -> str:
    """The commands of a how-to that are marked with ``name``."""
    return documents.commands(f"docs/how-to/{how_to}", name)


def runner(*arguments: str | Path, environment: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command line of the runner."""
    return subprocess.run(
        [sys.executable, "-m", "hermetic_rpm.runner", *map(str, arguments)], env=environment, cwd=cwd, check=False,
        text=True, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
