"""What an earlier run left in an output directory, so that the next one removes that and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from hermetic_rpm.files import is_safe_name, write_atomically, writing_errors

MADE = ".made.json"


def earlier(output: Path) -> frozenset[str]:
    """The names that an earlier run noted as its own; none if its note is missing or malformed."""
    try:
        names = json.loads((output / MADE).read_text())
    except (OSError, ValueError):
        return frozenset()
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str) and is_safe_name(name))


def note(output: Path, names: Iterable[str]) -> None:
    """Note names as this run's own, before they appear."""
    write_atomically(output / MADE, json.dumps(sorted(names)))


def remove(output: Path, names: Iterable[str]) -> None:
    """Remove files or directories directly below ``output``."""
    with writing_errors(output):
        for name in names:
            path = output / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
