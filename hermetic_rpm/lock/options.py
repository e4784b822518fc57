"""Build options: what a spec is evaluated with, in the resolver and again in the builder; pure.

They come from a command line or from a lock that nobody trusts.  The patterns are those of the
sidecar's schema (a test holds them equal), which reads the second kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hermetic_rpm.lock.model import BuildOptions

CONDITION = r"^[A-Za-z0-9_]{1,100}$"
"""The name of a ``%bcond``."""

DEFINITION = r"^[A-Za-z_][A-Za-z0-9_]{0,99} [^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]{1,2000}$"
"""``NAME VALUE`` of a macro: one line without control characters, also those that change what a reader sees."""

REQUIREMENT = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]{1,1000}$"
"""A requirement as rpm prints it."""

_VERSIONED = re.compile(r"([^\s<>=()]+)\s*(<=|>=|==|<|>|=)\s*([^\s<>=()]+)")


def condition(text: str) -> str | None:
    """The name of a build condition, or None if it is none."""
    return text if _is(CONDITION, text) else None


def definition(text: str) -> str | None:
    """``NAME VALUE`` with one blank between them, or None if it is no definition of a macro."""
    found = " ".join(text.strip().split(maxsplit=1))
    return found if _is(DEFINITION, found) else None


def requirement(text: str) -> str | None:
    """A requirement as rpm would print it (``gcc >= 4``), or None if it is none."""
    stripped = text.strip()
    versioned = _VERSIONED.fullmatch(stripped)
    found = " ".join(versioned.groups()) if versioned else stripped
    is_one = versioned or found.startswith("(") or len(found.split()) == 1
    return found if is_one and _is(REQUIREMENT, found) else None


def _is(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text) is not None


def options(
    *, with_: Iterable[str] = (), without: Iterable[str] = (), define: Iterable[str] = (), requires: Iterable[str] = ()
) -> BuildOptions:
    """Build options in the order in which they are recorded, whatever order they were given in."""
    return BuildOptions(
        with_=tuple(sorted(set(with_))), without=tuple(sorted(set(without))), define=tuple(sorted(set(define))),
        requires=tuple(sorted(set(requires))),
    )  # fmt: skip


def contradictions(with_: Iterable[str], without: Iterable[str], define: Iterable[str]) -> Iterator[str]:
    """What cannot all be meant: a condition both with and without, a macro with two values."""
    for name in sorted({*with_} & {*without}):
        yield f"{name} is wanted both with and without"
    names = sorted(text.split(" ")[0] for text in {*define})
    yield from (
        f"the macro {name} has two values" for name in sorted({name for name in names if names.count(name) > 1})
    )


def arguments(found: BuildOptions) -> tuple[str, ...]:
    """The options as rpmbuild takes them."""
    given = (("--with", found.with_), ("--without", found.without), ("--define", found.define))
    return tuple(word for option, values in given for value in values for word in (option, value))


def command_line(found: BuildOptions) -> tuple[str, ...]:
    """The options as the resolver takes them."""
    return (*arguments(found), *(word for wanted in found.requires for word in ("--build-requires", wanted)))
