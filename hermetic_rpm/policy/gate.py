"""The gate: a lock passes it, or `PolicyViolated` lists everything that is wrong."""

from __future__ import annotations

import hashlib
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import LockMismatch, PolicyViolated
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.policy import certificates, places
from hermetic_rpm.policy.check import violations
from hermetic_rpm.policy.model import Certificate, Circumstances, Policy, Violation

WIDTH = 110


def enforce(
    policy: Policy,
    lock: Lock,
    lockfile: Path,
    *,
    origins: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    dated: datetime | None = None,
) -> None:
    """Hold a lock (and the origins and places of its image that the user adds) against a policy.

    Raises `PolicyViolated` with every violation, `LockMismatch` for keys that are not the locked ones.
    """
    given = Circumstances(
        origins=tuple(url for url in origins if not url.startswith(places.DOCKER)),
        images=images,
        certificates=_certificates(lock, lockfile.parent),
        dated=dated,
        modified=datetime.fromtimestamp(lockfile.stat().st_mtime, UTC),
        now=datetime.now(UTC),
    )
    if found := violations(policy, lock, given):
        raise PolicyViolated("\n".join((f"{policy.name} refuses this lock:", *lines(found))))


def lines(found: tuple[Violation, ...]) -> tuple[str, ...]:
    """Each rule and reason once, with all the packages that it is about: pure."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for violation in found:
        subjects.setdefault((violation.rule, violation.text), []).append(violation.subject)
    return tuple(line for (rule, text), names in subjects.items() for line in _lines(f"  {rule}: {text}:", names))


def _lines(head: str, names: list[str]) -> tuple[str, ...]:
    if len(names) == 1:
        return (f"{head} {names[0]}",)
    wrapped = textwrap.wrap(", ".join(names), WIDTH, break_long_words=False, break_on_hyphens=False)
    return (head, *(f"      {line}" for line in wrapped))


def _certificates(lock: Lock, directory: Path) -> tuple[Certificate, ...]:
    found = []
    for key in () if lock.sidecar is None else lock.sidecar.keys:
        content = read_bytes(directory / key.path, LockMismatch)
        if hashlib.sha256(content).hexdigest() != key.sha256:
            raise LockMismatch(f"The key {directory / key.path} is not the one that was locked.")
        found.append(certificates.read(key.path, content))
    return tuple(found)
