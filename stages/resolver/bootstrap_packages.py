"""What a bootstrap image lacks to have the package manager of its target: chosen, downloaded, verified, installed.

The image may hold nothing but rpm, so the choice is made by the dnf of this stage's own image,
which sees a copy of the image's rpm database and never the image.  It installs nothing: that
does the image's rpm, as it will in the builder.  The choice is kept for the next resolve from the
same repositories, the packages in the cache by their sha256.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import cache as cache_store
from hermetic_rpm import rpmfile
from hermetic_rpm.buildroot import archive, bootstrap, completion, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.sandbox import Mount, Sandbox
from hermetic_rpm.errors import (
    BootstrapIncomplete,
    HermeticError,
    PackageManagerFailed,
    PackageManagerMissing,
    UnsatisfiedRequirement,
    VerificationFailed,
)
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import RpmSource
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.target.model import Repository, Target
from stages.resolver import metadata, package_manager
from stages.resolver.buildroot_cache import Slot
from stages.resolver.metadata import Candidate, Nevra

PROGRAMS = {"dnf5": "/usr/bin/dnf5", "dnf4": "/usr/bin/dnf-3", "yum": "/usr/bin/yum"}
"""What is asked for: distributions call the packages differently, but not the programs."""

EXCHANGE = "/hermetic-rpm-exchange"
HEADERS = "headers"
PLACE = "/bootstrap"
DOWNLOADS = "/downloads"
ENVIRONMENT = (("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"), ("HOME", "/"), ("LANG", "C.UTF-8"))
CHOICE = "choice.json"

Locked = tuple[InstalledRow, RpmSource]
"""A package that was installed into the bootstrap, and where it came from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where the choice is made: a directory, the cache, dnf's own cache, its configuration and local repositories.

    ``keys`` are the certificates of the target; ``slot`` finds the place where the choice is
    kept, None if there is none.  ``timeout`` (seconds) is for the transaction of the image's rpm.
    """

    directory: Path
    cache: Path
    dnf_cache: Path
    mounts: tuple[Mount, ...]
    keys: tuple[Path, ...]
    slot: Callable[[], Slot | None]
    say: Callable[[str], None]
    timeout: int

    def path(self, name: str) -> Path:
        """A directory of the workshop: exchange, root, downloads, choice or tools."""
        return self.directory / name


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A package that completes the image: the name of its downloaded file, its NEVRA, its source."""

    file: str
    nevra: Nevra
    source: RpmSource


def complete(boot: Bootstrap, target: Target, workshop: Workshop) -> tuple[Locked, ...]:
    """Install the target's package manager into the bootstrap; returns the packages that this took.

    Raises `PackageManagerMissing` if the image holds no rpm, `BootstrapIncomplete` if it cannot be
    done, and what the repositories' failures mean.
    """
    for name in ("exchange", "root", "downloads", "choice", "tools"):
        workshop.path(name).mkdir(parents=True)
    slot = workshop.slot()
    chosen = _kept(workshop, slot)
    if chosen is None:
        workshop.say(f"the image is not ready: looking for {PROGRAMS[target.package_manager]}")
        chosen = _choose(boot, target, workshop)
        _keep(workshop, slot, chosen)
    workshop.say(f"{len(chosen)} packages complete the bootstrap")
    names = [package.file for package in chosen]
    rows = completion.complete(boot, workshop.path("downloads"), names, timeout=workshop.timeout)
    sources = {package.nevra: package.source for package in chosen}
    if sources.keys() != {metadata.nevra(row) for row in rows}:
        raise BootstrapIncomplete("The image's rpm did not install just what it was given.")
    return tuple((row, sources[metadata.nevra(row)]) for row in rows)


def _kept(workshop: Workshop, slot: Slot | None) -> tuple[Chosen, ...] | None:
    """The choice that was made before for the same repositories, if the cache still has all its packages."""
    if slot is None or not slot.restore(workshop.path("choice"), workshop.path("archive")):
        return None
    rows = json.loads((workshop.path("choice") / CHOICE).read_text())
    chosen = tuple(
        Chosen(file=row["file"], nevra=tuple(row["nevra"]), source=RpmSource(**row["source"])) for row in rows
    )
    downloads = workshop.path("downloads")
    if all(
        cache_store.take(workshop.cache, package.source.sha256, package.source.size, downloads / package.file)
        for package in chosen
    ):
        return chosen
    for path in downloads.iterdir():
        path.unlink()
    return None


def _keep(workshop: Workshop, slot: Slot | None, chosen: tuple[Chosen, ...]) -> None:
    """Keep the packages for the fetcher and the choice for the next resolve, unless a repository changed meanwhile."""
    for package in chosen:
        cache_store.add(workshop.cache, workshop.path("downloads") / package.file, package.source.sha256)
    if slot is not None and slot == workshop.slot():
        rows = [dataclasses.asdict(package) for package in chosen]
        (workshop.path("choice") / CHOICE).write_text(json.dumps(rows))
        slot.keep(workshop.path("choice"), workshop.path("archive"))


def _choose(boot: Bootstrap, target: Target, workshop: Workshop) -> tuple[Chosen, ...]:
    """Download what the image lacks, and verify it."""
    wanted = PROGRAMS[target.package_manager]
    _copy_database(boot, workshop)
    outcome = bootstrap.run(boot, _room(workshop, network=True), solve_command(target, wanted))
    if outcome.returncode != 0:
        raise explain(outcome.tail, wanted)
    files = tuple(sorted(workshop.path("downloads").glob("*.rpm")))
    if not files:
        raise BootstrapIncomplete(f"A package of the image should hold {wanted}, but no such program answers.")
    return _verified(target, workshop, files)


