"""Which installed package is there for what, from the database of the buildroot's own rpm.

`query` asks it; all below is pure.  A requirement leads to every package that satisfies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hermetic_rpm.buildroot import bootstrap
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import BuildrootEntry, RequirementEdges, Rows
from stages.resolver.capability import Capability, capability, meet, named
from stages.resolver.loop import Requirements

_IDENTITY = ("%{name}", "%{arch}", "%{version}", "%{release}", "%{epoch}", "%{sigmd5}")
QUERY_FORMAT = (
    "P\\t" + "\\t".join(_IDENTITY) + "\\n"
    "[R\\t%{REQUIRENAME}\\t%{REQUIREFLAGS}\\t%{REQUIREVERSION}\\n]"
    "[V\\t%{PROVIDENAME}\\t%{PROVIDEFLAGS}\\t%{PROVIDEVERSION}\\n]"
    "[F\\t%{FILENAMES}\\n]"
)  # fmt: skip
MERGED = frozenset({"bin", "sbin", "lib", "lib64"})
"""Directories that are links into /usr on a merged system, where one file answers to several names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relations:
    """What each row requires, and which rows provide a capability or, if somebody requires it, a file."""

    requires: tuple[tuple[Capability, ...], ...]
    provides: dict[str, list[tuple[int, Capability]]]
    files: dict[str, list[int]]

    def satisfying(self, wanted: Capability) -> frozenset[int]:
        """The rows that satisfy a capability."""
        offers = self.provides.get(wanted.name, ())
        found = frozenset(row for row, offered in offers if meet(wanted, offered))
        if found or not wanted.name.startswith("/"):
            return found
        if holders := self.files.get(wanted.name):
            return frozenset(holders)
        return frozenset(row for path in aliases(wanted.name) for row in self.files.get(path, ()))


def aliases(path: str) -> tuple[str, ...]:
    """The other names that a file may have where /bin, /sbin, /lib and /lib64 are links."""
    top, _, rest = path.removeprefix("/usr/").removeprefix("/").partition("/")
    if top not in MERGED or not rest:
        return ()
    tops = ("bin", "sbin") if top in ("bin", "sbin") else (top,)
    names = (f"{above}/{name}/{rest}" for above in ("", "/usr") for name in tops)
    return tuple(name for name in names if name != path)


def query(boot: Bootstrap) -> str:
    """What every installed package requires, provides and holds."""
    return bootstrap.query(boot, ("rpm", "-qa", "--root", bootstrap.BUILDROOT, "--qf", QUERY_FORMAT))


def edges(
    query_output: str,
    rows: tuple[InstalledRow, ...],
    *,
    minimal: tuple[InstalledRow, ...],
    buildroot: tuple[str, ...],
    requirements: Requirements,
) -> RequirementEdges:
    """The edges between ``rows``, and what ``buildroot`` and ``requirements`` ask of them.

    ``minimal`` are the rows there were before any requirement was installed.
    """
    asked = (*buildroot, *requirements.static, *requirements.dynamic)
    relations = _relations(query_output, rows, frozenset(wanted.name for text in asked for wanted in named(text)))
    # Most requirements are the same few, for instance on the C library.
    answers = {wanted: relations.satisfying(wanted) for wanted in dict.fromkeys(_all(relations.requires))}
    packages = tuple(_packages(relations.requires, answers))
    there = {row: index for index, row in enumerate(rows)}
    return RequirementEdges(
        buildroot=_buildroot(relations, packages, buildroot, tuple(there[row] for row in minimal if row in there)),
        static=tuple(_rows_for(relations, requirement) for requirement in requirements.static),
        dynamic=tuple(_rows_for(relations, requirement) for requirement in requirements.dynamic),
        packages=packages,
    )


def _all(requires: Iterable[tuple[Capability, ...]]) -> Iterator[Capability]:
    for wanted in requires:
        yield from wanted


def _packages(
    requires: tuple[tuple[Capability, ...], ...], answers: dict[Capability, frozenset[int]]
) -> Iterator[Rows]:
    """For each row the rows that it requires; what it provides itself it needs from nobody else."""
    for row, wanted in enumerate(requires):
        found = (answers[one] for one in wanted)
        yield tuple(sorted({needed for those in found if row not in those for needed in those}))


def _rows_for(relations: Relations, requirement: str) -> Rows:
    return tuple(sorted({row for wanted in named(requirement) for row in relations.satisfying(wanted)}))


