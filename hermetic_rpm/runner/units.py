"""Sizes as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes, decimal."""
    if count < 1000:
        return f"{count} B"
    if count < 1000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1000_000:.1f} MB"
