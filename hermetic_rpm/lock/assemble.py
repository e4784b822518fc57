"""From what was found to the files of a lock."""

from __future__ import annotations

from pathlib import Path

from hermetic_rpm import rpmfile
from hermetic_rpm.errors import NotAnRpm
from hermetic_rpm.files import is_safe_name, sha256_of, write_atomically, writing_errors
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import join, lockfile, sidecar
from hermetic_rpm.lock.lockfile import InstalledRow
from hermetic_rpm.lock.model import (
    NO_OPTIONS,
    BootstrapPackage,
    BuildConfig,
    BuildOptions,
    ImageSource,
    KeyFile,
    LockedSrpm,
    Lockfile,
    MetadataFile,
    ModuleStreams,
    RepositorySource,
    RequirementEdges,
    RpmSource,
    Sidecar,
    SourceRpm,
    TargetIdentity,
)
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Target


def documents(
    *,
    target: Target,
    image: Image,
    keys: tuple[Key, ...],
    srpm: LockedSrpm,
    rows: tuple[InstalledRow, ...],
    origins: tuple[RpmSource, ...],
    static_requirements: tuple[str, ...] = (),
    dynamic_requirements: tuple[str, ...] = (),
    edges: RequirementEdges | None = None,
    metadata: tuple[MetadataFile, ...] = (),
    sources: tuple[SourceRpm, ...] | None = None,
    bootstrap_packages: tuple[tuple[InstalledRow, RpmSource], ...] = (),
    build_options: BuildOptions = NO_OPTIONS,
) -> tuple[bytes, bytes]:
    """The bytes of the lockfile and of the sidecar bound to it; the same input gives the same bytes: pure.

    ``bootstrap_packages`` are what was installed into an image that was not ready.
    """
    base_urls = {repository.id: repository.baseurl[0] for repository in target.repositories}
    lock_bytes = lockfile.render(
        Lockfile(
            rpms=tuple(
                lockfile.locked_rpm(row, url=sidecar.canonical_url(base_urls[origin.repository], origin.location))
                for row, origin in zip(rows, origins, strict=True)
            ),
            bootstrap=image.identity,
            config=_config(target, ready=not bootstrap_packages),
        )
    )
    beside = Sidecar(
        lockfile_sha256=lockfile.sha256(lock_bytes),
        srpm=srpm,
        target=TargetIdentity(name=target.name, sha256=target.sha256),
        image=ImageSource(
            reference=target.image_reference,
            locations=target.image_locations,
            manifest=image.manifest,
            config=image.config,
            layers=image.layers,
        ),
        repositories=tuple(
            RepositorySource(
                id=repository.id,
                base_urls=repository.baseurl,
                gpgcheck=repository.gpgcheck,
                client_certificate=repository.client_certificate,
            )
            for repository in target.every_repository
        ),
        keys=tuple(KeyFile(path=f"{sidecar.KEYS_DIRECTORY}/{key.name}", sha256=key.sha256) for key in keys),
        rpms=origins,
        static_requirements=static_requirements,
        dynamic_requirements=dynamic_requirements,
        edges=edges,
        metadata=metadata,
        sources=sources,
        bootstrap_packages=tuple(
            BootstrapPackage(
                rpm=lockfile.locked_rpm(row, url=sidecar.canonical_url(base_urls[origin.repository], origin.location)),
                source=origin,
            )
            for row, origin in bootstrap_packages
        ),
        build_options=build_options,
        modules=ModuleStreams(enabled=target.module_streams, disabled=target.disabled_modules),
    )
    return lock_bytes, sidecar.render(beside)


def locked_srpm(path: Path) -> LockedSrpm:
    """The identity of a sound source RPM; raises what `rpmfile.check_source_rpm` does."""
    if not is_safe_name(path.name):
        raise NotAnRpm(
            f"{path.name!r} is no usable name for a source RPM.",
            solution="Rename the file as NAME-VERSION-RELEASE.src.rpm.",
        )
    rpmfile.check_source_rpm(path)
    return LockedSrpm(name=path.name, sha256=sha256_of(path), size=path.stat().st_size)


def _config(target: Target, *, ready: bool) -> BuildConfig:
    return BuildConfig(
        target_arch=target.architecture,
        legal_host_arches=target.legal_host_arches,
        dist=target.dist,
        package_manager=target.package_manager,
        bootstrap_image=target.image_reference,
        bootstrap_image_ready=ready,
        macros=target.macros,
    )


def write(directory: Path, documents: tuple[bytes, bytes], keys: tuple[Key, ...]) -> None:
    """Keys first, then the lockfile, then the sidecar that binds them; what a reader would refuse is not written."""
    lock_bytes, sidecar_bytes = documents
    beside = sidecar.parse(sidecar_bytes)
    join.packages(lockfile.parse(lock_bytes), beside)
    join.bootstrap_packages(beside)
    kept = directory / sidecar.KEYS_DIRECTORY
    with writing_errors(kept):
        kept.mkdir()
    for key in keys:
        write_atomically(kept / key.name, key.content)
    write_atomically(directory / lockfile.LOCKFILE_NAME, lock_bytes)
    write_atomically(directory / sidecar.SIDECAR_NAME, sidecar_bytes)