def _relations(query_output: str, rows: tuple[InstalledRow, ...], asked: frozenset[str]) -> Relations:
    """The rows' relations; lines of packages that are no rows (public keys) are passed over.

    ``asked`` are the names that something else than a package requires.
    """
    name, arch, _license, version, release, epoch, sigmd5, _signature = range(8)
    numbers = {
        (row[name], row[arch], row[version], row[release], row[epoch], row[sigmd5]): number
        for number, row in enumerate(rows)
    }
    requires: list[list[Capability]] = [[] for _ in rows]
    provides: defaultdict[str, list[tuple[int, Capability]]] = defaultdict(list)
    paths: list[tuple[int, str]] = []
    current: int | None = None
    for line in query_output.splitlines():
        match line.split("\t"):
            case ["P", *identity] if len(identity) == len(_IDENTITY):
                current = numbers.get((identity[0], identity[1], identity[2], identity[3], identity[4], identity[5]))
            case ["F", path] if current is not None:
                paths.append((current, path))
            case ["R", text, flags, wanted] if current is not None:
                requires[current] += _required(text, flags, wanted)
            case ["V", text, flags, offered] if current is not None:
                provides[text].append((current, capability(text, flags, offered)))
    names = asked.union(wanted.name for those in requires for wanted in those)
    needed = {name for name in names if name.startswith("/")}
    return Relations(requires=tuple(map(tuple, requires)), provides=dict(provides), files=_files(paths, needed))


def _required(text: str, flags: str, version: str) -> tuple[Capability, ...]:
    if text == "(none)" or text.startswith("rpmlib("):
        return ()
    return named(text) if text.startswith("(") else (capability(text, flags, version),)


def _files(paths: list[tuple[int, str]], needed: set[str]) -> dict[str, list[int]]:
    """The rows that hold a needed path, or the same file by another name."""
    searched = needed.union(*map(aliases, needed))
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, path in paths:
        if path in searched:
            found[path].append(row)
    return dict(found)


def _buildroot(
    relations: Relations, packages: tuple[Rows, ...], names: tuple[str, ...], minimal: Rows
) -> tuple[BuildrootEntry, ...]:
    """What came for each thing that the target asks for.

    What a group holds no installed package tells.  But rows of the minimal buildroot that
    nothing else in it leads to must have been asked for, so they came for the groups.
    """
    known = [BuildrootEntry(name=name, rows=rows) for name in names if (rows := _rows_for(relations, name))]
    inside = frozenset(minimal)
    reached = _reached((row for entry in known for row in entry.rows), packages, inside)
    sources = _sources(minimal, packages, reached)
    if sources:
        others = [name for name in names if name not in {entry.name for entry in known}]
        known.append(BuildrootEntry(name=", ".join(others or names), rows=sources))
    return tuple(known)


def _reached(starts: Iterable[int], packages: tuple[Rows, ...], inside: frozenset[int]) -> frozenset[int]:
    found: set[int] = set()
    waiting = [row for row in starts if row in inside]
    while waiting:
        row = waiting.pop()
        if row not in found:
            found.add(row)
            waiting += (needed for needed in packages[row] if needed in inside)
    return frozenset(found)


def _sources(rows: Rows, packages: tuple[Rows, ...], reached: frozenset[int]) -> Rows:
    """The fewest of ``rows`` from which all that are not ``reached`` can be, one of each cycle at the top.

    Of rows in the order in which a depth-first search leaves them, the last is one that nothing
    outside its cycle leads to (Kosaraju).
    """
    inside = frozenset(rows)
    found: list[int] = []
    for row in reversed(_left(rows, packages, inside)):
        if row not in reached:
            found.append(row)
            reached |= _reached((row,), packages, inside)
    return tuple(sorted(found))


def _left(rows: Rows, packages: tuple[Rows, ...], inside: frozenset[int]) -> list[int]:
    """``rows`` in the order in which a depth-first search leaves them."""
    left: list[int] = []
    seen: set[int] = set()
    for start in rows:
        path = [] if start in seen else [(start, iter(packages[start]))]
        seen.add(start)
        while path:
            row, remaining = path[-1]
            following = next((needed for needed in remaining if needed in inside and needed not in seen), None)
            if following is None:
                left.append(row)
                path.pop()
            else:
                seen.add(following)
                path.append((following, iter(packages[following])))
    return left
