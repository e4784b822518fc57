"""The flow of the fetcher: origins, packages, metadata, bootstrap image, keys."""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hermetic_rpm import cache as cache_store
from hermetic_rpm import made, sbom
from hermetic_rpm.edge import Report
from hermetic_rpm.errors import DownloadFailed, RepositoryExtraFile, VerificationFailed
from hermetic_rpm.files import sha256_of, write_atomically, writing_errors
from hermetic_rpm.lock import join
from hermetic_rpm.lock.model import Lock, Package
from hermetic_rpm.lock.offline import KEYS, REPODATA, SBOMS, expected_names
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import load as load_policy
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import outputs_of
from stages.fetcher import image, repodata, sources, verify
from stages.fetcher.download import Downloader, Wanted

WORKERS = 10
INCOMPLETE = ".incomplete-rpms"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the fetcher was asked to do (paths inside its container)."""

    lockfile: Path
    output: Path
    cache: Path | None
    allow_origins: tuple[str, ...]
    policy: Path | None
    lock_date: datetime | None
    expected: Mapping[str, str]


def fetch(request: Request, progress: Progress, report: Report) -> None:
    """Make the offline repository of a lock in the output directory; again is cheap."""
    with progress.phase("check"):
        lock = join.load(request.lockfile)
        join.expect(lock, request.expected)
        report.inputs |= join.checksums(lock)
        if lock.sidecar is None:
            progress.warn(
                "this lock has no sidecar: only sigmd5 and NEVRA can be checked, neither sha256 nor signatures"
            )
        named = (*request.allow_origins, *_pass_policy(request, lock, progress, report))
        allowed = sources.allowed_origins(lock, named)
        keys = verify.certificates(lock, request.lockfile.parent)
        sources.refuse_undeclared(lock, allowed)
        _remove_older(request.output, lock)
    with progress.phase("packages"):
        missing = _missing(request.output, lock)
        progress.say(f"{len(lock.packages)} packages, {len(missing)} to fetch")
        _fetch_packages(request, lock, missing, keys, allowed, progress)
    with progress.phase("image"):
        directory = image.fetch(lock, request.output, progress)
    with progress.phase("repodata"):
        _describe(request.output, lock, changed=bool(missing))
        for key in keys:
            (request.output / KEYS).mkdir(exist_ok=True)
            write_atomically(request.output / KEYS / key.name, key.read_bytes())
    with progress.phase("sbom"):
        sbom.write(lock, request.output)
    report.outputs = outputs_of(
        request.output, [path for path in _made(request.output, lock, directory) if path.is_file()]
    )
    report.facts["sidecar"] = lock.sidecar is not None
    report.summary = f"{len(lock.packages)} packages and the bootstrap image in {request.output}"


def _pass_policy(request: Request, lock: Lock, progress: Progress, report: Report) -> tuple[str, ...]:
    """Hold the lock against the policy, if there is one; returns the origins that the policy allows."""
    if request.policy is None:
        return ()
    policy = load_policy(request.policy)
    report.inputs["policy"] = policy.sha256
    gate.enforce(policy, lock, request.lockfile, origins=request.allow_origins, dated=request.lock_date)
    progress.say(f"the lock keeps {policy.name}")
    return tuple(url for url in policy.origins or () if not url.startswith("ftp://"))


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


def _missing(output: Path, lock: Lock) -> tuple[Package, ...]:
    """The packages that are not there with the locked bytes; without sha256 all are fetched again."""
    return tuple(
        package
        for package in lock.packages
        if package.source is None or not _is_right(output / package.file_name, package.source.sha256)
    )


def _is_right(path: Path, sha256: str) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_of(path) == sha256


def _fetch_packages(
    request: Request,
    lock: Lock,
    packages: tuple[Package, ...],
    keys: tuple[Path, ...],
    allowed: frozenset[sources.Origin],
    progress: Progress,
) -> None:
    """Download in parallel below a hidden directory; give final names only to what verified."""
    waiting = request.output / INCOMPLETE
    with writing_errors(waiting):
        shutil.rmtree(waiting, ignore_errors=True)
        waiting.mkdir()
    paths = {package: waiting / package.file_name for package in packages}
    try:
        _download(request, lock, paths, Downloader(workers=WORKERS, allowed=allowed, warn=progress.warn))
        found = verify.headers(paths, keys, payload=lock.sidecar is None)
        wrong = [line for package in packages for line in verify.problems(lock, package, found[package])]
        if wrong:
            raise VerificationFailed("\n".join(("These packages are not what was locked:", *wrong)))
        with writing_errors(request.output):
            for package, path in paths.items():
                if request.cache is not None and package.source is not None:
                    cache_store.add(request.cache, path, package.source.sha256)
                path.replace(request.output / package.file_name)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _download(request: Request, lock: Lock, paths: Mapping[Package, Path], downloader: Downloader) -> None:
    def one(package: Package) -> str | None:
        source = package.source
        if source is not None and request.cache is not None:
            kept = cache_store.lookup(request.cache, source.sha256, source.size)
            if kept is not None:
                cache_store.place(kept, paths[package])
                return None
        wanted = Wanted(
            urls=sources.urls(lock, package),
            sha256=None if source is None else source.sha256,
            size=None if source is None else source.size,
        )
        return downloader.fetch(wanted, paths[package])

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        try:
            futures = {pool.submit(one, package): package for package in paths}
            answers = [(futures[done].file_name, done.result()) for done in concurrent.futures.as_completed(futures)]
        except BaseException:
            downloader.end()
            pool.shutdown(cancel_futures=True)
            raise
    failed = sorted((name, answer) for name, answer in answers if answer is not None)
    if failed:
        raise DownloadFailed("\n".join(("Nobody gives:", *(f"  {name}: {answer}" for name, answer in failed))))


def _describe(output: Path, lock: Lock, *, changed: bool) -> None:
    if changed or not (output / REPODATA / "repomd.xml").is_file():
        repodata.write(output, tuple(sorted(package.file_name for package in lock.packages)))


def _made(output: Path, lock: Lock, image_directory: Path) -> list[Path]:
    return [
        *(output / package.file_name for package in lock.packages),
        *(output / name for name in SBOMS),
        *sorted((output / REPODATA).iterdir()),
        *sorted(image_directory.iterdir()),
        *(sorted((output / KEYS).iterdir()) if (output / KEYS).is_dir() else ()),
    ]
