"""What is skipped and what runs again: the runner twice on one workspace, with one thing changed between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from containers import (
    DEMO,
    IN_MEMORY,
    QUICK,
    ROOT,
    TARGETS,
    Engine,
    commands,
    quick_srpm,
    rpm_query,
    sample,
    with_runner,
)
from hermetic_rpm import errors
from hermetic_rpm.files import sha256_of

PROMISE = pytest.mark.promise("6.1", "stages whose inputs did not change are skipped")
STAGES = {"resolver": "lock", "fetcher": "repo", "builder": "results"}
SCRATCH = ("-p", "scratch=memory") if IN_MEMORY else ()
SYSTEM_PYTHON = "/usr/bin/python3"
"""For a user who cannot read root's own."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run: the stages that did their work, those that were told to be skipped, and how it ended."""

    stages: tuple[str, ...]
    skipped: tuple[str, ...]
    done: subprocess.CompletedProcess[str]


@dataclass(frozen=True, kw_only=True)
class Project:
    """A directory with a pipeline and a demo distribution of its own, worked on by one user."""

    engine: Engine
    python: str
    path: Path

    @property
    def workspace(self) -> Path:
        return self.path / "build/workspace"

    def command(self, *words: str) -> list[str]:
        srpm = () if "-p" in words else ("-p", f"srpm={self.srpm()}")
        run = (*self.engine.prefix, self.python, "-m", "hermetic_rpm.runner", "run")
        return [*run, *srpm, *SCRATCH, *words]

    def run(self, *words: str, status: int = 0) -> Ran:
        began, before = datetime.now(UTC), self.results()
        done = subprocess.run(
            self.command(*words), env=self.engine.environment, cwd=self.path, check=False, text=True,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        assert done.returncode == status, done.stderr[-4000:]
        after = self.results()
        sys.stderr.write(done.stderr)
        ran = tuple(stage for stage in STAGES if after[stage] not in (None, before[stage]))
        skipped = tuple(stage for stage in STAGES if f"\n{stage}: unchanged, skipped (" in f"\n{done.stderr}")
        if status == 0:
            assert set(ran) - {"resolver"} == self.started(began) - {"resolver"}
        return Ran(stages=ran, skipped=skipped, done=done)

    def results(self) -> dict[str, tuple[int, int] | None]:
        """Which file each stage's result is: a stage that runs removes it and writes another."""
        return {stage: _identity(self.workspace / name / "result.json") for stage, name in STAGES.items()}

    def started(self, since: datetime) -> set[str]:
        """The stages of which podman started a container; to ask a resolver is one as well."""
        return {
            stage
            for stage, name in STAGES.items()
            if self.podman(
                "events", "--stream=false", f"--since={since.isoformat()}", "--filter=event=start",
                f"--filter=label=hermetic-rpm.output={self.workspace / name}",
            )
        }  # fmt: skip

    def podman(self, *words: str) -> str:
        return self.engine.run("podman", *words, check=True).stdout.strip()

    def containers(self, stage: str, *options: str) -> str:
        """The ids of the containers of a stage that run."""
        mine = f"--filter=label=hermetic-rpm.output={self.workspace / STAGES[stage]}"
        return self.podman("ps", "--quiet", *options, mine)

    def srpm(self) -> Path:
        return self.path / QUICK

    def rpm(self) -> Path:
        return self.workspace / "results/quick-1-1.noarch.rpm"


def _identity(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def project(engine: Engine, path: Path, python: str = sys.executable) -> Project:
    shutil.copytree(ROOT / "targets", path / "targets")
    shutil.copytree(DEMO, path / "build/demo", ignore=shutil.ignore_patterns("srpms"))
    shutil.copy(ROOT / "pipeline.yaml", path)
    quick_srpm(path)
    places = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "XDG_STATE_HOME": str(path / "state")}
    for one in (path, *path.rglob("*")):
        os.chown(one, engine.home.stat().st_uid, engine.home.stat().st_gid)
    user = Engine(
        name=engine.name, prefix=engine.prefix, environment={**engine.environment, **places}, home=engine.home
    )
    return Project(engine=user, python=python, path=path)


@pytest.fixture
def rootless_project(rootless: Engine) -> Iterator[Project]:
    made = project(rootless, rootless.home / "unchanged", SYSTEM_PYTHON)
    if made.engine.run(SYSTEM_PYTHON, "-m", "hermetic_rpm.runner", "--version").returncode != 0:
        pytest.skip(f"not run here: {SYSTEM_PYTHON} cannot load the runner's libraries")
    yield made
    shutil.rmtree(made.path)


@PROMISE
def test_the_second_run_of_an_ordinary_user_runs_nothing(rootless_project: Project) -> None:
    first, second = rootless_project.run(), rootless_project.run()
    assert (first.stages, first.skipped) == (tuple(STAGES), ())
    assert (second.stages, second.skipped) == ((), tuple(STAGES))
    assert first.done.stdout == second.done.stdout != ""


@pytest.fixture(scope="module")
def shared(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace in which everything was built once; each test leaves it as a run that succeeded does."""
    made = project(rootful, tmp_path_factory.mktemp("unchanged"))
    assert made.run().stages == tuple(STAGES)
    return made


@PROMISE
def test_the_second_run_runs_nothing_and_tells_what_was_made(shared: Project) -> None:
    ran = shared.run("--log-format", "json")
    assert ran.stages == ()
    assert [Path(line) for line in ran.done.stdout.splitlines()] == sorted((shared.workspace / "results").glob("*.rpm"))
    told = [json.loads(line) for line in ran.done.stderr.splitlines()]
    assert [line["stage"] for line in told if line["level"] == "skipped"] == list(STAGES)
    assert told[-1]["message"].endswith("(resolver skipped, fetcher skipped, builder skipped)")
    record = json.loads((shared.workspace / "results.run.json").read_text())
    assert [stage["result"] for stage in record["stages"]] == [
        sha256_of(shared.workspace / name / "result.json") for name in STAGES.values()
    ]
    assert shared.run("--force", "--until", "fetcher").stages == ("resolver", "fetcher")
    assert shared.run().stages == ()


@PROMISE
def test_a_package_of_the_repository_that_was_altered_is_fetched_again(shared: Project) -> None:
    package = next((shared.workspace / "repo").glob("bash-*.rpm"))
    content = package.read_bytes()
    package.unlink()  # it may share its bytes with the cache
    package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ran = shared.run()
    assert (ran.stages, ran.skipped) == (("fetcher",), ("resolver", "builder"))
    assert package.read_bytes() == content


@PROMISE
def test_a_stranger_in_the_repository_is_refused_and_not_passed_over(shared: Project) -> None:
    stranger = shared.workspace / "repo/stranger-1-1.noarch.rpm"
    stranger.touch()
    ran = shared.run(status=errors.RepositoryExtraFile.exit_code)
    assert "stranger-1-1.noarch.rpm" in ran.done.stderr
    stranger.unlink()
    assert shared.run().stages == ("fetcher",)


@PROMISE
def test_a_lock_that_was_altered_is_made_again(shared: Project) -> None:
    lockfile = shared.workspace / "lock/buildroot_lock.json"
    content = lockfile.read_bytes()
    lockfile.write_bytes(content + b"\n")
    ran = shared.run()
    assert (ran.stages, ran.skipped) == (("resolver",), ("fetcher", "builder"))
    assert lockfile.read_bytes() == content


@PROMISE
def test_another_repomd_makes_the_resolver_run(shared: Project) -> None:
    index = shared.path / "build/demo/repo/repodata/repomd.xml"
    index.write_bytes(index.read_bytes() + b"<!-- new -->\n")
    ran = shared.run()
    assert (ran.stages, ran.skipped) == (("resolver",), ("fetcher", "builder"))  # it found the same packages
    (shared.path / "build/demo/repo/notes").write_text("nothing that an index names")
    assert shared.run().stages == ()


@PROMISE
def test_a_target_that_changed_makes_every_stage_run(shared: Project) -> None:
    path = shared.path / f"targets/{TARGETS[0]}.yaml"
    path.write_text(path.read_text() + "# changed\n")
    assert shared.run().stages == tuple(STAGES)


def foreseen(project: Project, *words: str) -> list[str]:
    """What `plan` says of each stage."""
    argv = ("-m", "hermetic_rpm.runner", "plan", "-p", f"srpm={project.srpm()}", *SCRATCH, *words)
    text = project.engine.run(project.python, *argv, cwd=project.path, check=True).stdout
    lines = text.splitlines()
    return [lines[lines.index(f"# {stage}") + 1] for stage in STAGES]


@pytest.mark.promise("6.1", "`plan` says which stages `run` would skip, and why it runs the others")
def test_plan_foresees_what_run_does(shared: Project) -> None:
    told = foreseen(shared)
    assert [line for line in told if not line.startswith("# skipped by `hermetic-rpm run`: same inputs")] == []
    assert foreseen(shared, "-p", "createrepo=yes")[2].startswith("# runs: what it reads")
    index = shared.path / "build/demo/repo/repodata/repomd.xml"
    index.write_bytes(index.read_bytes() + b"<!-- foreseen -->\n")
    assert foreseen(shared) == [
        "# runs: image, repositories or keys are not what they were", "# skipped if resolver leaves the same",
        "# skipped if fetcher leaves the same",
    ]  # fmt: skip
    ran = shared.run()
    assert "resolver runs: image, repositories or keys are not what they were" in ran.done.stderr
    assert (ran.stages, ran.skipped) == (("resolver",), ("fetcher", "builder"))
    assert set(foreseen(shared, "-p", "workspace=elsewhere")) == {"# runs: nothing is known of an earlier run"}


@PROMISE
def test_results_and_arguments_of_the_builder_are_its_own_affair(shared: Project) -> None:
    rpm = shared.rpm()
    content = rpm.read_bytes()
    rpm.write_bytes(content + b"x")
    ran = shared.run()
    assert (ran.stages, ran.skipped) == (("builder",), ("resolver", "fetcher"))
    assert rpm.read_bytes() == content
    pipeline = shared.path / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("      - --require-no-network\n", "", 1))
    assert shared.run().stages == ("builder",)
    assert shared.run().stages == ()


@PROMISE
def test_from_and_until_choose_the_stages(shared: Project) -> None:
    ran = shared.run("--from", "fetcher", "--until", "fetcher")
    assert (ran.stages, ran.done.stdout) == (("fetcher",), "")
    assert "resolver: left out" in ran.done.stderr.splitlines()
    assert shared.run("--from", "builder").stages == ("builder",)
    record = json.loads((shared.workspace / "results.run.json").read_text())
    assert [stage["name"] for stage in record["stages"]] == list(STAGES)
    near = shared.run("--from", "biulder", status=2)
    assert "did you mean builder?" in near.done.stderr


@pytest.mark.promise("6.1", "with --locked nothing is resolved, and a lock of something else is refused")
def test_locked_takes_the_lock_that_is_there_or_refuses(shared: Project) -> None:
    index = shared.path / "build/demo/repo/repodata/repomd.xml"
    index.write_bytes(index.read_bytes() + b"<!-- newer -->\n")
    began = datetime.now(UTC)
    ran = shared.run("--locked")
    assert (ran.stages, ran.skipped) == ((), ("fetcher", "builder"))
    assert shared.started(began) == set()
    refused = errors.NotLocked.exit_code
    other = shared.run("--locked", "-p", f"srpm={sample('tinyxml2')}", status=refused)
    assert "is of quick-1-1" in other.done.stderr
    target = shared.run("--locked", "-p", f"srpm={shared.srpm()}", "-p", f"target={TARGETS[1]}", status=refused)
    assert f"not for {TARGETS[1]}" in target.done.stderr
    assert "other options" in shared.run("--locked", "--with", "x", status=refused).done.stderr
    assert "no lockfile" in shared.run(
        "--locked", "-p", f"srpm={shared.srpm()}", "-p", f"workspace={shared.path}/empty", status=refused
    ).done.stderr  # fmt: skip


@PROMISE
def test_the_commands_of_the_how_to(shared: Project) -> None:
    here = with_runner(shared.engine, shared.path)
    shutil.copy(shared.srpm(), shared.path / "hello.src.rpm")
    again = here.run("bash", "-euc", commands("run-again.md", "again"), check=True)
    assert again.stderr.count("unchanged, skipped (") >= len(STAGES)
    began = shared.results()
    done = here.run("bash", "-euc", commands("run-again.md", "options"), check=True)
    assert done.stderr.count("left out") == 1 + 2
    assert not set(began.values()) & set(shared.results().values())


@PROMISE
def test_another_source_rpm_makes_every_stage_run(shared: Project) -> None:
    again = next((shared.workspace / "results").glob("*.src.rpm"))
    srpm = Path(shutil.copy(again, shared.path / "again.src.rpm"))
    assert sha256_of(srpm) != sha256_of(shared.srpm())
    assert shared.run("-p", f"srpm={srpm}").stages == tuple(STAGES)
    assert rpm_query(shared.rpm(), "%{name}") == "quick"


@pytest.mark.promise("6.1", "a run that was cut off, by SIGKILL too, continues where it was")
def test_a_run_that_was_killed_continues_where_it_was(rootful: Engine, tmp_path: Path) -> None:
    made, hello = project(rootful, tmp_path), ("-p", f"srpm={sample('hello')}")  # its build takes a while
    kill_while(made, "resolver", *hello)
    kill_while(made, "builder", *hello)
    assert made.containers("builder") != ""
    ran = made.run(*hello)
    assert (ran.stages, ran.skipped) == (("builder",), ("resolver", "fetcher"))
    assert [made.containers(stage, "--all") for stage in STAGES] == [""] * 3
    assert made.run(*hello).skipped == tuple(STAGES)


def kill_while(made: Project, stage: str, *words: str) -> None:
    """Kill a run while this stage is at work, and podman's service, which nobody else would end."""
    with tempfile.TemporaryDirectory(prefix="hr-") as temporary:  # short enough for a socket
        environment = {**made.engine.environment, "TMPDIR": temporary}
        with subprocess.Popen(
            made.command(*words), env=environment, cwd=made.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while not made.containers(stage) and process.poll() is None:
                time.sleep(0.1)
            process.kill()
            process.wait()
            assert process.returncode == -signal.SIGKILL
        service = made.engine.run("pgrep", "-f", f"podman system service .*{temporary}", check=True).stdout
        os.kill(int(service), signal.SIGTERM)
