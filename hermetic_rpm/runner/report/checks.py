"""What was checked of a build, by whom, and how it ended: pure.

Facts of a ``result.json`` have no schema of their own: whatever is not what a builder writes counts as not known.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.lock import join
from hermetic_rpm.runner.report.gather import FileState, Gathered

COMMAND, BUILDER, FETCHER = "this report", "builder", "fetcher"


class State(enum.StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "not passed"
    UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A check: what holds if it passed, what was looked at, and who did."""

    title: str
    state: State
    detail: str
    by: str


def checks(found: Gathered) -> tuple[Check, ...]:
    """Every check, in the order of the way from lock to packages."""
    return (_lock(found), _fetched(found), *_of_builder(found.builder.result["facts"]), _files(found))


def _lock(found: Gathered) -> Check:
    state, detail = State.UNKNOWN, "no lock was given, and none found"
    if found.lock is not None:
        read = found.builder.result["inputs"]
        same = all(read.get(role) == sha256 for role, sha256 in join.checksums(found.lock).items())
        state = State.PASSED if same else State.UNKNOWN  # another one would have been refused
        detail = "sha256 of lockfile and sidecar" if same else "the builder did not say what it read"
    return Check(title="The lock shown here is the one that the builder read", state=state, detail=detail, by=COMMAND)


def _fetched(found: Gathered) -> Check:
    state, detail = State.UNKNOWN, "no result of a fetcher for this lock was found"
    if found.fetcher is not None:
        state = _state(found.fetcher.result["status"] == "ok")
        with_sidecar = found.fetcher.result["facts"].get("sidecar") is True
        detail = (
            "sha256, size, NEVRA, sigmd5, required signatures"
            if with_sidecar
            else "NEVRA and sigmd5: there is no sidecar"
        )
    return Check(title="Every package was verified when it was fetched", state=state, detail=detail, by=FETCHER)


def _of_builder(facts: Mapping[str, Any]) -> Iterator[Check]:
    def check(title: str, value: object, expected: object, detail: str) -> Check:
        state = State.UNKNOWN if value is None else _state(value == expected)
        return Check(title=title, state=state, detail=detail, by=BUILDER)

    def of_package_code(name: str) -> object:
        return _at(facts, "inside", "rpmbuild", name)

    yield check("The lock has a sidecar", facts.get("sidecar"), True, "without one only NEVRA and sigmd5 are locked")
    yield check(
        "The source RPM is the one that was resolved", facts.get("srpm_was_resolved"), True, "its sha256 in the sidecar"
    )
    yield check(
        "The offline repository equals the lock", facts.get("repository_equals_lock"), True,
        "nothing extra, missing or changed, before any of it ran",
    )  # fmt: skip
    yield check(
        "The buildroot equals the lock", facts.get("buildroot_equals_lock"), True, "rpm's own list of what is installed"
    )
    yield check(
        "The container had no network", _names(facts.get("network_interfaces_outside")), ("lo",),
        f"interfaces outside the sandbox: {_listed(facts.get('network_interfaces_outside'))}",
    )  # fmt: skip
    yield check(
        "Package code had no network", _names(of_package_code("network_interfaces")), ("lo",),
        f"interfaces inside the sandbox: {_listed(of_package_code('network_interfaces'))}",
    )  # fmt: skip
    yield check(
        "Package code had no capabilities", _no_capabilities(of_package_code("capabilities")), True,
        "every set of the kernel's, the bounding set too",
    )  # fmt: skip
    yield check(
        "Package code could gain no privileges",
        of_package_code("no_new_privileges"),
        True,
        "no_new_privs of the kernel",
    )
    yield check("A seccomp filter was in force", of_package_code("seccomp_filter"), True, "for package code")
    uid = of_package_code("uid")
    yield check(
        "Package code was not root", uid > 0 if isinstance(uid, int) else None, True,
        f"user id inside the sandbox: {uid if isinstance(uid, int) else 'not known'}",
    )  # fmt: skip


def _files(found: Gathered) -> Check:
    changed = [f"{name} ({state})" for name, state in found.files.items() if state is not FileState.SAME]
    return Check(
        title="The files are still those that the builder wrote",
        state=_state(not changed) if found.files else State.UNKNOWN,
        detail=", ".join(changed) or f"sha256 of {len(found.files)} files",
        by=COMMAND,
    )


def _state(passed: bool) -> State:
    return State.PASSED if passed else State.FAILED


def _at(value: object, *names: str) -> object:
    """A value deep in mappings; None if there is no such thing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _names(value: object) -> tuple[str, ...] | None:
    return tuple(map(str, value)) if isinstance(value, list) else None


def _listed(value: object) -> str:
    names = _names(value)
    return "not known" if names is None else ", ".join(names) or "none"


def _no_capabilities(sets: object) -> bool | None:
    if not isinstance(sets, dict) or not sets:
        return None
    return all(isinstance(mask, str) and not mask.strip("0") for mask in sets.values())
