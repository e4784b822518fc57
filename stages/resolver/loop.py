"""The loop that finds every build requirement: static rounds, then dynamic ones, to a fixpoint.

Each round evaluates the spec anew, since packages installed by the round before bring
macros; it ends when a round installs nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hermetic_rpm.buildroot import rpmbuild
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.errors import ResolveDidNotSettle, SpecFailed

MAX_ROUNDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """The build requirements of a package: those of its spec and those it generated, sorted."""

    static: tuple[str, ...]
    dynamic: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """What the loop does to the world: install requirements, returning whether that changed anything."""

    install: Callable[[tuple[str, ...]], bool]
    say: Callable[[str], None]


def capabilities(requirements: tuple[str, ...]) -> tuple[str, ...]:
    """The requirements that packages can satisfy: all but those on features of rpm itself."""
    return tuple(requirement for requirement in requirements if not requirement.startswith("rpmlib("))


def resolve(package: PackageRoom, spec: str, steps: Steps) -> Requirements:
    """Install all that ``spec`` needs; raises `ResolveDidNotSettle` if it keeps asking for more."""
    static, is_dynamic = _static_rounds(package, spec, steps)
    dynamic = _dynamic_rounds(package, spec, steps) if is_dynamic else ()
    return Requirements(static=static, dynamic=tuple(sorted(set(dynamic) - set(static))))


def _static_rounds(package: PackageRoom, spec: str, steps: Steps) -> tuple[tuple[str, ...], bool]:
    seen: list[tuple[str, ...]] = []
    for number in range(1, MAX_ROUNDS + 1):
        srpm = rpmbuild.source_rpm(package, spec)
        found = rpmbuild.requirements(package, srpm)
        if number == 1 and (conflicts := rpmbuild.conflicts(package, srpm)):
            steps.say(f"BuildConflicts are not acted upon: {', '.join(conflicts)}; rpmbuild fails if one is installed")
        wanted = capabilities(found)
        steps.say(f"round {number} of the spec: {_count(wanted)}{_news(seen, wanted)}")
        seen.append(wanted)
        if not steps.install(wanted):
            return wanted, rpmbuild.DYNAMIC in {requirement.split(" ")[0] for requirement in found}
    raise _unsettled(spec, seen)


def _dynamic_rounds(package: PackageRoom, spec: str, steps: Steps) -> tuple[str, ...]:
    seen: list[tuple[str, ...]] = []
    for number in range(1, MAX_ROUNDS + 1):
        options = ("-br", "--nodeps") if number == 1 else ("-br", "--nodeps", "--noprep")
        outcome = rpmbuild.rpmbuild(package, spec, *options)
        if outcome.returncode not in (0, rpmbuild.UNMET_REQUIREMENTS):
            raise SpecFailed(f"%generate_buildrequires of {spec} failed.", log_tail=outcome.tail)
        path = rpmbuild.generated_requirements_rpm(package)
        if path is None and outcome.returncode == 0:
            # Some versions of rpmbuild write that package only when something is missing.
            steps.say(f"round {number} of %generate_buildrequires: nothing is missing")
            return seen[-1] if seen else ()
        if path is None:
            raise SpecFailed(f"rpmbuild -br of {spec} made no package with requirements.", log_tail=outcome.tail)
        wanted = capabilities(rpmbuild.requirements(package, path))
        steps.say(f"round {number} of %generate_buildrequires: {_count(wanted)}{_news(seen, wanted)}")
        seen.append(wanted)
        if not steps.install(wanted):
            return wanted
    raise _unsettled(spec, seen)


def _count(wanted: tuple[str, ...]) -> str:
    return f"{len(wanted)} requirement{'' if len(wanted) == 1 else 's'}"


def _news(seen: list[tuple[str, ...]], wanted: tuple[str, ...]) -> str:
    if not seen:
        return ""
    new = sorted(set(wanted) - set(seen[-1]))
    return f", new: {', '.join(new)}" if new else ", nothing new"


def _unsettled(spec: str, seen: list[tuple[str, ...]]) -> ResolveDidNotSettle:
    changing = sorted(set(seen[-1]) ^ set(seen[-2]))
    return ResolveDidNotSettle(
        f"The requirements of {spec} did not settle in {MAX_ROUNDS} rounds; still changing: "
        f"{', '.join(changing) or 'the installed packages'}."
    )
