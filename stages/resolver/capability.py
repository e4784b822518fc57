"""Capabilities as rpm means them: what is provided, what is required, and whether they meet; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hermetic_rpm.lock import evr

LESS, GREATER, EQUAL = 2, 4, 8
_SENSE = {"<": LESS, "<=": LESS | EQUAL, "=": EQUAL, "==": EQUAL, ">=": GREATER | EQUAL, ">": GREATER}
"""rpm's bits for how a version is meant; its other bits say when a requirement counts."""
_SENSE_BITS = LESS | GREATER | EQUAL

_NEGATIVE = frozenset({"if", "unless", "without"})
_OPERATORS = frozenset({"(", ")", "and", "or", "with", "else"}) | _NEGATIVE
_EVR = re.compile(r"(?:([0-9]+):)?(.*?)(?:-([^-]*))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """A name and the versions it stands for; ``sense`` 0 means every version."""

    name: str
    sense: int = 0
    version: str = ""


def capability(name: str, flags: str, version: str) -> Capability:
    """From the three values that rpm's query gives."""
    return Capability(name=name, sense=int(flags) & _SENSE_BITS if flags.isdigit() else 0, version=version)


def meet(one: Capability, other: Capability) -> bool:
    """Whether two capabilities of one name have a version in common."""
    if not (one.sense and other.sense and one.version and other.version):
        return True
    order = _compare(one.version, other.version)
    if order == 0:
        return bool(one.sense & other.sense)
    older, newer = (one, other) if order < 0 else (other, one)
    return bool(older.sense & GREATER or newer.sense & LESS)


def _compare(a: str, b: str) -> int:
    """As rpm does it: where only one of the two names a release, releases do not count."""
    (epoch_a, version_a, release_a), (epoch_b, version_b, release_b) = _split(a), _split(b)
    if release_a is None or release_b is None:
        release_a = release_b = ""
    return evr.compare((epoch_a, version_a, release_a), (epoch_b, version_b, release_b))


def _split(text: str) -> tuple[str | None, str, str | None]:
    found = _EVR.fullmatch(text)
    assert found is not None
    return found[1], found[2], found[3]


def named(requirement: str) -> tuple[Capability, ...]:
    """The capabilities that a requirement as rpm prints it asks for.

    Of a rich one all that are named, without those that are a mere condition or excluded.
    """
    if not requirement.startswith("("):
        return tuple(_plain(requirement.split()))
    return tuple(_rich(list(_tokens(requirement))))


def _tokens(requirement: str) -> Iterator[str]:
    """Words and the parentheses around them; those in a name, as in ``perl(Foo)``, belong to it."""
    for part in requirement.split():
        word = part.lstrip("(")
        yield from "(" * (len(part) - len(word))
        closing = 0
        while word.endswith(")") and word.count(")") > word.count("("):
            word, closing = word[:-1], closing + 1
        if word:
            yield word
        yield from ")" * closing


def _plain(words: list[str]) -> Iterator[Capability]:
    if len(words) >= 3 and words[1] in _SENSE:
        yield Capability(name=words[0], sense=_SENSE[words[1]], version=words[2])
    elif words:
        yield Capability(name=words[0])


def _rich(parts: list[str]) -> Iterator[Capability]:
    """``counts`` holds for each open parenthesis whether what stands there is asked for."""
    counts = [True]
    words: list[str] = []
    for part in (*parts, ")"):
        if part not in _OPERATORS:
            words.append(part)
            continue
        if counts[-1]:
            yield from _plain(words)
        words = []
        match part:
            case "(":
                counts.append(counts[-1])
            case ")":
                counts = counts[:-1] or [True]
            case _:
                counts[-1] = counts[-2:][0] and part not in _NEGATIVE
