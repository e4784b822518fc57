"""The comps and modules of the lock's repositories, verified and merged into the offline repository's metadata.

No build reads them, so what a repository has dropped since is only a warning.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hermetic_rpm import process, repodata
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import writing_errors
from hermetic_rpm.lock.model import NO_MODULES, Lock, MetadataFile
from hermetic_rpm.lock.offline import METADATA_KINDS, read_repodata
from stages.fetcher.gather import File, gather
from stages.fetcher.packages import Supply
from stages.fetcher.sources import Alternatives, urls_of_file

WAITING = ".incomplete-metadata"
WORKER = Path(__file__).with_name("merge.py")
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def describe(supply: Supply, alternatives: Alternatives, output: Path) -> None:
    """Make ``repodata/`` for a lock, unless it is there and sound."""
    lock = supply.lock
    files = () if lock.sidecar is None else lock.sidecar.metadata
    found = read_repodata(output)
    if repodata.content_tag(_identity(lock, files)) in found.index and not found.strays and not found.missing:
        return
    waiting = output / WAITING
    with writing_errors(waiting):
        shutil.rmtree(waiting, ignore_errors=True)
        waiting.mkdir()
    if files:
        supply.progress.say(f"comps and modules in {len(files)} file{'s' if len(files) > 1 else ''}")
    try:
        wanted = tuple(_wanted(lock, number, file, alternatives) for number, file in enumerate(files))
        failed = gather(supply, wanted, waiting)
        for file, one in zip(files, wanted, strict=True):
            if one in failed:
                supply.progress.warn(f"the offline repository is without {label(file)}: {failed[one]}")
        present = {waiting / one.name: file for file, one in zip(files, wanted, strict=True) if one not in failed}
        names = tuple(sorted(package.file_name for package in lock.packages))
        identity = _identity(lock, tuple(present.values()))
        repodata.write(output, names, identity=identity, more=_merge(present, waiting, _streams(lock)))
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _identity(lock: Lock, files: tuple[MetadataFile, ...]) -> str:
    """What the metadata depends on, as one word: packages and files."""
    packages = [
        (package.file_name, package.rpm.sigmd5 if package.source is None else package.source.sha256)
        for package in lock.packages
    ]
    streams = [sorted(chosen.items())] if (chosen := _streams(lock)) else []
    rows = json.dumps((sorted(packages), [(file.kind, file.sha256) for file in files], *streams))
    return f"hermetic-rpm:{hashlib.sha256(rows.encode()).hexdigest()}"


def _streams(lock: Lock) -> dict[str, str | None]:
    """The stream that the target chose of each module, None where it disabled it."""
    modules = NO_MODULES if lock.sidecar is None else lock.sidecar.modules
    enabled = dict(stream.split(":", 1) for stream in modules.enabled)
    return {**dict.fromkeys(modules.disabled), **enabled}


def label(file: MetadataFile) -> str:
    """How people call a file."""
    return f"{METADATA_KINDS[file.kind]} of {file.repository}"


def _wanted(lock: Lock, number: int, file: MetadataFile, alternatives: Alternatives) -> File:
    """The name that a file has while it waits keeps its suffix, which tells how it is compressed."""
    assert lock.sidecar is not None
    suffix = PurePosixPath(file.location).suffix
    return File(
        name=f"{number}-{file.kind}{suffix if SUFFIX.fullmatch(suffix) else ''}",
        urls=urls_of_file(lock.sidecar.repository(file.repository), file.location, alternatives),
        sha256=file.sha256, size=file.size,
    )  # fmt: skip


def _merge(files: Mapping[Path, MetadataFile], waiting: Path, streams: Mapping[str, str | None]) -> dict[str, Path]:
    """The merged file of each kind that there is."""
    kinds = {kind: [str(path) for path, file in files.items() if file.kind == kind] for kind in METADATA_KINDS}
    merged = {kind: waiting / METADATA_KINDS[kind] for kind, paths in kinds.items() if paths}
    if not merged:
        return {}
    merge = {kind: (str(path), kinds[kind]) for kind, path in merged.items()}
    done = process.run_worker(WORKER, {"merge": merge, "streams": streams})
    if done.returncode != 0:
        reached = done.stdout.splitlines()[-1:]
        names = [label(file) for path, file in files.items() if not reached or str(path) in reached]
        raise CommandFailed(
            f"{' or '.join(names)} cannot be read.", log_tail=done.tail,
            solution="Whoever offers that repository has to mend its metadata; then resolve again.",
        )  # fmt: skip
    return merged
