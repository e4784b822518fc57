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


def duration(seconds: float) -> str:
    """A time as people read it: ``< 0.01 s``, ``0.05 s``, ``5.9 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 0.005:
        return "< 0.01 s"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {second:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
