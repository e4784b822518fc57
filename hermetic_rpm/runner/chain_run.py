"""Builds a chain: in rounds, each of which is offered what the rounds before made, until nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hermetic_rpm.errors import ChainUnsettled
from hermetic_rpm.runner import chain, local_repository
from hermetic_rpm.runner.chain import Needs
from hermetic_rpm.runner.local_repository import LocalRepository, Made
from hermetic_rpm.runner.many import BUILT, NOT_RUN, STOPPED, Crew, Verdict, Work

MAX_SETTLING = 5
"""How often all packages are resolved again for what the last round changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What a chain works with; ``work`` makes the work for a package, forced or not as the user wants it first."""

    crew: Crew
    repository: LocalRepository
    work: Callable[[str, bool], Work]


class ChainRun:
    """The packages (name-version-release) of a chain, and what became of each so far."""

    def __init__(self, packages: tuple[str, ...], needs: Needs, tools: Tools, earlier: Iterable[Made]) -> None:
        self._packages = packages
        self._needs = needs
        self._tools = tools
        self._made = {one.package: one for one in earlier}
        self._verdicts: dict[str, Verdict] = {}
        self._offered: dict[str, str] = {}
        self._present = ""
        self._settling = 0

    def run(self) -> tuple[Verdict, ...]:
        """Build all, in rounds, until a round has nothing new to offer."""
        self._present = self._publish()
        while not self._has_ended:
            if wave := self._next():
                self._run(wave)
            elif (stale := self._stale()) and self._settling < MAX_SETTLING:
                self._settling += 1
                self._say(f"asking again whether anything new is of use to {', '.join(stale)}")
                self._run(stale)
            else:
                break
        return tuple(
            self._verdicts.get(name) or Verdict(package=name, result=NOT_RUN, why="the run had ended")
            for name in self._packages
        )

    def require_rest(self) -> None:
        """Raise `ChainUnsettled` if there still is something new that not all were offered."""
        if not self._has_ended and (stale := self._stale()):
            raise ChainUnsettled(f"After {MAX_SETTLING} more rounds there still is something new for {stale[0]}.")

    def _next(self) -> tuple[str, ...]:
        """The packages of the next round; those that can no longer be built get their verdict."""
        while candidates := self._candidates():
            if ready := chain.wave(candidates, self._pending(), self._needs):
                return ready
            if members := chain.cycle(candidates, self._needs):
                self._say(f"these need each other: {' -> '.join((*members, members[0]))}")
                return members
            self._give_up(candidates)
        return ()

    def _candidates(self) -> tuple[str, ...]:
        """Those that are not built and were not tried with what is offered now."""
        while blocked := {name: need for name in self._untried() if (need := self._failed_need(name)) is not None}:
            for name, need in blocked.items():
                self._leave_out(name, need)
        return self._untried()

    def _untried(self) -> tuple[str, ...]:
        return tuple(name for name in self._pending() if self._offered.get(name) != self._present)

    def _pending(self) -> tuple[str, ...]:
        return tuple(name for name in self._packages if name not in self._verdicts or self._verdicts[name].lacks)

    def _failed_need(self, name: str) -> str | None:
        failed = (need for need in sorted(self._needs[name]) if need in self._verdicts and need not in self._pending())
        return next((need for need in failed if not self._verdicts[need].is_well), None)

    def _give_up(self, candidates: tuple[str, ...]) -> None:
        """Each of them waits for one that was tried and lacks a requirement, and nothing new will come."""
        for name in candidates:
            need = min(self._needs[name] & frozenset(self._pending()))
            self._leave_out(name, need)

    def _leave_out(self, name: str, need: str) -> None:
        self._verdicts[name] = Verdict(package=name, result=NOT_RUN, why=f"needs {need}")
        self._made.pop(name, None)

    def _stale(self) -> tuple[str, ...]:
        """Those whose results were made before something was offered that is offered now."""
        return tuple(
            name for name in self._packages
            if name in self._verdicts and self._verdicts[name].is_well and self._offered[name] != self._present
        )  # fmt: skip

    @property
    def _has_ended(self) -> bool:
        verdicts = self._verdicts.values()
        if any(verdict.result == STOPPED for verdict in verdicts):
            return True
        bad = any(not verdict.is_well and not verdict.lacks for verdict in verdicts)
        return bad and not self._tools.crew.keep_going

    def _run(self, wave: tuple[str, ...]) -> None:
        present = self._present
        works = [self._tools.work(name, name not in self._verdicts) for name in wave]
        for verdict in self._tools.crew.run(works, forgive_lack=True):
            if verdict.result == NOT_RUN:
                continue
            self._offered[verdict.package] = present
            self._verdicts[verdict.package] = _joined(self._verdicts.get(verdict.package), verdict)
            self._made.pop(verdict.package, None)
            if verdict.report is not None:
                outputs = tuple(output for _, output in verdict.report.outputs)
                self._made[verdict.package] = local_repository.made(
                    verdict.package, verdict.report.directory, outputs
                )  # fmt: skip
        if not self._has_ended:
            self._present = self._publish()

    def _publish(self) -> str:
        return self._tools.repository.publish(self._made.values())

    def _say(self, message: str) -> None:
        self._tools.crew.voice.say(message)


def _joined(before: Verdict | None, now: Verdict) -> Verdict:
    """One verdict of two on a package: built once is built, and the time is that of both."""
    if before is None:
        return now
    result = BUILT if before.result == BUILT and now.is_well else now.result
    return replace(now, result=result, seconds=before.seconds + now.seconds)
