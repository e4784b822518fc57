"""From what was found to the two documents of a lock: pure."""

from __future__ import annotations

from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import lockfile, sidecar
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import (
    BuildConfig,
    ImageSource,
    KeyFile,
    LockedSrpm,
    Lockfile,
    RepositorySource,
    RequirementEdges,
    RpmSource,
    Sidecar,
    TargetIdentity,
)
from hermetic_rpm.target.model import Target
from stages.resolver.keys import Key
from stages.resolver.loop import Requirements
from stages.resolver.metadata import Origin


def documents(
    *,
    target: Target,
    image: Image,
    keys: tuple[Key, ...],
    srpm: LockedSrpm,
    requirements: Requirements,
    rows: tuple[InstalledRow, ...],
    origins: tuple[Origin, ...],
    edges: RequirementEdges,
) -> tuple[bytes, bytes]:
    """The bytes of the lockfile and of the sidecar bound to it; the same input gives the same bytes."""
    base_urls = {repository.id: repository.baseurl[0] for repository in target.repositories}
    lock_bytes = lockfile.render(
        Lockfile(
            rpms=tuple(
                lockfile.locked_rpm(row, url=canonical_url(base_urls[origin.repository], origin.location))
                for row, origin in zip(rows, origins, strict=True)
            ),
            bootstrap=image.identity,
            config=_config(target),
        )
    )
    beside = Sidecar(
        lockfile_sha256=lockfile.sha256(lock_bytes),
        srpm=srpm,
        target=TargetIdentity(name=target.name, sha256=target.sha256),
        image=ImageSource(
            reference=target.image_reference, locations=target.image_locations, manifest=image.manifest,
            config=image.config, layers=image.layers,
        ),
        repositories=tuple(
            RepositorySource(id=repository.id, base_urls=repository.baseurl, gpgcheck=repository.gpgcheck)
            for repository in target.repositories
        ),
        keys=tuple(KeyFile(path=f"{sidecar.KEYS_DIRECTORY}/{key.name}", sha256=key.sha256) for key in keys),
        rpms=tuple(map(_source, origins)),
        static_requirements=requirements.static,
        dynamic_requirements=requirements.dynamic,
        edges=edges,
    )  # fmt: skip
    return lock_bytes, sidecar.render(beside)


def _source(origin: Origin) -> RpmSource:
    return RpmSource(
        sha256=origin.sha256, size=origin.size, repository=origin.repository, location=origin.location, key=origin.key
    )  # fmt: skip


def canonical_url(base_url: str, location: str) -> str:
    """The package's address below the target's first base URL, whichever mirror served it."""
    return f"{base_url.rstrip('/')}/{location}"


def _config(target: Target) -> BuildConfig:
    return BuildConfig(
        target_arch=target.architecture,
        legal_host_arches=target.legal_host_arches,
        dist=target.dist,
        package_manager=target.package_manager,
        bootstrap_image=target.image_reference,
        bootstrap_image_ready=True,
        macros=target.macros,
    )
