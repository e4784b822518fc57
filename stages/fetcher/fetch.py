"""The flow of the fetcher: origins, packages, metadata, bootstrap image, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hermetic_rpm import made, sbom
from hermetic_rpm.edge import Report
from hermetic_rpm.errors import RepositoryExtraFile
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.image import copy
from hermetic_rpm.lock import join
from hermetic_rpm.lock.join import BOOTSTRAP
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import KEYS, REPODATA, SBOMS, expected_names
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import load as load_policy
from hermetic_rpm.policy.model import Policy
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import outputs_of
from stages.fetcher import access, image, metadata, origins, packages, source_rpms, sources, verify
from stages.fetcher.access import Given
from stages.fetcher.download import Downloader, Patience
from stages.fetcher.packages import Supply
from stages.fetcher.sources import Alternatives
from stages.fetcher.transport import Transport


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the fetcher was asked to do (paths inside its container).

    ``keys`` are OpenPGP certificates for a lock that brings none.
    """

    lockfile: Path
    output: Path
    cache: Path | None
    sources: Path | None
    allow_origins: tuple[str, ...]
    alternatives: Alternatives
    access: Given
    keys: tuple[Path, ...]
    workers: int
    patience: Patience
    policy: Path | None
    lock_date: datetime | None
    expected: Mapping[str, str]


def fetch(request: Request, progress: Progress, report: Report) -> None:
    """Make the offline repository of a lock in the output directory; again is cheap."""
    with progress.phase("check"):
        lock = join.load(request.lockfile)
        join.expect(lock, request.expected)
        report.inputs |= join.checksums(lock)
        keys = verify.certificates(lock, request.lockfile.parent, request.keys)
        if lock.sidecar is None:
            unchecked = "no sha256" if keys else "neither sha256 nor signatures"
            progress.warn(f"this lock has no sidecar: only sigmd5 and NEVRA can be checked, {unchecked}")
        policy = _pass_policy(request, lock, progress, report)
        supply = _supply(request, lock, keys, policy, progress)
        if request.sources is not None:
            source_rpms.check(lock, request.sources, request.output)
        locations = _locations(request, lock, policy)
        _remove_older(request.output, lock)
    with progress.phase("packages"):
        missing = packages.missing(request.output, lock)
        progress.say(f"{len(lock.every_package)} packages, {len(missing)} to fetch")
        packages.bring(supply, request.output, missing)
    with progress.phase("image"):
        directory = image.fetch(lock, locations, request.output, request.access, request.cache, progress)
    with progress.phase("repodata"):
        metadata.describe(supply, request.alternatives, request.output)
        _hand_on_keys(request.output, keys if lock.sidecar is not None else ())
    with progress.phase("sbom"):
        sbom.write(sbom.documents(lock), request.output)
    if request.sources is not None:
        with progress.phase("sources"):
            report.facts["source_rpms"] = source_rpms.fetch(supply, request.alternatives, request.sources)
    report.outputs = outputs_of(
        request.output,
        [path for path in _made(request.output, lock, directory) if path.is_file()],
        {request.output / p.file_name: p.source.sha256 for p in lock.every_package if p.source is not None},
    )
    report.facts["sidecar"] = lock.sidecar is not None
    report.summary = f"{len(lock.every_package)} packages and the bootstrap image in {request.output}"


def _pass_policy(request: Request, lock: Lock, progress: Progress, report: Report) -> Policy | None:
    """Hold the lock, and what the user adds to it, against the policy, if there is one."""
    if request.policy is None:
        return None
    policy = load_policy(request.policy)
    report.inputs["policy"] = policy.sha256
    gate.enforce(
        policy, lock, request.lockfile, origins=(*request.allow_origins, *request.alternatives.named),
        images=sources.rewritten_images(lock, request.alternatives), dated=request.lock_date,
    )  # fmt: skip
    progress.say(f"the lock keeps {policy.name}")
    return policy


def _supply(
    request: Request, lock: Lock, keys: tuple[Path, ...], policy: Policy | None, progress: Progress
) -> Supply:  # fmt: skip
    """Where the packages may be taken from."""
    of_policy = () if policy is None else tuple(url for url in policy.origins or () if not url.startswith("ftp://"))
    named = (*request.allow_origins, *request.alternatives.named, *of_policy)
    allowed = origins.allowed_origins(lock, named)
    files = sources.index(request.alternatives.directories)
    addresses = {package: sources.urls(lock, package, request.alternatives, files) for package in lock.every_package}
    transport = Transport(
        allowed=allowed, access=access.read(request.access), idle_seconds=request.patience.idle_seconds
    )
    return Supply(
        lock=lock, urls=origins.declared_only(addresses, allowed), keys=keys, cache=request.cache,
        downloader=Downloader(transport, patience=request.patience, warn=progress.warn), workers=request.workers,
        progress=progress,
    )  # fmt: skip


def _locations(request: Request, lock: Lock, policy: Policy | None) -> tuple[str, ...]:
    """Where the image may be taken from."""
    named = (*request.allow_origins, *(rewrite.new for rewrite in request.alternatives.rewrites))
    registries = [url.removeprefix(copy.DOCKER).rstrip("/") for url in named if url.startswith(copy.DOCKER)]
    if policy is not None and policy.images is not None:
        registries += policy.images.registries or ()
    return sources.image_locations(lock, request.alternatives, registries=tuple(registries))


def _remove_older(output: Path, lock: Lock) -> None:
    """Remove what an earlier run made and this lock does not name; refuse what nobody made."""
    expected = expected_names(lock)
    extra = [name for name in sorted(path.name for path in output.iterdir()) if name not in expected]
    older = made.earlier(output)
    strangers = [name for name in extra if name not in older and not name.startswith(".incomplete-")]
    if strangers:
        raise RepositoryExtraFile(
            f"{output} holds what no fetcher put there: {', '.join(strangers[:5])}.",
            solution="Remove it, or name an empty directory for the offline repository.",
        )
    made.note(output, expected | older)
    made.remove(output, extra)
    bootstrap = output / BOOTSTRAP
    if bootstrap.is_dir() and not bootstrap.is_symlink():
        names = {Path(package.file_name).name for package in lock.bootstrap_packages}
        made.remove(bootstrap, {path.name for path in bootstrap.iterdir()} - names)


def _hand_on_keys(output: Path, keys: tuple[Path, ...]) -> None:
    """The keys of the lock in a directory with nothing else: no older key, nothing that a killed run left."""
    directory = output / KEYS
    with writing_errors(directory):
        directory.mkdir(exist_ok=True)
        made.remove(directory, {path.name for path in directory.iterdir()} - {key.name for key in keys})
    for key in keys:
        write_atomically(directory / key.name, key.read_bytes())


def _made(output: Path, lock: Lock, image_directory: Path) -> list[Path]:
    return [
        *(output / package.file_name for package in lock.every_package),
        *(output / name for name in SBOMS),
        *sorted((output / REPODATA).iterdir()),
        *sorted(image_directory.iterdir()),
        *(sorted((output / KEYS).iterdir()) if (output / KEYS).is_dir() else ()),
    ]
