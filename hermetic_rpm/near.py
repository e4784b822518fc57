"""The hint for a word that is not known: what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def sentence(word: str, known: Iterable[str], *, count: int = 1) -> str:
    """`` Did you mean …?`` with at most ``count`` of the ``known`` words, or nothing where none is near."""
    found = difflib.get_close_matches(word, sorted(known), n=count)
    return f" Did you mean {', '.join(found)}?" if found else ""


def aside(words: Iterable[str], known: Iterable[str]) -> str:
    """`` (did you mean …?)`` with the nearest to each of the ``words``, or nothing where none is near."""
    choice = sorted(known)
    found = [match for word in words for match in difflib.get_close_matches(word, choice, n=1)]
    return f" (did you mean {', '.join(found)}?)" if found else ""
