"""The BuildConflicts of a spec: what they name is kept out of the buildroot, or the resolve ends."""

from __future__ import annotations

import re
from collections.abc import Callable

from hermetic_rpm.buildroot import bootstrap, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.errors import ConflictUnavoidable
from hermetic_rpm.target.model import Target
from stages.resolver import package_manager
from stages.resolver.loop import Wish
from stages.resolver.package_manager import PackageManager

NEVRA = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*-[0-9]+:[^\s:/-]+-[^\s:/-]+\.[a-z0-9_]+")
"""A line of ``dnf repoquery``: a package with its epoch."""

MAX_CONFLICTS = 100
"""Each is two questions to dnf in every round."""


def keep_out(
    manager: PackageManager, boot: Bootstrap, target: Target, wish: Wish, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Erase what is installed and conflicts; returns the packages of the repositories that conflict.

    Raises `ConflictUnavoidable` if something that is installed needs what conflicts, or `BuildTimeout`.
    """
    if len(wish.conflicts) > MAX_CONFLICTS:
        raise ConflictUnavoidable(f"{wish.by} has {len(wish.conflicts)} BuildConflicts, more than {MAX_CONFLICTS}.")
    specs = tuple(package_manager.escape(conflict) for conflict in wish.conflicts)
    installed = _providers(manager, boot, target, specs, "--installed")
    if installed:
        outcome = bootstrap.run(boot, bootstrap.room(boot, timeout=manager.timeout), erase_command(installed))
        if outcome.returncode != 0:
            raise unavoidable(wish, f"{', '.join(installed)} cannot be removed from the buildroot", outcome.tail)
        say(f"removed for the BuildConflicts: {', '.join(installed)}")
    return _providers(manager, boot, target, specs)


def erase_command(packages: tuple[str, ...]) -> tuple[str, ...]:
    """The command that erases packages, if nothing needs them: pure."""
    return ("rpm", "--erase", "--root", bootstrap.BUILDROOT, "--", *packages)


def unavoidable(wish: Wish, why: str, tail: tuple[str, ...]) -> ConflictUnavoidable:
    """The error for conflicts that cannot be kept: pure."""
    return ConflictUnavoidable(f"{wish.by} has BuildConflicts: {', '.join(wish.conflicts)}; {why}.", log_tail=tail)


def _providers(
    manager: PackageManager, boot: Bootstrap, target: Target, specs: tuple[str, ...], *options: str
) -> tuple[str, ...]:
    """The packages (NEVRAs with epochs, sorted) that provide one of ``specs``: of the repositories, or installed."""
    found: set[str] = set()
    room = package_manager.room(manager, boot)
    for spec in specs:
        argv = package_manager.providers_command(manager, target, spec, *options)
        boot.log.command(argv)
        done = sandbox.run(room, argv)
        if done.returncode != 0:
            raise package_manager.explain(done.tail, (spec,))
        found.update(line for line in done.stdout.splitlines() if NEVRA.fullmatch(line))
    return tuple(sorted(found))
