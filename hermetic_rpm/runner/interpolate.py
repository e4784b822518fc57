"""``${parameter}`` in the texts of a pipeline file, and ``${parameter.name}`` for a path's last part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

LOG_FORMAT = "log_format"
"""The parameter that always exists: how progress is said, ``human`` or ``json``."""

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
NAME_SUFFIX = ".name"


def references(text: str) -> tuple[str, ...]:
    """The parameters that a text uses, in order."""
    return tuple(match.group(1).removesuffix(NAME_SUFFIX) for match in _REFERENCE.finditer(text))


def has_values(text: str, values: Mapping[str, str]) -> bool:
    """Whether every parameter that a text uses has a value."""
    return all(values[name] for name in references(text))


def split(text: str) -> tuple[tuple[str, str], ...]:
    """``text`` as pairs of what stands before a reference and the reference, ``""`` after the last text."""
    parts = _REFERENCE.split(text)
    return tuple(zip(parts[::2], (*parts[1::2], ""), strict=True))


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """``text`` with each reference replaced once; values are never interpreted again."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.endswith(NAME_SUFFIX):
            return PurePath(values[name.removesuffix(NAME_SUFFIX)]).name
        return values[name]

    return _REFERENCE.sub(value, text)
