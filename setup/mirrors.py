"""Debian's mirrors and the proxies to them, as the host's own apt is configured."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from hermetic_rpm.process import run

SUITE = "trixie"
FORMAT = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)"
PASSED_ON = ("Acquire::http", "Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Retries")
KINDS = ("", "updates", "security")


@dataclass(frozen=True, kw_only=True, slots=True)
class Apt:
    """What other Debian systems on this machine need to know: source lines of the suite, configuration lines."""

    sources: tuple[str, ...]
    configuration: tuple[str, ...]


def sources_for(suite: str, targets: Iterable[str], *, own_suites: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The source lines for ``suite`` from the host's index targets (in `FORMAT`), its own suite replaced.

    apt knows the origin of a repository once its lists are there; before, those of ``own_suites`` count as Debian's.
    """
    lines = set()
    for target in targets:
        origin, release, uri, component = target.split("|")
        own, dash, kind = release.partition("-")
        debian = origin == "Debian" or (not origin and own in own_suites)
        if debian and component == "main" and kind in KINDS and not uri.startswith("cdrom:"):
            lines.add((KINDS.index(kind), f"deb {uri} {suite}{dash}{kind} main"))
    return tuple(line for _, line in sorted(lines))


def passed_on(dump: Iterable[str]) -> tuple[str, ...]:
    """Those lines of ``apt-config dump`` that say how to reach a mirror and what to accept from it."""
    return tuple(line for line in dump if line.startswith(PASSED_ON) and not line.endswith(' "";'))


def of_this_host(suite: str = SUITE) -> Apt:
    """The host's configuration; empty where there is no apt or it knows no Debian mirror."""
    if shutil.which("apt-get") is None:
        return Apt(sources=(), configuration=())
    targets = run(("apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages"), check=False)
    dump = run(("apt-config", "dump"), check=False)
    return Apt(
        sources=sources_for(suite, targets.stdout.splitlines(), own_suites=_own_suites()),
        configuration=passed_on(dump.stdout.splitlines()),
    )


def _own_suites() -> frozenset[str]:
    system = platform.freedesktop_os_release()
    if system.get("ID") != "debian":
        return frozenset()
    return frozenset({system.get("VERSION_CODENAME", "stable"), "stable", "oldstable", "testing"})
