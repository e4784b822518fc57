"""Ranges of versions as a policy writes them, by the order of `hermetic_rpm.lock.evr`: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hermetic_rpm.lock.evr import rpmvercmp
from hermetic_rpm.lock.model import LockedRpm

COMPARISON = re.compile(r"\s*(<=|>=|<|>|=)\s*(\S+)\s*")
EVR_TEXT = re.compile(r"(?:(?P<epoch>[0-9]{1,10}):)?(?P<version>[A-Za-z0-9._+~^]+)(?:-(?P<release>[A-Za-z0-9._+~^]+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """One comparison of a range, for instance ``>= 5.6.0``; no epoch is epoch 0, no release any release."""

    operator: str
    epoch: str
    version: str
    release: str | None

    def holds(self, rpm: LockedRpm) -> bool:
        """Whether the version of a package is on the right side of the bound."""
        order = rpmvercmp(rpm.epoch or "0", self.epoch) or rpmvercmp(rpm.version, self.version)
        if order == 0 and self.release is not None:
            order = rpmvercmp(rpm.release, self.release)
        return {-1: "<", 0: "=", 1: ">"}[order] in self.operator


def parse_range(text: str) -> tuple[Bound, ...]:
    """The bounds of a range such as ``>= 5.6.0, < 5.6.2``, which must all hold; raises ValueError."""
    bounds = []
    for part in text.split(","):
        comparison = COMPARISON.fullmatch(part)
        if comparison is None:
            raise ValueError(f"{part.strip()!r} is no comparison with <, <=, =, >= or >")
        evr = EVR_TEXT.fullmatch(comparison[2])
        if evr is None:
            raise ValueError(f"{comparison[2]!r} is no version ([epoch:]version[-release])")
        bounds.append(
            Bound(operator=comparison[1], epoch=evr["epoch"] or "0", version=evr["version"], release=evr["release"])
        )
    return tuple(bounds)
