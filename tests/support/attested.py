"""A workspace whose results can be attested: a lock, packages that are none, and what builder and runner wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.sidecar import SIDECAR_NAME
from hermetic_rpm.runner import attest, record
from hermetic_rpm.runner.observed import Container, Mounted
from hermetic_rpm.runner.record import PipelineUse, Run, StageImage, StageRecord
from hermetic_rpm.runner.statement import Statement
from tests.support import whole_locks

IMAGE = StageImage(reference="localhost/builder:latest", id=f"sha256:{'1' * 64}", digest=f"sha256:{'2' * 64}")
PACKAGES = ("hello-1-1.src.rpm", "hello-1-1.x86_64.rpm")


def workspace(directory: Path, *, with_sidecar: bool = True) -> Path:
    """A workspace with lock and results; returns the results."""
    (directory / "lock").mkdir()
    rows = (whole_locks.rpm("bash 5-1.x86_64"), whole_locks.rpm("make 1:4-1.x86_64"))
    whole_locks.write(whole_locks.lock(*rows, with_sidecar=with_sidecar), directory / "lock")
    made = directory / "results"
    made.mkdir()
    for name in (*PACKAGES, "build.log"):
        (made / name).write_text(f"content of {name}")
    build(made, {})
    return made


def build(results: Path, changes: dict[str, Any]) -> None:
    """Write the builder's ``result.json`` for what is there."""
    lock = results.parent / "lock"
    roles = {"lockfile": lock / LOCKFILE_NAME, "sidecar": lock / SIDECAR_NAME}
    document = {
        "schema_version": "1.0.0", "stage": "builder", "tool_version": "0.0.0", "status": "ok", "error": None,
        "inputs": {
            "srpm": whole_locks.digest("srpm"),
            **{role: sha256(path) for role, path in roles.items() if path.is_file()},
        },
        "outputs": [
            {"path": path.name, "size": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(results.iterdir())
            if path.suffix in (".rpm", ".log")
        ],
        "timings_seconds": {},
        "facts": {"network_interfaces_outside": ["lo"], "repository_equals_lock": True},
    }  # fmt: skip
    (results / "result.json").write_text(json.dumps(document | changes))


def container(**changes: Any) -> Container:
    """A builder's container as the runner makes it."""
    values: dict[str, Any] = {
        "id": "3" * 64, "image": IMAGE.id, "image_digest": IMAGE.digest, "runtime": "runc", "arguments": (),
        "network_mode": "none", "effective_capabilities": ("CAP_SETUID",), "bounding_capabilities": ("CAP_SETUID",),
        "read_only_root": True, "privileged": False, "security_options": ("no-new-privileges",), "devices": (),
        "pid_mode": "private", "ipc_mode": "shareable", "user_mode": "",
        "mounts": (Mounted(target="/results", read_only=False),),
        "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:01:00Z",
    }  # fmt: skip
    return Container(**(values | changes))


def run(results: Path, *, expects: dict[str, str] | None = None, **changes: Any) -> Run:
    """The runner's record of the build, which told its container what to expect."""
    inputs = json.loads((results / "result.json").read_text())["inputs"]
    told = inputs if expects is None else expects
    arguments = tuple(word for role, digest in told.items() for word in ("--expect", f"{role}={digest}"))
    stage = StageRecord(
        name="builder", kind="builder", image=IMAGE, result=sha256(results / "result.json"),
        container=container(**({"arguments": arguments} | changes)),
    )  # fmt: skip
    used = PipelineUse(name="pipeline.yaml", sha256="4" * 64, parameters=(("srpm", "hello-1-1.src.rpm"),))
    return Run(stages=(stage,), pipeline=used)


def statement(results: Path, *, observed: bool = True, **changes: Any) -> Statement:
    """What is attested of results; ``changes`` are of the container."""
    if observed:
        record.write(results, run(results, **changes))
    found = attest.read(results)
    return attest.gather(found, results.parent, attest.run_of(record.place(results), found), None)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