def _copy_database(boot: Bootstrap, workshop: Workshop) -> None:
    """Give the stage's own rpm what is installed in the image: as headers, since every rpm reads those of others."""
    room = bootstrap.room(boot, writable=True, mounts=(sandbox.bind(workshop.path("exchange"), EXCHANGE),))
    outcome = bootstrap.run(boot, room, ("sh", "-c", f"rpmdb --exportdb >{EXCHANGE}/{HEADERS}"))
    if outcome.returncode != 0:
        raise PackageManagerMissing(
            "The bootstrap image holds neither the package manager of the target nor an rpm to install it with.",
            log_tail=outcome.tail,
        )
    importing = ("sh", "-c", f"rpmdb --root {PLACE} --importdb <{EXCHANGE}/{HEADERS}")
    outcome = bootstrap.run(boot, _room(workshop, network=False), importing)
    if outcome.returncode != 0:
        raise BootstrapIncomplete("The image's rpm database cannot be read.", log_tail=outcome.tail)


def solve_command(target: Target, wanted: str) -> tuple[str, ...]:
    """The command of the stage's own dnf 4 that downloads ``wanted`` and what it needs: pure.

    It checks no signatures of packages, since `_verified` does.
    """
    return (
        "dnf", f"--config={package_manager.CONFIG}/dnf.conf", f"--installroot={PLACE}",
        f"--releasever={target.releasever or '1'}", f"--setopt=cachedir={package_manager.CACHE}",
        f"--setopt=reposdir={package_manager.CONFIG}/none", "--setopt=*.gpgcheck=0", "--assumeyes",
        f"--forcearch={target.architecture}", "--noplugins", "--downloadonly", f"--downloaddir={DOWNLOADS}",
        "install", "--", wanted,
    )  # fmt: skip


def explain(tail: tuple[str, ...], wanted: str) -> HermeticError:
    """The error that dnf's last lines mean: pure."""
    error = package_manager.explain(tail, (wanted,))
    if isinstance(error, UnsatisfiedRequirement):
        return BootstrapIncomplete(f"{wanted} cannot be installed into the image: {error.reason}", log_tail=tail)
    return error


def _room(workshop: Workshop, *, network: bool) -> Sandbox:
    """A sandbox with the programs of this stage's image, and nothing of the bootstrap's."""
    tools = workshop.path("tools")
    programs = archive.programs_of_stage(tools)
    online = ("/etc/resolv.conf", "/etc/ssl", "/etc/ca-certificates") if network else ()
    return Sandbox(
        root=tools,
        mounts=(
            *sandbox.system_mounts(),
            Mount(kind="tmpfs", target="/tmp"),  # noqa: S108 - a new one, for this sandbox alone
            programs,
            *(sandbox.bind(path, path, read_only=True) for path in online if Path(path).exists()),
            sandbox.bind(workshop.path("exchange"), EXCHANGE, read_only=True),
            sandbox.bind(workshop.path("root"), PLACE),
            sandbox.bind(workshop.path("downloads"), DOWNLOADS),
            sandbox.bind(workshop.dnf_cache, package_manager.CACHE),
            *workshop.mounts,
        ),
        environment=ENVIRONMENT,
        network=network,
    )


def _verified(target: Target, workshop: Workshop, files: tuple[Path, ...]) -> tuple[Chosen, ...]:
    """Where each file comes from, once its bytes are what a repository describes and signed as that demands."""
    headers = rpmfile.inspect(files, certificates=workshop.keys)
    with metadata.Catalog(workshop.dnf_cache, target.repositories) as catalog:
        described = catalog.describe(f"{h.name}-{h.version}-{h.release}.{h.arch}" for h in headers)
    repositories = {repository.id: repository for repository in target.repositories}
    chosen = []
    for path, header in zip(files, headers, strict=True):
        nevra = (header.name, header.epoch or "0", header.version, header.release, header.arch)
        source = _source(path, header, described.offers.get(nevra, []))
        check_signature(header, repositories[source.repository])
        chosen.append(Chosen(file=path.name, nevra=nevra, source=source))
    return tuple(chosen)


def _source(path: Path, header: Header, offers: list[Candidate]) -> RpmSource:
    if header.problem is not None:
        raise VerificationFailed(f"{path.name} is damaged: {header.problem}.")
    size, sha256 = path.stat().st_size, sha256_of(path)
    for offer in offers:
        if offer.size == size and offer.sha256 in (None, sha256):
            return RpmSource(
                sha256=sha256, size=size, repository=offer.repository, location=offer.location,
                key=max(header.signers, key=len, default=None), source=offer.source,
            )  # fmt: skip
    raise VerificationFailed(f"{path.name} is not what a repository of the target describes.")


def check_signature(header: Header, repository: Repository) -> None:
    """Hold a package against what its repository demands: pure; raises `PackageManagerFailed`."""
    if repository.gpgcheck and header.verified_by is None:
        signers = ", ".join(header.signers) or "nobody"
        raise PackageManagerFailed(
            f"{Path(header.path).name} is not signed as {repository.id} demands: signed by {signers}.",
            solution="Name the right key under gpgkey of its repository in the target.",
        )
