"""Many packages at once: a crew that runs their plans, some at a time, and what became of each."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.errors import HermeticError, Interrupted, UnsatisfiedRequirement
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import execute
from hermetic_rpm.runner.execute import Report
from hermetic_rpm.runner.history import History
from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.pipeline import BUILDER, RESOLVER
from hermetic_rpm.runner.plan import Plan, StagePlan
from hermetic_rpm.runner.tell import tell

BUILT, DONE, UNCHANGED, FAILED, STOPPED, NOT_RUN = "built", "done", "unchanged", "failed", "stopped", "not run"
LOGS = {RESOLVER: ("resolver.log",), BUILDER: ("build.log", "root.log")}
"""The logs of a stage that tell why it failed, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is to be done for one package."""

    package: str
    plan: Plan
    history: History


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a package: ``seconds`` in all, ``log`` where it failed; ``why`` where nothing was run."""

    package: str
    result: str
    seconds: float = 0.0
    report: Report | None = None
    error: HermeticError | None = None
    log: Path | None = None
    why: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the results of the package are there."""
        return self.result in (BUILT, DONE, UNCHANGED)

    @property
    def lacks(self) -> bool:
        """Whether it failed because a requirement is provided nowhere."""
        return isinstance(self.error, UnsatisfiedRequirement)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """How packages are run: so many at once, by podman's API at an address, until ``events`` tell to end.

    ``named``: every line names its package.
    """

    address: str
    events: Events
    voice: Progress
    jobs: int
    keep_going: bool
    named: bool

    def run(self, works: Iterable[Work], *, forgive_lack: bool = False) -> tuple[Verdict, ...]:
        """Run all in their order; after a failure no other one begins, and those at work are ended.

        Not so with ``keep_going``, nor, with ``forgive_lack``, where all that failed is that a requirement is lacking.
        """
        waiting, verdicts = deque(works), list[Verdict]()
        crew = self.events.follower()
        done: queue.SimpleQueue[Future[Verdict]] = queue.SimpleQueue()
        running, stop = 0, False
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while running or (waiting and not stop):
                    if waiting and not stop and running < self.jobs:
                        pool.submit(self._one, waiting.popleft(), crew.follower()).add_done_callback(done.put)
                        running += 1
                        continue
                    verdict = done.get().result()
                    running -= 1
                    verdicts.append(verdict)
                    if self._is_the_end(verdict, forgive_lack=forgive_lack) and not stop:
                        stop = True
                        crew.stop(f"It was stopped because of {verdict.package}; its containers are removed.")
            except BaseException:  # a bug in a thread ends the others too
                crew.stop("Another package ended the run.")
                raise
        verdicts += (Verdict(package=work.package, result=NOT_RUN, why="the run had ended") for work in waiting)
        return tuple(verdicts)

    def _is_the_end(self, verdict: Verdict, *, forgive_lack: bool) -> bool:
        if verdict.is_well or (forgive_lack and verdict.lacks):
            return False
        return verdict.result == STOPPED or not self.keep_going

    def _one(self, work: Work, events: Events) -> Verdict:
        voice = self.voice.of_package(work.package if self.named else None)
        started = time.monotonic()
        try:
            report = execute.run_at(self.address, work.plan, events=events, voice=voice, history=work.history)
        except HermeticError as error:
            stopped = isinstance(error, Interrupted) and events.is_stopped
            tell(error, voice)
            return Verdict(
                package=work.package, result=STOPPED if stopped else FAILED, seconds=time.monotonic() - started,
                error=error, log=_log(work.plan, error),
            )  # fmt: skip
        return Verdict(package=work.package, result=_result(report), seconds=report.total, report=report)


def _result(report: Report) -> str:
    if all(seconds is None for _, seconds in report.seconds):
        return UNCHANGED
    return BUILT if report.kind == BUILDER else DONE


def _log(plan: Plan, error: HermeticError) -> Path | None:
    """The log that tells most of a failure, or the directory where the stage left its own."""
    stage = next((stage for stage in plan.stages if stage.name == error.stage), None)
    return None if stage is None else next((path for path in _logs(stage) if path.is_file()), stage.output)


def _logs(stage: StagePlan) -> tuple[Path, ...]:
    return tuple(stage.output / name for name in LOGS.get(stage.kind, ()))
