"""The logs of a build, under the names that Mock gives them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.buildroot.commandlog import CommandLog, open_log
from hermetic_rpm.files import write_atomically
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.progress import Progress

BUILD, ROOT, STATE, HARDWARE, INSTALLED = (
    "build.log", "root.log", "state.log", "hw_info.log", "installed_pkgs.log",
)  # fmt: skip
NAMES = (BUILD, ROOT, STATE, HARDWARE, INSTALLED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Logs:
    """The open logs of one build."""

    build: CommandLog
    root: CommandLog
    state: CommandLog
    progress: Progress

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A phase, timed, whose start and end stand in state.log."""
        self.state.state(f"Start: {name}")
        with self.progress.phase(name):
            yield
        self.state.state(f"Finish: {name}")


@contextmanager
def open_logs(output: Path, progress: Progress) -> Iterator[Logs]:
    """Fresh logs in the results directory."""
    with open_log(output / BUILD) as build, open_log(output / ROOT) as root, open_log(output / STATE) as state:
        yield Logs(build=build, root=root, state=state, progress=progress)


def write_hardware(output: Path) -> None:
    """What machine this is, for whoever compares two builds."""
    system = os.uname()
    models = sorted(
        {line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    )
    memory = [line for line in _lines("/proc/meminfo") if line.startswith(("MemTotal", "MemAvailable"))]
    content = [
        f"kernel: {system.sysname} {system.release} {system.machine}",
        f"processors: {len(os.sched_getaffinity(0))} usable of {os.cpu_count()} ({', '.join(models) or 'unknown'})",
        *memory,
    ]
    write_atomically(output / HARDWARE, "\n".join(content) + "\n")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def write_installed(output: Path, lock: Lock) -> None:
    """The packages of the buildroot, which were compared with the lock."""
    lines = [
        f"{package.rpm.nevra} {'' if package.source is None else package.source.sha256}".rstrip()
        for package in lock.packages
    ]
    write_atomically(output / INSTALLED, "\n".join(lines) + "\n")
