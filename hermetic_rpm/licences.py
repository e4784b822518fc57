"""SPDX licence expressions as values; the adapter of license-expression, whose index has the list of identifiers."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

AND, OR = "AND", "OR"
REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
OPERATORS = frozenset((AND, OR, "WITH"))
MAX_CHARACTERS = 10_000
MAX_DEPTH = 20
"""Bounds of what is parsed: a lock may come from anybody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One licence, with its exception if it has one; both as the SPDX list spells them."""

    licence: str
    exception: str | None = None

    def __str__(self) -> str:
        return self.licence if self.exception is None else f"{self.licence} WITH {self.exception}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compound:
    """Expressions joined by ``AND`` or ``OR``."""

    operator: str
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        parts = (f"({part})" if isinstance(part, Compound) else str(part) for part in self.parts)
        return f" {self.operator} ".join(parts)


Expression = Term | Compound


@dataclass(frozen=True, kw_only=True, slots=True)
class Identifiers:
    """What the SPDX list knows: the right spelling by the one in lower case, aliases included."""

    licences: Mapping[str, str]
    exceptions: Mapping[str, str]


@functools.cache
def identifiers() -> Identifiers:
    """The identifiers of the SPDX list; those of deprecated ones lead to their successors."""
    from license_expression import get_license_index  # noqa: PLC0415 - two of the images lack it

    licences: dict[str, str] = {}
    exceptions: dict[str, str] = {}
    for entry in get_license_index():
        name = entry.get("spdx_license_key") or ""
        if not name or name.startswith("LicenseRef-"):
            continue
        table = exceptions if entry["is_exception"] else licences
        table[name.lower()] = name
        for other in entry["other_spdx_license_keys"]:
            if not other.startswith("LicenseRef-"):
                table.setdefault(other.lower(), name)
    return Identifiers(licences=licences, exceptions=exceptions)


def known(name: str) -> str | None:
    """The spelling of a licence identifier (``GPL-2.0+`` included) or reference, or None."""
    if REFERENCE.fullmatch(name):
        return name
    found = identifiers().licences.get(name.lower())
    if found is None and name.endswith("+"):
        base = identifiers().licences.get(name[:-1].lower())
        return None if base is None else f"{base}+"
    return found


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Expression | None:
    """The expression, or None if ``text`` is none by SPDX 2.3 (operators in capitals, identifiers of its list)."""
    from license_expression import (  # noqa: PLC0415
        ExpressionError,
        ExpressionParseError,
        Licensing,
    )

    if not text.strip() or len(text) > MAX_CHARACTERS or _depth(text) > MAX_DEPTH:
        return None
    if any(word.upper() in OPERATORS and word not in OPERATORS for word in re.split(r"[\s()]+", text)):
        return None
    try:
        tree = Licensing().parse(text, simple=True)
    except (ExpressionError, ExpressionParseError, RecursionError):
        return None
    return _converted(tree)


def _depth(text: str) -> int:
    """How deep parentheses are nested."""
    return max(itertools.accumulate({"(": 1, ")": -1}.get(character, 0) for character in text))


def _converted(node: Any) -> Expression | None:
    """Our own value of a node of the library's tree, or None if a name in it is unknown."""
    if hasattr(node, "license_symbol"):
        licence = known(node.license_symbol.key)
        exception = identifiers().exceptions.get(node.exception_symbol.key.lower())
        return None if licence is None or exception is None else Term(licence=licence, exception=exception)
    if hasattr(node, "key"):
        licence = known(node.key)
        return None if licence is None else Term(licence=licence)
    parts = tuple(_converted(part) for part in node.args)
    sound = tuple(part for part in parts if part is not None)
    if len(sound) != len(parts):
        return None
    return Compound(operator=AND if node.operator.strip() == "AND" else OR, parts=sound)


def terms(expression: Expression) -> Iterator[Term]:
    """The terms of an expression in their order."""
    if isinstance(expression, Term):
        yield expression
        return
    for part in expression.parts:
        yield from terms(part)


def is_reference(term: Term) -> bool:
    """Whether a term names a licence that is not on the SPDX list."""
    return REFERENCE.fullmatch(term.licence) is not None
