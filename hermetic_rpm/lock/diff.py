"""What differs between two locks: pure.

Packages are matched by name and architecture.  Where either lock holds several versions of one
(install-only packages do), nobody can say which became which: those are added and removed.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hermetic_rpm.lock import evr
from hermetic_rpm.lock.model import Lock, Package, Sidecar


class Kind(enum.StrEnum):
    """What happened to a package, in the order in which it is told; several may be true at once."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    REBUILT = "rebuilt"
    RELICENSED = "relicensed"
    RESIGNED = "re-signed"
    MOVED = "moved"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChange:
    """A package before and after; one of the two is None where it was added or removed."""

    kinds: tuple[Kind, ...]
    before: Package | None
    after: Package | None

    @property
    def package(self) -> Package:
        """The package as it is now, or as it was last."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Something other than a package, by its place in the lock; None where there was nothing."""

    place: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """All that differs: packages in the order of their names, settings in that of their places."""

    packages: tuple[PackageChange, ...]
    settings: tuple[Setting, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.packages or self.settings)

    def of(self, kind: Kind) -> tuple[PackageChange, ...]:
        """The packages to which that happened."""
        return tuple(change for change in self.packages if kind in change.kinds)


def difference(before: Lock, after: Lock) -> Difference:
    """What became of ``before`` in ``after``."""
    changes = [_change(old, new) for old, new in _pairs(before.packages, after.packages)]
    return Difference(
        packages=tuple(sorted((change for change in changes if change.kinds), key=_order)),
        settings=tuple(_setting_changes(dict(_settings(before, after)), dict(_settings(after, before)))),
    )


def _order(change: PackageChange) -> tuple[str, ...]:
    rpm = change.package.rpm
    return (rpm.name, rpm.arch, rpm.epoch or "", rpm.version, rpm.release)


_Identity = tuple[str, str, str, str, str]


def _identity(package: Package) -> _Identity:
    rpm = package.rpm
    return (rpm.name, rpm.arch, rpm.epoch or "0", rpm.version, rpm.release)


def _pairs(before: Iterable[Package], after: Iterable[Package]) -> Iterator[tuple[Package | None, Package | None]]:
    """Which package of ``before`` is which of ``after``: same NEVRA, else the only one of its name."""
    old = {_identity(package): package for package in before}
    new = {_identity(package): package for package in after}
    for identity in old.keys() & new.keys():
        yield old[identity], new[identity]
    names_old, names_new = _by_name(old.values()), _by_name(new.values())
    for name in names_old.keys() | names_new.keys():
        yield from _pairs_of_name(names_old[name], names_new[name])


def _by_name(packages: Iterable[Package]) -> defaultdict[str, list[Package]]:
    found: defaultdict[str, list[Package]] = defaultdict(list)
    for package in packages:
        found[package.rpm.name].append(package)
    return found


def _pairs_of_name(old: list[Package], new: list[Package]) -> Iterator[tuple[Package | None, Package | None]]:
    """The pairs of one name without those of the same NEVRA."""
    if len(old) == len(new) == 1:
        # Also where its architecture changed, say from x86_64 to noarch.
        if _identity(old[0]) != _identity(new[0]):
            yield old[0], new[0]
        return
    for arch in {package.rpm.arch for package in (*old, *new)}:
        mine = [package for package in old if package.rpm.arch == arch]
        others = [package for package in new if package.rpm.arch == arch]
        gone = [package for package in mine if _identity(package) not in map(_identity, others)]
        come = [package for package in others if _identity(package) not in map(_identity, mine)]
        if len(mine) == len(others) == 1 and gone:
            yield gone[0], come[0]
        else:
            yield from ((package, None) for package in gone)
            yield from ((None, package) for package in come)


def _change(before: Package | None, after: Package | None) -> PackageChange:
    return PackageChange(kinds=tuple(_kinds(before, after)), before=before, after=after)


def _kinds(before: Package | None, after: Package | None) -> Iterator[Kind]:
    if before is None:
        yield Kind.ADDED
        return
    if after is None:
        yield Kind.REMOVED
        return
    old, new = before.rpm, after.rpm
    order = evr.compare((old.epoch, old.version, old.release), (new.epoch, new.version, new.release))
    if order:
        yield Kind.UPGRADED if order < 0 else Kind.DOWNGRADED
    elif old.sigmd5 != new.sigmd5:
        yield Kind.REBUILT
    if old.license != new.license:
        yield Kind.RELICENSED
    if _resigned(before, after):
        yield Kind.RESIGNED
    if _moved(before, after):
        yield Kind.MOVED


