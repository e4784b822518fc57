"""A row of the lockfile against a file's header and against what rpm installed: pure."""

from __future__ import annotations

from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.lockfile import locked_rpm as as_locked
from hermetic_rpm.lock.model import LockedRpm
from hermetic_rpm.rpmfile import Header


def differences(rpm: LockedRpm, header: Header) -> tuple[str, ...]:
    """In which of NEVRA and sigmd5 a header differs from a row."""
    pairs = (
        ("name", rpm.name, header.name),
        ("epoch", rpm.epoch, header.epoch),
        ("version", rpm.version, header.version),
        ("release", rpm.release, header.release),
        ("architecture", rpm.arch, header.arch),
        ("sigmd5", rpm.sigmd5, header.sigmd5),
    )
    return tuple(f"its {what} is {found}, locked is {locked}" for what, locked, found in pairs if locked != found)


def installed_differences(locked: tuple[LockedRpm, ...], rows: tuple[InstalledRow, ...]) -> tuple[str, ...]:
    """In what an installed set differs from the locked one, the address of each package aside."""
    wanted = {rpm.nevra: rpm for rpm in locked}
    found = {rpm.nevra: rpm for rpm in (as_locked(row, url="") for row in rows)}
    missing = [f"{nevra} is locked but not installed" for nevra in sorted(wanted.keys() - found.keys())]
    extra = [f"{nevra} is installed but not locked" for nevra in sorted(found.keys() - wanted.keys())]
    changed = [
        f"{nevra} is installed with another signature, licence or sigmd5 than locked"
        for nevra in sorted(wanted.keys() & found.keys())
        if _facts(wanted[nevra]) != _facts(found[nevra])
    ]
    return (*missing, *extra, *changed)


def _facts(rpm: LockedRpm) -> tuple[str | None, ...]:
    return (rpm.license, rpm.sigmd5, rpm.signature)
