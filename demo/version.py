"""Debian's versions as RPM's epoch, version and release."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORBIDDEN = re.compile(r"[^A-Za-z0-9._+~^]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evr:
    """Epoch, version and release as an RPM's header holds them."""

    epoch: str | None
    version: str
    release: str

    def __str__(self) -> str:
        prefix = f"{self.epoch}:" if self.epoch else ""
        return f"{prefix}{self.version}-{self.release}"


def evr_of(debian_version: str, *, dist: str) -> Evr:
    """``[epoch:]upstream[-revision]`` as an `Evr` whose release ends in ``.dist``.

    What RPM allows in neither field becomes a dot; a native package, which has no revision, gets release 0.
    """
    epoch, colon, rest = debian_version.partition(":")
    if not colon:
        epoch, rest = "", debian_version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return Evr(
        epoch=None if epoch in ("", "0") else epoch,
        version=_FORBIDDEN.sub(".", upstream),
        release=f"{_FORBIDDEN.sub('.', revision)}.{dist}",
    )
