"""Sizes and times as people read them."""

from __future__ import annotations

import re


def size(count: int) -> str:
    """A number of bytes, decimal."""
    if count < 1000:
        return f"{count} B"
    if count < 1000_000:
        return f"{count / 1000:.1f} kB"
    if count < 1000_000_000:
        return f"{count / 1000_000:.1f} MB"
    return f"{count / 1000_000_000:.1f} GB"


def memory(text: str) -> int:
    """Bytes as podman takes them, ``4g`` or ``4294967296``; raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]*)([kmg]?)", text)
    if found is None:
        raise ValueError(f"{text!r} is no number of bytes such as 512m or 4g")
    return int(found[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[found[2]]


def clock(seconds: float) -> str:
    """A time as minutes and seconds, with hours where there are any: ``0:07``, ``1:02:03``."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
