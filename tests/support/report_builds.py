"""Builds to report on, made up: directories as the stages leave them, without a build."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.model import BuildrootEntry, Lock, RequirementEdges
from tests.support.whole_locks import lock, rpm, write

FACTS: Mapping[str, Any] = {
    "buildroot_equals_lock": True,
    "repository_equals_lock": True,
    "srpm_was_resolved": True,
    "sidecar": True,
    "build_options": [],
    "network_interfaces_outside": ["lo"],
    "inside": {
        "rpmbuild": {
            "capabilities": {"CapBnd": "0000000000000000", "CapEff": "0000000000000000"},
            "network_interfaces": ["lo"],
            "no_new_privileges": True,
            "seccomp_filter": True,
            "uid": 1000,
        },
    },
}
MADE = "hello-1-1.x86_64.rpm"


def sample(count: int = 4) -> Lock:
    """A lock of so many packages: a compiler of a BuildRequires, and a buildroot that requires one after another."""
    rpms = tuple(
        rpm(f"package-{number:04} {number}-1.el{number % 10}.x86_64", license="GPL-2.0-or-later AND MIT")
        for number in range(count)
    )
    edges = RequirementEdges(
        buildroot=(BuildrootEntry(name="@build", rows=(0,)),),
        static=((1,),),
        dynamic=(),
        packages=tuple(tuple(row for row in (2 * here + 1, 2 * here + 2) if row < count) for here in range(count)),
    )
    return lock(*rpms, edges=edges, static_requirements=("cc >= 4",))


@dataclass(kw_only=True)
class Build:
    """A workspace in ``directory``: ``results``, ``lock`` and ``repo``, each with its result.json."""

    directory: Path
    lock: Lock
    facts: Mapping[str, Any] = field(default_factory=lambda: FACTS)
    log: bytes = b"+ make\n+ make check\n"

    @property
    def results(self) -> Path:
        return self.directory / "results"

    def write(self, **changes: Any) -> Path:
        """Write it; ``changes`` are fields of the builder's result.  Returns the results directory."""
        for name in ("lock", "repo", "results"):
            (self.directory / name).mkdir(parents=True)
        path = write(self.lock, self.directory / "lock")
        inputs = {"lockfile": _sha256(path), "sidecar": _sha256(path.with_name("buildroot_lock.sources.json"))}
        self._result("lock", "resolver", outputs=[_output(path)])
        self._result("repo", "fetcher", inputs=inputs, facts={"sidecar": True})
        (self.results / MADE).write_bytes(b"an RPM")
        (self.results / "build.log").write_bytes(self.log)
        outputs = [_output(self.results / MADE), _output(self.results / "build.log")]
        values = {"inputs": {**inputs, "srpm": "e" * 64}, "outputs": outputs, "facts": dict(self.facts), **changes}
        self._result("results", "builder", **values)
        return self.results

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the builder's result."""
        path = self.results / "result.json"
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(canonical_json(document))

    def _result(self, directory: str, stage: str, **values: Any) -> None:
        document = {
            "schema_version": "1.0.0", "stage": stage, "tool_version": "1.2.3", "status": "ok", "error": None,
            "inputs": {}, "outputs": [], "facts": {},
            "timings_seconds": {"check": 0.25, "work": {"builder": 6.0}.get(stage, 1.5)},
            "peak_memory_bytes": {"check": 30_000_000, "work": 60_000_000},
        }  # fmt: skip
        (self.directory / directory / "result.json").write_text(canonical_json(document | values))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _output(path: Path) -> dict[str, Any]:
    return {"path": path.name, "size": path.stat().st_size, "sha256": _sha256(path)}
