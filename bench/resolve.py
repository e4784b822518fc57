"""The resolver, cold and warm, against a bare ``dnf install`` of what it locks, and against Mock.

Cold is with an empty cache, warm with what the cold one left in it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench import figures
from bench.fetch import run, say
from bench.figures import MIB, Figure
from hermetic_rpm import process
from hermetic_rpm.files import write_atomically
from hermetic_rpm.lock import join
from hermetic_rpm.runner import command, parameters, pipeline
from hermetic_rpm.runner.plan import StagePlan, make_plan
from tests.support.fetching import ROOT

RUNS = 3
SAMPLES = ("demo-dynamic", "hello")
DISTRIBUTION = ROOT / "build/demo"
BARE = Path(__file__).with_name("bare-install.sh")
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "SYS_CHROOT", "SYS_ADMIN")
MOCK = "MOCK_CALCULATE"
"""Names a program that is Mock with the demo distribution's configuration; it is called with further options."""


def measure(output: Path) -> None:
    """Print the figures, and write them to ``resolve.json`` below ``output``."""
    if not os.environ.get(MOCK):
        say(f"{MOCK} names no Mock: not measured")
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=output, prefix="run-") as name:
        Path(name).chmod(0o755)  # Mock works as somebody else
        for sample in SAMPLES:
            (srpm,) = (DISTRIBUTION / "srpms").glob(f"{sample}-[0-9]*.src.rpm")
            found += _figures(sample, srpm, Path(name))
    machine = figures.machine()
    document = {"machine": machine, "figures": [{**asdict(figure), "median": figure.median} for figure in found]}
    write_atomically(output / "resolve.json", json.dumps(document, indent=2) + "\n")
    for line in (machine, *figures.table(found)):
        print(line)  # noqa: T201 - the result


def _resolver(srpm: Path, workspace: Path) -> StagePlan:
    declared = pipeline.load(ROOT / "pipeline.yaml")
    given = {"srpm": str(srpm), "workspace": str(workspace), "output": str(workspace / "results"), "scratch": "memory"}
    return make_plan(declared, parameters.resolve(declared, given, cwd=ROOT, log_format="human")).stages[0]


def _figures(sample: str, srpm: Path, directory: Path) -> Iterator[Figure]:
    """Resolver, bare dnf and Mock in turn."""
    seconds: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    for number in range(RUNS):
        say(f"{sample}, round {number + 1} of {RUNS}")
        workspace = Path(tempfile.mkdtemp(dir=directory, prefix="workspace-"))
        stage = _resolver(srpm, workspace)
        for place in (*stage.directories, stage.output):
            place.mkdir(parents=True, exist_ok=True)
        for state in ("cold", "warm"):
            os.sync()
            seconds.setdefault(f"the resolver, {state}", []).append(run(command.argv(stage)).seconds)
            told = json.loads((stage.output / "result.json").read_text())
            phases = told["timings_seconds"]
            seconds.setdefault(f"  its phases together, {state}", []).append(sum(phases.values()))
            for phase, value in phases.items():
                seconds.setdefault(f"    {phase} ({state})", []).append(value)
                memory.setdefault(f"    {phase}: largest process", []).append(told["peak_memory_bytes"][phase] / MIB)
        for name, value in (*_bare(stage), *_mock(srpm, directory)):
            seconds.setdefault(name, []).append(value)
        shutil.rmtree(workspace)
    for name, values in seconds.items():
        yield Figure(name=f"{sample}: {name}", values=tuple(values))
    for name, values in memory.items():
        yield Figure(name=f"{sample}: {name}", values=(max(values),), unit="MiB")


def _bare(stage: StagePlan) -> list[tuple[str, float]]:
    """The floor: what `BARE` does, in a container that may mount."""
    lock = join.load(stage.output / "buildroot_lock.json")
    done = process.run(
        (
            "podman", "run", "--rm", "--network=none", "--cap-drop=all", f"--cap-add={','.join(CAPABILITIES)}",
            "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--tmpfs=/work:rw,exec,mode=755",
            f"--volume={DISTRIBUTION}:/distribution:ro", f"--volume={BARE}:/bare.sh:ro", "--entrypoint=bash",
            stage.image.replace("resolver", "builder"), "/bare.sh",  # the builder's image has igzip
            *(package.rpm.nevra for package in lock.packages),
        ),
        env=process.host_environment(),
    )  # fmt: skip
    unpack, cold, warm = (float(line.split()[1]) for line in done.stdout.splitlines())
    return [
        ("image unpacked and `dnf install`, bare, in memory", unpack + cold), ("  bare unpack", unpack),
        ("  bare dnf, cold", cold), ("  bare dnf, warm", warm),
    ]  # fmt: skip


def _mock(srpm: Path, directory: Path) -> Iterator[tuple[str, float]]:
    program = os.environ.get(MOCK)
    if not program:
        return
    run((program, "--scrub=all"))
    output = directory / "mock"
    for state in ("cold", "warm"):
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        output.chmod(0o777)
        os.sync()
        calculate = (program, "--calculate-build-dependencies", "--resultdir", str(output), str(srpm))
        yield f"Mock, {state}", run(calculate).seconds
