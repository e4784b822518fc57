"""Whether a stage would only do again what it did: its key, and whether what it left is still there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from hermetic_rpm import __version__
from hermetic_rpm.errors import StageFailed
from hermetic_rpm.files import canonical_json, sha256_of
from hermetic_rpm.made import MADE
from hermetic_rpm.result import RESULT_NAME, Output
from hermetic_rpm.runner import outcome
from hermetic_rpm.runner.keep import KEEP
from hermetic_rpm.runner.outcome import Outcome
from hermetic_rpm.runner.pipeline import FETCHER
from hermetic_rpm.runner.plan import SCRATCH, StagePlan

NOTES = (RESULT_NAME, MADE)
"""What a run writes into an output directory about itself."""

LOG = ".log"
UNSEEN = ("--policy", "--sources")
"""Options of a fetcher for what the runner does not see: a policy may ask for the date, sources lie elsewhere."""

Content = tuple[tuple[str, str], ...]
"""What is in a file or directory: path below it and what is there, sorted by path."""


def always_runs(stage: StagePlan) -> bool:
    """Whether a stage depends on, or leaves, what the runner cannot see."""
    options = {argument.partition("=")[0] for argument in stage.arguments}
    return stage.kind == FETCHER and bool(options & {*UNSEEN})


def key(stage: StagePlan, image: str, told: tuple[str, ...], known: Mapping[Path, Content]) -> str:
    """The sha256 (hex) over all that decides what a stage does.

    ``image`` is the id, ``told`` the expectations of its inputs, ``known`` what earlier stages left, by
    output directory; everything else that is mounted read-only is read here, but for packages at their
    origin: which of them are taken is decided by what is locked, or by their repository's index.
    Time limits, and where the scratch is, decide nothing.  Raises OSError for what cannot be read.
    """
    binds = [bind for bind in stage.binds if bind.target != SCRATCH]
    document = {
        "tool_version": __version__,
        "kind": stage.kind,
        "image": image,
        "arguments": [argument for argument in stage.arguments if argument != KEEP],
        "told": told,
        "environment": stage.environment,
        "network": stage.network,
        "capabilities": stage.capabilities,
        "limits": (stage.memory, stage.pids, stage.cpus),
        "writable": sorted(bind.target for bind in binds if not bind.read_only),
        "origins": sorted(bind.target for bind in binds if bind.read_only and bind.origin),
        "inputs": sorted(
            (bind.target, known[bind.source] if bind.source in known else content(bind.source))
            for bind in binds
            if bind.read_only and not bind.origin
        ),
    }
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def content(path: Path) -> Content:
    """What a stage can read at a path; of a stage's output directory what `of_outputs` would say."""
    if not path.is_dir():
        return (("", _entry(path.resolve())),)
    is_output = (path / RESULT_NAME).is_file()
    files = ((str(file.relative_to(path)), file) for file in _files(path))
    return tuple(sorted((name, _entry(file)) for name, file in files if not (is_output and _is_note(name))))


def of_outputs(outputs: tuple[Output, ...]) -> Content:
    """What a stage says that it left, but for its notes and logs."""
    return tuple(sorted((output.path, output.sha256) for output in outputs if not _is_note(output.path)))


def left(stage: StagePlan, result: str) -> Outcome | None:
    """What a stage left with the ``result.json`` of that sha256, every file hashed; None if something is not as it was.

    An offline repository holds nothing else either.
    """
    try:
        found = outcome.earlier(stage)
        if found is None or found.result != result:
            return None
        made = tuple(outcome.made(stage, found))
        if stage.kind == FETCHER and _strangers(stage.output, {path for path, _ in made}):
            return None
    except (StageFailed, OSError):
        return None
    return found


def is_of(stage: StagePlan, result: str) -> bool:
    """Whether the stage's ``result.json`` has that sha256."""
    try:
        return outcome.result_sha256(stage.output) == result
    except (StageFailed, OSError):
        return False


def _strangers(directory: Path, known: set[Path]) -> bool:
    return not known.union(directory / name for name in NOTES).issuperset(_files(directory))


def _files(directory: Path) -> Iterator[Path]:
    """Everything below a directory that is none; links to directories are not followed."""
    for place, names, others in os.walk(directory, onerror=_raise):
        yield from (Path(place, name) for name in others)
        yield from (Path(place, name) for name in names if Path(place, name).is_symlink())


def _is_note(name: str) -> bool:
    return name in NOTES or ("/" not in name and name.endswith(LOG))


def _entry(path: Path) -> str:
    """A file's sha256 (marked if it can be executed), a link's target, or what kind of thing it is."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {path.readlink()}"
    if not stat.S_ISREG(mode):
        return f"special {stat.S_IFMT(mode):o}"
    return f"executable {sha256_of(path)}" if mode & stat.S_IXUSR else sha256_of(path)


def _raise(error: OSError) -> None:
    raise error