def _resigned(before: Package, after: Package) -> bool:
    """Whether another key signed, or the same key signed the same package once more."""
    if before.rpm.signature != after.rpm.signature:
        return True
    if before.source is None or after.source is None:
        return False
    old, new = before.source.key, after.source.key
    same_key = old == new if old is None or new is None else old.endswith(new) or new.endswith(old)
    return not same_key or (before.rpm.sigmd5 == after.rpm.sigmd5 and before.source.sha256 != after.source.sha256)


def _moved(before: Package, after: Package) -> bool:
    """Whether it comes from elsewhere; of another version only the repository counts."""
    if before.source is not None and after.source is not None and before.source.repository != after.source.repository:
        return True
    return before.rpm.nevra == after.rpm.nevra and before.rpm.url != after.rpm.url


def _settings(lock: Lock, other: Lock) -> Iterator[tuple[str, str]]:
    """Everything but the packages as (place, value); of a sidecar only what the other lock can answer."""
    bootstrap, config = lock.lockfile.bootstrap, lock.lockfile.config
    yield "bootstrap.image_digest", bootstrap.image_digest
    yield "bootstrap.pull_digest", bootstrap.pull_digest
    yield "bootstrap.architecture", bootstrap.architecture
    yield "bootstrap.id", bootstrap.id
    yield "config.target_arch", config.target_arch
    yield "config.legal_host_arches", ", ".join(config.legal_host_arches)
    yield "config.dist", config.dist
    yield "config.package_manager", config.package_manager
    yield "config.bootstrap_image", config.bootstrap_image
    yield "config.bootstrap_image_ready", "true" if config.bootstrap_image_ready else "false"
    yield from ((f"config.macros[{name}]", str(value)) for name, value in config.macros)
    if lock.sidecar is None:
        return
    yield "sidecar", "present"
    if other.sidecar is not None:
        yield from _sidecar_settings(lock.sidecar)


def _sidecar_settings(sidecar: Sidecar) -> Iterator[tuple[str, str]]:
    yield "srpm.name", sidecar.srpm.name
    yield "srpm.sha256", sidecar.srpm.sha256
    yield "target.name", sidecar.target.name
    yield "target.sha256", sidecar.target.sha256
    yield "image.locations", ", ".join(sidecar.image.locations)
    for repository in sidecar.repositories:
        yield f"repositories[{repository.id}].base_urls", ", ".join(repository.base_urls)
        yield f"repositories[{repository.id}].gpgcheck", "true" if repository.gpgcheck else "false"
        if repository.client_certificate is not None:
            yield f"repositories[{repository.id}].client_certificate", repository.client_certificate
    for package in sidecar.bootstrap_packages:
        yield f"bootstrap_packages[{package.rpm.nevra}]", f"sha256:{package.source.sha256}"
    for file in sidecar.metadata:
        yield f"metadata[{file.kind} of {file.repository}]", f"sha256:{file.sha256}"
    yield from ((f"keys[{key.path}]", f"sha256:{key.sha256}") for key in sidecar.keys)
    given = sidecar.build_options
    yield from ((f"build_options.with[{name}]", name) for name in given.with_)
    yield from ((f"build_options.without[{name}]", name) for name in given.without)
    yield from ((f"build_options.define[{name}]", value) for name, _, value in (d.partition(" ") for d in given.define))
    yield from ((f"build_options.requires[{wanted}]", wanted) for wanted in given.requires)
    yield from ((f"modules.enabled[{stream}]", stream) for stream in sidecar.modules.enabled)
    yield from ((f"modules.disabled[{name}]", name) for name in sidecar.modules.disabled)
    yield from ((f"requirements.static[{wanted}]", wanted) for wanted in sidecar.static_requirements)
    yield from ((f"requirements.dynamic[{wanted}]", wanted) for wanted in sidecar.dynamic_requirements)


def _setting_changes(before: dict[str, str], after: dict[str, str]) -> Iterator[Setting]:
    for place in sorted(before.keys() | after.keys()):
        if before.get(place) != after.get(place):
            yield Setting(place=place, before=before.get(place), after=after.get(place))
