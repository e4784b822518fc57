"""The loop that finds every build requirement: static rounds, then dynamic ones, to a fixpoint.

Each round evaluates the spec anew, since packages installed by the round before bring
macros; it ends when a round installs nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hermetic_rpm.buildroot import rpmbuild
from hermetic_rpm.buildroot.rpmbuild import Demands, PackageRoom
from hermetic_rpm.errors import ResolveDidNotSettle, SpecFailed, WrongArchitecture

MAX_ROUNDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """The build requirements of a package: those of its spec and those it generated, sorted."""

    static: tuple[str, ...]
    dynamic: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a round asks for: requirements, what must not be installed beside them, and who asks."""

    requirements: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """What the loop does to the world: fulfil a wish, returning whether that changed anything."""

    install: Callable[[Wish], bool]
    say: Callable[[str], None]


def capabilities(requirements: tuple[str, ...]) -> tuple[str, ...]:
    """The requirements that packages can satisfy: all but those on features of rpm itself."""
    return tuple(requirement for requirement in requirements if not requirement.startswith("rpmlib("))


def resolve(package: PackageRoom, spec: str, steps: Steps, further: tuple[str, ...] = ()) -> Requirements:
    """Install all that ``spec`` needs, and ``further`` requirements, which count as the spec's own.

    Raises `ResolveDidNotSettle` if it keeps asking for more, `WrongArchitecture` if it is not for the target's.
    """
    static, conflicts, is_dynamic = _static_rounds(package, spec, steps, further)
    dynamic = _dynamic_rounds(package, spec, steps, further, conflicts) if is_dynamic else ()
    return Requirements(static=static, dynamic=tuple(sorted(set(dynamic) - set(static))))


def _static_rounds(
    package: PackageRoom, spec: str, steps: Steps, further: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The requirements and conflicts of the spec, and whether it generates more."""
    seen: list[tuple[str, ...]] = []
    for number in range(1, MAX_ROUNDS + 1):
        found = rpmbuild.demands(package, rpmbuild.source_rpm(package, spec))
        _refuse_architecture(spec, found)
        wanted = tuple(sorted({*capabilities(found.requirements), *further}))
        steps.say(f"round {number} of the spec: {_count(wanted)}{_news(seen, wanted)}")
        seen.append(wanted)
        if not steps.install(Wish(requirements=wanted, conflicts=found.conflicts, by=spec)):
            is_dynamic = any(requirement.startswith(rpmbuild.DYNAMIC) for requirement in found.requirements)
            return wanted, found.conflicts, is_dynamic
    raise _unsettled(spec, seen)


def _refuse_architecture(spec: str, found: Demands) -> None:
    """Raise `WrongArchitecture` for what ``rpmbuild -bs`` lets pass and ``rpmbuild -bb`` does not."""
    if found.architecture in found.excluded:
        raise WrongArchitecture(f"{spec} cannot be built for {found.architecture}: its ExcludeArch names it.")
    if found.exclusive and found.architecture not in found.exclusive:
        raise WrongArchitecture(
            f"{spec} cannot be built for {found.architecture}: its ExclusiveArch is {' '.join(found.exclusive)}."
        )


def _dynamic_rounds(
    package: PackageRoom, spec: str, steps: Steps, further: tuple[str, ...], conflicts: tuple[str, ...]
) -> tuple[str, ...]:
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
        wanted = tuple(sorted({*capabilities(rpmbuild.requirements(package, path)), *further}))
        steps.say(f"round {number} of %generate_buildrequires: {_count(wanted)}{_news(seen, wanted)}")
        seen.append(wanted)
        by = f"%generate_buildrequires of {spec}"
        if not steps.install(Wish(requirements=wanted, conflicts=conflicts, by=by)):
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
