"""What limits package code: what the stage sets for it, what its container has, and whether memory ran out."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import HermeticError, Interrupted, OutOfMemory
from hermetic_rpm.preflight import facts

PROCESSES = 4096


def package_limits(processes: int = PROCESSES, process_memory: int | None = None) -> tuple[tuple[str, int], ...]:
    """Resource limits of package code: processes of its user in all, and bytes of private memory of each process."""
    data = () if process_memory is None else (("data", process_memory),)
    return (("core", 0), ("nproc", processes), *data)


def found(limits: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    """What holds here for package code: numbers of processes, bytes; None where nothing limits it.

    A limit that this process has already is not raised.  ``container`` is that of its cgroup,
    for the stage and the build together, as far as the container can see it.
    """
    set_here = dict(limits)
    container = facts.read()
    return {
        "processes": _effective(resource.RLIMIT_NPROC, set_here.get("nproc")),
        "process_memory": _effective(resource.RLIMIT_DATA, set_here.get("data")),
        "container_processes": container.cgroup_processes,
        "container_memory": container.cgroup_memory,
    }


def _effective(kind: int, wanted: int | None) -> int | None:
    _, hard = resource.getrlimit(kind)
    known = [limit for limit in (wanted, None if hard == resource.RLIM_INFINITY else hard) if limit is not None]
    return min(known, default=None)


def memory_kills(root: Path = Path("/")) -> int | None:
    """How many processes of this container the kernel has ended for lack of memory; None if that cannot be known.

    A container may see a cgroup that it shares with others: version 2 then lists their processes
    as 0, version 1 does not list them, but rootless podman, which leaves it so, sets no limit there.
    """
    cgroup = root / "sys/fs/cgroup"
    lines = _lines(cgroup / "memory.events")
    if lines:
        own = "0" not in _lines(cgroup / "cgroup.procs")
    else:
        lines = _lines(cgroup / "memory/memory.oom_control")
        own = facts.read(root).cgroup_memory is not None
    counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return counts[0] if counts and own else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


@contextmanager
def memory_watched(
    note: Callable[[int | None], None], count: Callable[[], int | None] = memory_kills
) -> Iterator[None]:
    """Raise `OutOfMemory` in place of the error of a build whose processes the kernel ended meanwhile.

    ``note`` is told how many they were, also where the build went on without them.
    """
    before = count()

    def killed() -> int | None:
        now = count()
        return None if before is None or now is None else now - before

    try:
        yield
    except Interrupted:
        raise
    except HermeticError as error:
        number = killed()
        note(number)
        if number:
            raise OutOfMemory(
                f"The kernel ended {number} processes of the build for lack of memory. {error.reason}",
                log_tail=error.log_tail,
            ) from error
        raise
    note(killed())
