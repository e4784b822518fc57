"""What was measured as a table: pure, but for the look at the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One thing measured several times; ``unit`` is ``s`` or ``MiB``."""

    name: str
    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)


def table(figures: Sequence[Figure]) -> Iterable[str]:
    """A line for each figure: median, smallest and largest value."""
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        low, high = min(figure.values), max(figure.values)
        spread = f"  ({low:.2f} to {high:.2f} in {len(figure.values)} runs)" if len(figure.values) > 1 else ""
        yield f"{figure.name:<{width}}  {figure.median:8.2f} {figure.unit}{spread}"


def machine() -> str:
    """Processors, memory, system, and how busy it all is."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB / 1024
    return (
        f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
