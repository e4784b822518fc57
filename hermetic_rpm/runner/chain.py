"""In which order the packages of a chain are built: pure.

Before a build nobody knows what a package will provide: only its spec tells, which is code.  What
is known is the name of each source RPM and what its header requires.  By the names of packages a
requirement can be guessed to be for one of the others.  A guess decides about the order alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from hermetic_rpm.runner.packages import Package

WORD = re.compile(r"[^\s()<>=]+(?:\([^\s()]*\))*")
TYPED = re.compile(r"[A-Za-z0-9_.+-]+\(([^\s()]+)\)")

Needs = Mapping[str, frozenset[str]]
"""For each package (by name-version-release) those that it is guessed to need."""


def needs(packages: Sequence[Package]) -> Needs:
    """Who is guessed to need whom; nobody needs itself."""
    by_name = {package.name.lower(): package.nvr for package in packages}
    return {
        package.nvr: frozenset(
            by_name[name]
            for requirement in package.requires
            for word in WORD.findall(requirement)
            if (name := guess(word, by_name)) is not None
        )
        - {package.nvr}
        for package in packages
    }


def guess(word: str, names: Collection[str]) -> str | None:
    """Of the (lower case) names that of the package from which a capability may come: the longest that begins it.

    ``foo-devel`` may be of foo, as may ``pkgconfig(foo)``; ``perl(Foo::Bar)`` of perl-Foo-Bar.
    """
    typed = TYPED.fullmatch(word)
    texts = [word.partition("(")[0]] if typed is None else [
        f"{word.partition('(')[0]}-{typed[1].replace('::', '-')}", typed[1],
    ]  # fmt: skip
    for text in (text.lower() for text in texts):
        found = [name for name in names if text == name or text.startswith(f"{name}-")]
        if found:
            return max(found, key=len)
    return None


def wave(candidates: Collection[str], pending: Collection[str], needs: Needs) -> tuple[str, ...]:
    """Of the candidates those that need nobody who is pending; none if each does."""
    return tuple(name for name in candidates if not needs[name] & frozenset(pending))


def cycle(candidates: Collection[str], needs: Needs) -> tuple[str, ...]:
    """A cycle among candidates, each needing the next one and the last the first; none if there is none."""
    for start in candidates:
        path = [start]
        while (following := next((n for n in candidates if n in needs[path[-1]]), None)) is not None:
            if following in path:
                return tuple(path[path.index(following) :])
            path.append(following)
    return ()
