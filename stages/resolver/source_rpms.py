"""Which source RPMs the locked packages were built from, and where the target's source repositories have them."""

from __future__ import annotations

from collections.abc import Iterable

from hermetic_rpm.lock.model import SourceRpm
from stages.resolver.metadata import Catalog


def find(catalog: Catalog, names: Iterable[str]) -> tuple[SourceRpm, ...]:
    """Those of the named source RPMs that a source repository has with a sha256, sorted by name.

    Raises `RepositoryUnavailable` for a source repository that cannot be read.
    """
    offers = catalog.describe(name.removesuffix(".rpm") for name in names).offers
    found: dict[str, SourceRpm] = {}
    for (name, _, version, release, arch), candidates in sorted(offers.items()):
        file_name = f"{name}-{version}-{release}.{arch}.rpm"
        for offer in candidates:
            if offer.sha256 is not None:
                entry = SourceRpm(
                    name=file_name, repository=offer.repository, location=offer.location, sha256=offer.sha256,
                    size=offer.size,
                )  # fmt: skip
                found.setdefault(file_name, entry)
    return tuple(found[name] for name in sorted(found))
