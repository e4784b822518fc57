"""The builder against the same programs run bare, and against Mock, on the same lock and repository."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import figures
from bench.fetch import run, say
from bench.figures import MIB, Figure
from hermetic_rpm import process
from hermetic_rpm.files import write_atomically
from hermetic_rpm.runner import command, parameters, pipeline
from hermetic_rpm.runner.plan import StagePlan, make_plan
from tests.support.fetching import ROOT

RUNS = 3
SAMPLES = ("demo-dynamic", "tinyxml2", "hello")
BARE = Path(__file__).with_name("bare.sh")
BARE_PARTS = ("unpack", "rpm", "rpmbuild")
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "SYS_CHROOT", "SYS_ADMIN")
MOCK = "MOCK_HERMETIC_BUILD"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A source RPM that was resolved and fetched, and where."""

    name: str
    srpm: Path
    workspace: Path

    def builder(self, output: Path, scratch: str) -> StagePlan:
        """The pipeline's builder, writing to ``output``; scratch is ``disk`` or ``memory``."""
        declared = pipeline.load(ROOT / "pipeline.yaml")
        given = {"srpm": str(self.srpm), "workspace": str(self.workspace), "output": str(output), "scratch": scratch}
        values = parameters.resolve(declared, given, cwd=ROOT, log_format="human")
        return make_plan(declared, values).stages[-1]


def measure(output: Path) -> None:
    """Print the figures, and write them to ``build.json`` below ``output``."""
    if not os.environ.get(MOCK):
        say(f"{MOCK} names no Mock: not measured")
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=output, prefix="run-") as name:
        Path(name).chmod(0o755)  # Mock works as somebody else
        for sample in SAMPLES:
            found += _figures(_resolved(sample, Path(name)), Path(name))
    machine = figures.machine()
    document = {"machine": machine, "figures": [{**asdict(figure), "median": figure.median} for figure in found]}
    write_atomically(output / "build.json", json.dumps(document, indent=2) + "\n")
    for line in (machine, *figures.table(found)):
        print(line)  # noqa: T201 - the result


def _resolved(name: str, directory: Path) -> Sample:
    (srpm,) = (ROOT / "build/demo/srpms").glob(f"{name}-[0-9]*.src.rpm")
    sample = Sample(name=name, srpm=srpm, workspace=directory / name)
    say(f"resolving and fetching {name}")
    run(
        (
            str(ROOT / ".venv/bin/hermetic-rpm"), "run", "-p", f"srpm={srpm}", "-p", f"workspace={sample.workspace}",
            "-p", f"output={directory / 'first'}",
        )
    )  # fmt: skip
    return sample


def _figures(sample: Sample, directory: Path) -> Iterator[Figure]:
    """Builder (in memory and on disk), bare programs and Mock in turn."""
    seconds: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    for number in range(RUNS):
        say(f"{sample.name}, round {number + 1} of {RUNS}")
        for scratch in ("memory", "disk"):
            results = Path(tempfile.mkdtemp(dir=directory, prefix="results-"))
            stage = sample.builder(results, scratch)
            os.sync()  # ext4 is slow where files were removed that are not gone from its journal yet
            whole = run(command.argv(stage)).seconds
            told = json.loads((results / "result.json").read_text())
            phases = told["timings_seconds"]
            seconds.setdefault(f"the builder, scratch in {scratch}", []).append(whole)
            seconds.setdefault("  its phases together", []).append(sum(phases.values()))
            for phase, value in phases.items():
                seconds.setdefault(f"    {phase} ({scratch})", []).append(value)
                memory.setdefault(f"    {phase}: largest process", []).append(told["peak_memory_bytes"][phase] / MIB)
        for name, value in (*_bare(sample.builder(directory, "memory")), *_mock(sample, directory)):
            seconds.setdefault(name, []).append(value)
    for name, values in seconds.items():
        yield Figure(name=f"{sample.name}: {name}", values=tuple(values))
    for name, values in memory.items():
        yield Figure(name=f"{sample.name}: {name}", values=(max(values),), unit="MiB")


def _bare(stage: StagePlan) -> list[tuple[str, float]]:
    """The floor: what `BARE` does, in a container that may mount."""
    mounts = [part for bind in stage.binds for part in (f"--volume={bind.source}:{bind.target}:ro",)]
    done = process.run(
        (
            "podman", "run", "--rm", "--network=none", "--cap-drop=all", f"--cap-add={','.join(CAPABILITIES)}",
            "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--tmpfs=/work:rw,exec,mode=755",
            *mounts, f"--volume={BARE}:/bare.sh:ro", "--entrypoint=bash", stage.image, "/bare.sh",
        ),
        env=process.host_environment(),
    )  # fmt: skip
    parts = dict(line.split() for line in done.stdout.splitlines())
    found = [(f"  bare {name}", float(parts[name])) for name in BARE_PARTS]
    return [("unpack, rpm and rpmbuild run bare, in memory", sum(value for _, value in found)), *found]


def _mock(sample: Sample, directory: Path) -> list[tuple[str, float]]:
    program = os.environ.get(MOCK)
    if not program:
        return []
    output = directory / "mock"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    output.chmod(0o777)
    lockfile = sample.workspace / "lock/buildroot_lock.json"
    os.sync()
    ran = run(
        (
            program, "--hermetic-build", str(lockfile), str(sample.workspace / "repo"), "--resultdir", str(output),
            str(sample.srpm),
        )
    )  # fmt: skip
    return [("Mock", ran.seconds)]
