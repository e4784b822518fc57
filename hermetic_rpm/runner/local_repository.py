"""What the packages of a chain made, as a repository that later resolves are offered.

It lies in the given workspace, where no stage can write: the runner copies what a builder left,
holds each file against the sha256 that was seen then, and lets the builder's image describe it.
It is a repository like others: declared in the target, without signatures, and first of all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm.errors import PipelineInvalid, StageFailed, WorkspaceBusy
from hermetic_rpm.files import CHUNK_BYTES, atomic_writer, canonical_json, sha256_of, write_atomically, writing_errors
from hermetic_rpm.result import Output
from hermetic_rpm.runner import outcome
from hermetic_rpm.runner.ask import ask
from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.pipeline import BUILDER, FETCHER, NO_NETWORK, RESOLVER
from hermetic_rpm.runner.plan import Bind, Plan, StagePlan
from hermetic_rpm.runner.podman import connect
from hermetic_rpm.target import load

DIRECTORY, REPOSITORY, TARGETS, FRESH = "chain", "repository", "targets", "fresh"
CONTENTS, LOCK = "contents.json", ".lock"
PLACE = "/chain"
"""Where resolver and fetcher find it, and so what its base URL says on every machine."""

IDENTITY = "hermetic-rpm-chain"
DECLARATION = {
    "id": IDENTITY, "name": "Built before in this chain", "baseurl": [f"file://{PLACE}"], "gpgcheck": False,
    "priority": 1,
}  # fmt: skip
RPM, SOURCE_RPMS = ".rpm", (".src.rpm", ".nosrc.rpm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What a build left: the directory, and the RPMs that others may be offered."""

    package: str
    directory: Path
    rpms: tuple[Output, ...]


def made(package: str, directory: Path, outputs: Iterable[Output]) -> Made:
    """Of the outputs of a build in a directory those that are offered to others."""
    rpms = (output for output in outputs if output.path.endswith(RPM) and not output.path.endswith(SOURCE_RPMS))
    return Made(package=package, directory=directory, rpms=tuple(rpm for rpm in rpms if "/" not in rpm.path))


class LocalRepository:
    """The repository of the chain in a workspace, described by the image of a builder."""

    def __init__(self, workspace: Path, builder: StagePlan, *, address: str, events: Events) -> None:
        self._home = workspace / DIRECTORY
        self._builder = builder
        self._address = address
        self._events = events

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other chains out of it; raises `WorkspaceBusy`."""
        with writing_errors(self._home):
            self._home.mkdir(parents=True, exist_ok=True)
            lock = (self._home / LOCK).open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WorkspaceBusy(f"Another chain uses {self._home}.") from error
            yield

    @property
    def targets(self) -> Path:
        """The directory with the one target that declares the repository."""
        return self._home / TARGETS

    def declare(self, target: str, targets: Path) -> bool:
        """Write the target with the repository in it; False if it is not the one that was there."""
        path = load.find(target, targets)
        text = with_repository(path.read_bytes(), str(path))
        place = self.targets / path.name
        if place.is_file() and place.read_text() == text:
            return True
        with writing_errors(self.targets):
            shutil.rmtree(self.targets, ignore_errors=True)
            self.targets.mkdir(parents=True)
        write_atomically(place, text)
        return False

    def publish(self, results: Iterable[Made]) -> str:
        """Hold exactly these results, and say what identifies them; nothing is done if it holds them already."""
        ordered = sorted(results, key=lambda one: one.package)
        wanted = canonical_json([(f"{one.package}/{rpm.path}", rpm.sha256) for one in ordered for rpm in one.rpms])
        if not self._holds(wanted):
            fresh = self._home / FRESH
            with writing_errors(fresh):
                shutil.rmtree(fresh, ignore_errors=True)
                for one in ordered:
                    (fresh / one.package).mkdir(parents=True)
                    for rpm in one.rpms:
                        _copy(one.directory, rpm, fresh / one.package / rpm.path)
                fresh.mkdir(exist_ok=True, parents=True)
                self._describe(fresh)
                self._contents.unlink(missing_ok=True)
                shutil.rmtree(self._home / REPOSITORY, ignore_errors=True)
                fresh.rename(self._home / REPOSITORY)
            write_atomically(self._contents, wanted)
        return hashlib.sha256(wanted.encode()).hexdigest()

    def offered(self, plan: Plan) -> Plan:
        """The plan with the repository where resolver and fetcher look for it."""
        bind = Bind(source=self._home / REPOSITORY, target=PLACE, read_only=True, origin=True)
        return replace(
            plan,
            stages=tuple(
                replace(stage, binds=(*stage.binds, bind)) if stage.kind in (RESOLVER, FETCHER) else stage
                for stage in plan.stages
            ),
        )

    @property
    def _contents(self) -> Path:
        return self._home / CONTENTS

    def _holds(self, wanted: str) -> bool:
        try:
            if self._contents.read_text() != wanted or not (self._home / REPOSITORY / "repodata/repomd.xml").is_file():
                return False
            return all(sha256_of(self._home / REPOSITORY / path) == digest for path, digest in json.loads(wanted))
        except OSError:
            return False

    def _describe(self, directory: Path) -> None:
        """Let the builder's image make the metadata, since a parser of what packages say has no place on the host."""
        stage = replace(
            self._builder,
            name="index",
            arguments=("--index", "/results"),
            network=NO_NETWORK,
            environment=(),
            capabilities=("DAC_OVERRIDE",),
            binds=(Bind(source=directory, target="/results", read_only=False),),
            output=directory,
            scratch_in_memory=False,
        )
        with connect(self._address) as podman:
            lines, code = ask(stage, podman, self._events)
        if code != 0:
            raise StageFailed("The repository of the chain could not be described.", log_tail=lines)


def with_repository(content: bytes, place: str) -> str:
    """The text of a target with the repository of the chain before all others; raises `TargetInvalid`."""
    data = load.read(content, place).data
    text = canonical_json({**data, "repositories": [DECLARATION, *data["repositories"]]})
    load.read(text.encode(), place)  # its identity may be taken
    return text


def builder_of(plan: Plan) -> StagePlan:
    """The builder whose results the others are offered; raises `PipelineInvalid` unless the plan ends with it."""
    last = plan.stages[-1]
    if last.kind != BUILDER or RESOLVER not in {stage.kind for stage in plan.stages}:
        raise PipelineInvalid("A chain needs a pipeline with a resolver, whose last stage is a builder.")
    return last


def _copy(directory: Path, rpm: Output, destination: Path) -> None:
    """Copy a file that a builder left, no link of it followed, if it still is what was seen then."""
    with outcome.open_below(directory, rpm.path) as source, atomic_writer(destination) as target:
        shutil.copyfileobj(source, target, CHUNK_BYTES)
    if sha256_of(destination) != rpm.sha256:
        raise StageFailed(
            f"{directory / rpm.path} is not what the builder left.", solution="Do not use it; run the package again."
        )
