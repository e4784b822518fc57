"""The flow of the resolver: bootstrap, minimal buildroot, the loop, the lock."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import files, inputs, made, rpmfile
from hermetic_rpm.buildroot import bootstrap, rpmbuild, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.commandlog import CommandLog, open_log
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.edge import Report, expect_srpm
from hermetic_rpm.errors import BootstrapIncomplete, PackageManagerFailed, UnsatisfiedRequirement
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.image import copy, unpack
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.inputs import Input
from hermetic_rpm.lock import assemble, options
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME, InstalledRow
from hermetic_rpm.lock.model import BuildOptions, LockedSrpm, MetadataFile, RequirementEdges, RpmSource, SourceRpm
from hermetic_rpm.lock.sidecar import KEYS_DIRECTORY, SIDECAR_NAME
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import OFFERS, outputs_of
from hermetic_rpm.target import keys, load, support
from hermetic_rpm.target.keys import Key
from hermetic_rpm.target.model import Target
from stages.resolver import (
    access,
    bootstrap_packages,
    buildroot_cache,
    conflicts,
    from_spec,
    loop,
    metadata,
    mirrors,
    offers,
    package_manager,
)
from stages.resolver import edges as requirement_edges
from stages.resolver.access import Access, Given
from stages.resolver.bootstrap_packages import Locked, Workshop
from stages.resolver.mirrors import Expanded
from stages.resolver.package_manager import PackageManager
from stages.resolver.search import Search

LOG_NAME = "resolver.log"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the resolver was asked to do (paths inside its container).

    Either there is a ``srpm``, or a ``spec`` and perhaps ``sources``.  ``timeout`` (seconds) is for
    each time that code of the package runs.
    """

    srpm: Path | None
    spec: Path | None
    sources: Path | None
    options: BuildOptions
    target: str
    targets: Path
    keys: Path
    access: Given
    output: Path
    cache: Path | None
    scratch: Path
    timeout: int
    inputs: tuple[Input, ...]
    expected: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What a resolve works with once its bootstrap stands."""

    target: Target
    access: Access
    image: Image
    boot: Bootstrap
    completed: tuple[Locked, ...]
    manager: PackageManager
    keys: tuple[Key, ...]
    minimal: Minimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Minimal:
    """Where the minimal buildroot is kept (None if nowhere), and whether it was taken from there."""

    slot: buildroot_cache.Slot | None
    restored: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the loop found: requirements, and what was installed before and after it; and the source RPM it was for."""

    srpm: Path
    requirements: loop.Requirements
    minimal: tuple[InstalledRow, ...]
    rows: tuple[InstalledRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origins:
    """Where the packages, the comps and modules of their repositories, and the source RPMs come from."""

    packages: tuple[metadata.Origin, ...]
    metadata: tuple[MetadataFile, ...]
    sources: tuple[SourceRpm, ...]


def resolve(request: Request, progress: Progress, report: Report) -> None:
    """Write lockfile, sidecar, keys and log into the output directory."""
    with progress.phase("check"):
        given = _check_given(request, report)
        target = load.load(load.find(request.target, request.targets))
        support.require(target)
        given_access = access.read(request.access, target)
        report.inputs["target"] = target.sha256
        forget_older_lock(request)
    expanded = mirrors.expand(target, progress, given_access)
    scratch = files.scratch_directory(request.scratch, "resolve-")
    cache = request.cache or scratch / "cache"
    try:
        with open_log(request.output / LOG_NAME) as log, _package_cache(cache, target) as dnf_cache:
            with progress.phase("inputs"):
                report.inputs |= inputs.take(request.inputs, scratch / "inputs", request.expected)
            with Search(dnf_cache, expanded.working) as search:
                setup = _set_up(request, expanded, given_access, scratch, dnf_cache, progress, log)
                found = _find(setup, request, search, progress, log)
                with progress.phase("requirement edges"):
                    edges = _edges(setup, found)
                with progress.phase("origins"):
                    origins = _origins(setup, found, search, progress)
            with progress.phase("lock"):
                srpm = given or assemble.locked_srpm(found.srpm)
                expect_srpm(srpm.sha256, request.expected)
                srpms = _keep_srpm(request, found)
                _write_lock(request, setup, expanded.recorded, srpm, found, origins, edges)
                metadata.keep(cache, dnf_cache, origins.packages)
                report.facts[OFFERS] = offers.used(expanded.working, setup.image, setup.keys, dnf_cache)
                metadata.keep_files(cache, dnf_cache, target.repositories, origins.metadata)
    finally:
        sandbox.remove(scratch)
    names = (*srpms, LOCKFILE_NAME, SIDECAR_NAME, LOG_NAME, *(f"{KEYS_DIRECTORY}/{key.name}" for key in setup.keys))
    report.outputs = outputs_of(request.output, [request.output / name for name in names])
    report.summary = f"locked {len(found.rows)} packages in {request.output / LOCKFILE_NAME}"


def _check_given(request: Request, report: Report) -> LockedSrpm | None:
    """The identity of the source RPM, if one was given."""
    if request.srpm is None:
        assert request.spec is not None
        report.inputs["spec"] = files.sha256_of(request.spec)
        return None
    srpm = assemble.locked_srpm(request.srpm)
    report.inputs["srpm"] = srpm.sha256
    expect_srpm(srpm.sha256, request.expected)
    return srpm


def forget_older_lock(request: Request) -> None:
    """Remove what an earlier run left, but not a source RPM that it made and that is resolved now."""
    output, given = request.output, request.srpm
    earlier = [name for name in made.earlier(output) if (output / name).exists()]
    made.remove(output, (name for name in earlier if given is None or not given.samefile(output / name)))
    with writing_errors(output):
        for name in (LOCKFILE_NAME, SIDECAR_NAME):
            (output / name).unlink(missing_ok=True)
        shutil.rmtree(output / KEYS_DIRECTORY, ignore_errors=True)


@contextmanager
def _package_cache(cache: Path, target: Target) -> Iterator[Path]:
    """dnf's cache for a target, held by one resolver at a time: others wait."""
    directory = cache / "dnf" / f"{target.name}-{target.sha256[:12]}"
    with writing_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (directory.parent / f"{directory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for stale in (*directory.glob("*.pid"), *directory.glob("*/*.pid")):  # also that of a bootstrap's packages
                stale.unlink()
            yield directory


def _set_up(
    request: Request, expanded: Expanded, way: Access, scratch: Path, dnf_cache: Path, progress: Progress,
    log: CommandLog,
) -> Setup:  # fmt: skip
    target = expanded.working
    with progress.phase("image"):
        progress.say(f"bootstrap image {target.image_reference}")
        image = copy.copy_first(
            target.image_locations, scratch / "image",
            architecture=copy.GO_ARCHITECTURES.get(target.architecture, target.architecture), say=progress.warn,
            cache=request.cache,
        )  # fmt: skip
    boot = Bootstrap(root=scratch / "bootstrap", buildroot=scratch / "buildroot", log=log)
    boot.buildroot.mkdir()
    found_keys = keys.collect(target, request.keys, way.opener)
    with progress.phase("unpack"), ThreadPoolExecutor(max_workers=1) as beside:
        kept = _slot(request, target, image, found_keys, way, buildroot_cache.MINIMAL)
        restored = beside.submit(lambda: kept is not None and kept.restore(boot.buildroot, scratch / "archive"))
        unpack.unpack(image, boot.root, scratch / "unpack", say=progress.say)
        minimal = Minimal(slot=kept, restored=restored.result())
    config = _write_config(scratch / "config", expanded, found_keys)
    online_config = _write_config(scratch / "online-config", expanded, found_keys, way)
    local = _local_repositories(target)
    online = (sandbox.bind(online_config, package_manager.CONFIG, read_only=True), *local)

    def find() -> PackageManager | None:
        return package_manager.find(
            target.package_manager, boot, cache=dnf_cache, online=online, timeout=request.timeout,
            mounts=(sandbox.bind(config, package_manager.CONFIG, read_only=True), *local),
        )  # fmt: skip

    manager = find()
    completed: tuple[Locked, ...] = ()
    if manager is None:
        with progress.phase("bootstrap"):
            workshop = _workshop(request, target, way, image, found_keys, scratch, dnf_cache, online, progress)
            completed = bootstrap_packages.complete(boot, target, workshop)
            manager = find()
    if manager is None:
        raise BootstrapIncomplete(f"The completed bootstrap has no {target.package_manager} that answers.")
    return Setup(
        target=target, access=way, image=image, boot=boot, completed=completed, manager=manager, keys=found_keys,
        minimal=minimal,
    )  # fmt: skip


def _workshop(
    request: Request,
    target: Target,
    way: Access,
    image: Image,
    found_keys: tuple[Key, ...],
    scratch: Path,
    dnf_cache: Path,
    mounts: tuple[sandbox.Mount, ...],
    progress: Progress,
) -> Workshop:
    """Where an image that is not ready is completed."""

    def slot() -> buildroot_cache.Slot | None:
        return _slot(request, target, image, found_keys, way, buildroot_cache.BOOTSTRAP)

    own_cache = dnf_cache / "bootstrap"
    with writing_errors(own_cache):
        own_cache.mkdir(exist_ok=True)
    return Workshop(
        directory=scratch / "workshop", cache=request.cache or scratch / "cache", dnf_cache=own_cache, mounts=mounts,
        keys=tuple(sorted((scratch / "config/keys").iterdir())), slot=slot, say=progress.say,
        timeout=request.timeout,
    )  # fmt: skip


def _write_config(
    directory: Path, expanded: Expanded, found_keys: tuple[Key, ...], way: Access | None = None
) -> Path:  # fmt: skip
    """dnf's configuration; with ``way``, what lets it into servers, too."""
    directory.mkdir(mode=0o700)
    (directory / "keys").mkdir(parents=True)
    (directory / "none").mkdir()
    for key in found_keys:
        write_atomically(directory / "keys" / key.name, key.content)
    write_atomically(directory / "dnf.conf", package_manager.configuration(expanded.working, way))
    for repository, metalink in expanded.lists:
        write_atomically(directory / package_manager.metalink_name(repository), metalink)
    if way is not None:
        (directory / access.DIRECTORY).mkdir()
        for name, content in way.files().items():
            write_atomically(directory / access.DIRECTORY / name, content)
    return directory


def _local_repositories(target: Target) -> tuple[sandbox.Mount, ...]:
    """Repositories on this file system, visible to dnf where the target says they are."""
    places = sorted(
        {
            metadata.local_path(base)
            for repository in target.every_repository
            for base in repository.baseurl
            if base.startswith("file://")
        }
    )
    return tuple(sandbox.bind(place, str(place), read_only=True) for place in places)


def _find(setup: Setup, request: Request, search: Search, progress: Progress, log: CommandLog) -> Found:
    """Install the minimal buildroot and all that the package needs; meanwhile ``search`` begins."""
    with progress.phase("minimal buildroot"):
        _minimal_buildroot(setup, request, progress)
        rows = bootstrap.installed(setup.boot)
        progress.say(f"{len(rows)} packages")
    with progress.phase("origins"):
        if setup.target.source_repositories:
            package_manager.read_sources(setup.manager, setup.boot, setup.target)
        search.begin(rows)
    package = PackageRoom(
        root=setup.boot.buildroot, architecture=setup.target.architecture, log=log, timeout=request.timeout,
        mounts=rpmbuild.input_mounts(setup.boot.root.with_name("inputs")),
        options=options.arguments(request.options),
    )  # fmt: skip
    current = [rows]

    def install(wish: loop.Wish) -> bool:
        if not wish.requirements and not wish.conflicts:
            return False
        with progress.phase("requirements"):
            now = bootstrap.installed(setup.boot) if _install(setup, wish, progress) else current[0]
        changed = now != current[0]
        current[0] = now
        return changed

    with progress.phase("spec"):
        rpmbuild.prepare(package, setup.target.macros)
        if further := request.options.requires:  # first, since the spec may need their macros to be read at all
            install(loop.Wish(requirements=further, by="--build-requires"))
        srpm = request.srpm or _from_spec(request, setup, package, progress)
        spec = rpmbuild.import_srpm(package, srpm, rpmfile.check_source_rpm(srpm))
        requirements = loop.resolve(package, spec, loop.Steps(install=install, say=progress.say), further)
    return Found(srpm=srpm, requirements=requirements, minimal=rows, rows=current[0])


def _from_spec(request: Request, setup: Setup, package: PackageRoom, progress: Progress) -> Path:
    assert request.spec is not None
    srpm = from_spec.make(package, request.spec, request.sources, setup.boot.root.with_name("source"))
    progress.say(f"made {srpm.name} from {request.spec.name}")
    return srpm


def _install(setup: Setup, wish: loop.Wish, progress: Progress) -> bool:
    """Install what is required, keep out what conflicts; False if that surely changed nothing."""
    specs = tuple(package_manager.escape(requirement) for requirement in wish.requirements)
    without: tuple[str, ...] = ()
    if wish.conflicts:
        without = conflicts.keep_out(setup.manager, setup.boot, setup.target, wish, progress.say)
    if not specs:
        return True
    try:
        missing = package_manager.install(
            setup.manager, setup.boot, setup.target, specs, without=without, wanted_by=wish.by
        )
    except (UnsatisfiedRequirement, PackageManagerFailed) as error:
        if not without:
            raise
        why = f"without {', '.join(without)}: {error.reason.removesuffix('.')}"
        raise conflicts.unavoidable(wish, why, error.log_tail) from error
    return missing or bool(wish.conflicts)


def _edges(setup: Setup, found: Found) -> RequirementEdges:
    return requirement_edges.edges(
        requirement_edges.query(setup.boot), found.rows, minimal=found.minimal, buildroot=setup.target.buildroot,
        requirements=found.requirements,
    )  # fmt: skip


def _origins(setup: Setup, found: Found, search: Search, progress: Progress) -> Origins:
    there = search.packages(found.rows)
    names = {
        source
        for source in (*(origin.source for origin in there.packages), *(origin.source for _, origin in setup.completed))
        if source is not None
    }
    sources = search.sources(names)
    if setup.target.source_repositories:
        progress.say(f"{len(sources)} of {len(names)} source RPMs are in the source repositories")
    return Origins(packages=there.packages, metadata=there.files, sources=sources)


def _minimal_buildroot(setup: Setup, request: Request, progress: Progress) -> None:
    """Install the minimal buildroot, unless it is there from the cache, as it was installed from the same metadata."""
    target, slot = setup.target, setup.minimal.slot
    names = ", ".join(target.buildroot)
    if setup.minimal.restored:
        progress.say(f"minimal buildroot from the cache: {names}")
        return
    progress.say(f"minimal buildroot with {setup.manager.program}: {names}")
    package_manager.choose_modules(setup.manager, setup.boot, target)
    package_manager.install(setup.manager, setup.boot, target, target.buildroot)
    if slot is not None and slot == _slot(
        request, target, setup.image, setup.keys, setup.access, buildroot_cache.MINIMAL
    ):  # fmt: skip
        slot.keep(setup.boot.buildroot, setup.boot.root.with_name("archive"))


def _slot(
    request: Request, target: Target, image: Image, found_keys: tuple[Key, ...], way: Access, kind: str
) -> buildroot_cache.Slot | None:  # fmt: skip
    if request.cache is None:
        return None
    return buildroot_cache.slot(request.cache, target, image.manifest.digest, found_keys, way, kind=kind)


def _keep_srpm(request: Request, found: Found) -> tuple[str, ...]:
    """Copy the source RPM beside the lock if it was made here; returns its name then."""
    if request.srpm is not None:
        return ()
    made.note(request.output, (found.srpm.name,))
    files.copy_out(found.srpm.parent, found.srpm.name, request.output / found.srpm.name)
    return (found.srpm.name,)


def _write_lock(
    request: Request,
    setup: Setup,
    target: Target,
    srpm: LockedSrpm,
    found: Found,
    origins: Origins,
    edges: RequirementEdges,
) -> None:
    documents = assemble.documents(
        target=target, image=setup.image, keys=setup.keys, srpm=srpm, rows=found.rows,
        origins=tuple(map(_source, origins.packages)), metadata=origins.metadata, sources=origins.sources,
        static_requirements=found.requirements.static, dynamic_requirements=found.requirements.dynamic, edges=edges,
        bootstrap_packages=setup.completed, build_options=request.options,
    )  # fmt: skip
    assemble.write(request.output, documents, setup.keys)


def _source(origin: metadata.Origin) -> RpmSource:
    return RpmSource(
        sha256=origin.sha256, size=origin.size, repository=origin.repository, location=origin.location, key=origin.key,
        source=origin.source,
    )  # fmt: skip
