"""The runner against the real podman: small stages in real containers, one of each fault."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermetic_rpm.runner.pipeline import load
from hermetic_rpm.runner.service import podman_environment
from tests.support import terminal

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/hermetic-rpm/base:latest"
IMAGE = f"localhost/hermetic-rpm/test-runner:{os.getpid()}"

STAGE = """
import hashlib, json, os, pathlib, signal, sys, time

mounts = open("/proc/self/mountinfo").read().splitlines()
pathlib.Path("/out/volume").write_text("".join(line for line in mounts if line.split()[4] == "/work"))

def expected(role):
    pairs = [sys.argv[i + 1].split("=") for i, word in enumerate(sys.argv) if word == "--expect"]
    return dict(pairs)[role]

def write(name, content):
    path = pathlib.Path("/out", name)
    path.write_bytes(content)
    return {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

def result(*outputs, kind="resolver", error=None):
    document = {
        "schema_version": "1.0.0", "stage": kind, "tool_version": "0", "error": error, "inputs": {},
        "status": "failed" if error else "ok", "outputs": list(outputs), "timings_seconds": {}, "facts": {},
    }
    pathlib.Path("/out/result.json").write_text(json.dumps(document))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How the command line ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A directory with a pipeline whose stages are Python scripts in real containers."""

    directory: Path
    environment: Mapping[str, str]
    stages: list[str] = field(default_factory=list)

    def stage(
        self, name: str, script: str, *, more: str = "", image: str = IMAGE, mounts: str = "", kind: str = ""
    ) -> Project:
        scripts = self.directory / "scripts"
        scripts.mkdir(exist_ok=True)
        (scripts / f"{name}.py").write_text(STAGE + textwrap.dedent(script))
        self.stages.append(f"""
  - name: {name}
    kind: {kind or ("builder" if name == "builder" else "resolver")}
    image: {image}
    network: none
    arguments: [/scripts/{name}.py]
    output: ${{output}}/{name}
    mounts:
      - {{source: scripts, target: /scripts, mode: ro}}
      - {{source: "${{output}}/{name}", target: /out, mode: rw, create: true}}
      {mounts}
    {more}
""")
        return self

    def output(self, stage: str) -> Path:
        return self.directory / "out" / stage

    def command(self, *words: str, srpm: str = "hello.src.rpm") -> tuple[str, ...]:
        text = "version: 1\nparameters:\n"
        text += "  srpm: {type: file, required: true, description: the source RPM}\n"
        text += "  output: {type: directory, default: out, description: results}\nstages:\n"
        (self.directory / "pipeline.yaml").write_text(text + "".join(self.stages))
        (self.directory / "hello.src.rpm").touch()
        return (sys.executable, "-m", "hermetic_rpm.runner", *words, "-p", f"srpm={srpm}")

    def call(self, *words: str, srpm: str = "hello.src.rpm") -> Ran:
        done = subprocess.run(
            self.command(*words, srpm=srpm),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Ran(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def on_a_terminal(self, *words: str) -> terminal.Seen:
        return terminal.run(self.command(*words), cwd=self.directory, env=self.environment)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command("run"),
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    state = tmp_path_factory.mktemp("state")
    own = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)}
    own.pop("CONTAINER_HOST", None)
    return {**own, **podman_environment(ROOT, os.environ)}


@pytest.fixture(scope="session")
def image(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if subprocess.run(("podman", "image", "exists", BASE), env=environment, check=False).returncode:
        pytest.skip(f"{BASE} is not here: run `make images`")
    context = tmp_path_factory.mktemp("image")
    (context / "Containerfile").write_text(f'FROM {BASE}\nVOLUME /work\nENTRYPOINT ["python3", "-u"]\n')
    subprocess.run(("podman", "build", "-q", "-t", IMAGE, str(context)), env=environment, check=True)
    yield
    subprocess.run(("podman", "rmi", IMAGE), env=environment, check=True)


def said(environment: Mapping[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout


def containers(environment: Mapping[str, str], *options: str) -> set[str]:
    """All of this session's; with ``--external`` those too that podman had not finished making when it was killed."""
    listed = said(environment, "podman", "ps", "--all", "--quiet", *options, "--filter", f"ancestor={IMAGE}")
    return set(listed.split())


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str], image: None) -> Iterator[Project]:
    """Whatever a test did: no container, no volume and no API service of it may be left."""
    with tempfile.TemporaryDirectory(prefix="hr-") as temporary:
        own = {**environment, "TMPDIR": temporary}
        yield Project(directory=tmp_path, environment=own)
        assert containers(own) == containers(own, "--external") == set()
        volumes = said(own, "podman", "volume", "ls", "-q").split()
        seen = [path.read_text() for path in tmp_path.glob("out/*/volume")]
        assert not [volume for volume in volumes if any(volume in mount for mount in seen)]
        assert said(own, "pgrep", "-f", f"podman system service .*{temporary}") == ""
        assert not list(Path(temporary).iterdir())


SUCCESS = """
print("making it", file=sys.stderr)
print("for nobody's pipe")
result(write("hello.rpm", b"RPM"), write("build.log", b"log"))
"""


@pytest.mark.promise("2.5", "a run shows each stage's progress, and ends by saying what was made and where")
def test_a_run_that_succeeds(project: Project) -> None:
    ran = project.stage("builder", SUCCESS.replace('b"log")', 'b"log"), kind="builder"')).call("run")
    assert ran.code == 0, ran.err
    assert ran.out == f"{project.output('builder') / 'hello.rpm'}\n"
    lines = ran.err.splitlines()
    assert "making it" in lines
    assert f"hermetic-rpm: made in {project.output('builder')}:" in lines
    assert any("3 B  hello.rpm" in line for line in lines)
    assert "hermetic-rpm: logs: build.log" in lines
    assert lines[-1].startswith("hermetic-rpm: done in ")
    assert "(builder " in lines[-1]


def test_json_lines_are_one_object_each(project: Project) -> None:
    ran = project.stage("only", 'result(write("a.rpm", b"a"))').call("run", "--log-format", "json")
    assert ran.code == 0
    assert all(json.loads(line)["stage"] == "hermetic-rpm" for line in ran.err.splitlines())


DOWNLOAD = """
def say(level, message, **more):
    print(json.dumps({"stage": "fetcher", "level": level, "message": message, **more}), file=sys.stderr, flush=True)

def state(size, **more):
    say("progress", f"{size} of 100", files=1, files_total=2, size=size, size_total=100, rate=10, last=size == 100)

state(20)
say("warning", "a mirror \\x1b[2J lies")
state(60)
state(100)
result(write("a.rpm", b"a"))
"""


@pytest.mark.promise("4.11", "a live bar on a terminal, plain lines in CI, JSON lines on request")
def test_a_stage_that_downloads_has_a_bar_of_the_runner(project: Project) -> None:
    seen = project.stage("only", DOWNLOAD).on_a_terminal("run")
    assert seen.code == 0, seen.written
    assert any(line.startswith("fetcher:  60 % [####") for line in seen.drawn)
    assert "fetcher: \x1b[33mwarning:\x1b[0m a mirror \N{REPLACEMENT CHARACTER}[2J lies" in seen.screen
    assert "fetcher: 1/2 files, 100/100 B, 10 B/s" in seen.screen
    assert not [line for line in seen.screen if "%" in line or "\r" in line]

    plain = project.call("run").err
    assert "fetcher: 1/2 files, 100/100 B, 10 B/s\n" in plain
    assert not {"\r", "\x1b", "%"} & set(plain)

    told = [json.loads(line) for line in project.call("run", "--log-format", "json").err.splitlines()]
    assert [line["size"] for line in told if line["level"] == "progress"] == [20, 60, 100]


def test_the_bar_of_a_stage_that_dies_is_taken_away(project: Project) -> None:
    seen = project.stage("only", DOWNLOAD.replace("state(100)", "os._exit(3)")).on_a_terminal("run")
    assert seen.code == 82
    assert not [line for line in seen.screen if "%" in line]


@pytest.mark.promise("2.5", "a failing stage ends the run with its own exit code, reason, solution and log's tail")
def test_a_stage_that_fails_and_says_why(project: Project) -> None:
    script = """
        result(error={"kind": "BuildFailed", "exit_code": 64, "reason": "rpmbuild failed.", "solution": "Read it.",
                      "log_tail": ["make: *** [all] Error 2"]})
        sys.exit(64)
    """
    ran = project.stage("first", script).stage("second", SUCCESS).call("run")
    assert ran.code == 64
    assert ran.out == ""
    assert "  | make: *** [all] Error 2\nhermetic-rpm: error: rpmbuild failed.\n" in ran.err
    assert "That was the stage first" in ran.err
    assert ran.err.endswith("hermetic-rpm: what to do: Read it.\n")
    assert "second starts" not in ran.err


@pytest.mark.promise("2.5", "a stage that dies without saying why fails, whatever an earlier run had left")
def test_a_stage_that_dies(project: Project) -> None:
    project.output("only").mkdir(parents=True)
    script = 'print("last words", file=sys.stderr); os._exit(3)'
    project.stage("only", 'result(write("a.rpm", b"a"))')
    assert project.call("run").code == 0
    project.stages.clear()
    ran = project.stage("only", script).call("run")
    assert ran.code == 82
    assert "last words\nhermetic-rpm: error: The only ended with status 3 and left no result.json." in ran.err
    assert "Traceback" not in ran.err


def test_a_stage_that_takes_too_much_memory(project: Project) -> None:
    script = 'print("growing", file=sys.stderr); x = bytearray(1 << 30); x[:] = b"1" * (1 << 30)'
    ran = project.stage("only", script, more="resources: {memory: 64m}").call("run")
    assert ran.code == 82
    assert "memory" in ran.err.splitlines()[-1]


def test_a_stage_that_takes_too_long(project: Project) -> None:
    started = time.monotonic()
    ran = project.stage("only", "time.sleep(600)", more="timeout: 1").call("run")
    assert ran.code == 82
    assert "took longer than 1 seconds" in ran.err
    assert time.monotonic() - started < 30


@pytest.mark.promise("2.5", "what a stage prints arrives whole and in order, 5 MB of it too")
def test_a_lot_of_output_is_complete_and_in_order(project: Project) -> None:
    script = """
        for number in range(100_000):
            sys.stderr.write(f"{number:06d} {'x' * 44}\\n")
        result(write("a.rpm", b"a"))
    """
    ran = project.stage("only", script).call("run")
    assert ran.code == 0
    printed = [line for line in ran.err.splitlines() if line.endswith("xxx")]
    assert len(ran.err) > 5_000_000
    assert [int(line.split()[0]) for line in printed] == list(range(100_000))


def test_output_is_complete_for_a_reader_that_is_slow(project: Project) -> None:
    script = """
        sys.stderr.write("".join(f"{number:06d} {'x' * 44}\\n" for number in range(60_000)))
        result(write("a.rpm", b"a"))
    """
    process = project.stage("only", script).start()
    time.sleep(3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.count(b"xxx\n") == 60_000


@pytest.mark.promise("2.5", "a stage that is silent and then speaks is shown when it speaks")
def test_output_is_live(project: Project) -> None:
    script = """
        print("early", file=sys.stderr)
        while not os.path.exists("/scripts/heard"):
            time.sleep(0.1)
        result(write("a.rpm", b"a"))
    """
    process = project.stage("only", script, more="timeout: 60").start()
    assert process.stderr is not None
    assert any(line == b"early\n" for line in process.stderr)
    (project.directory / "scripts/heard").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0


POLITE = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
print("sleeping", file=sys.stderr)
time.sleep(600)
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("sleeping", file=sys.stderr)
time.sleep(600)
"""


def interrupted(project: Project, number: signal.Signals, times: int) -> tuple[int, bytes]:
    process = project.start()
    assert process.stderr is not None
    for line in process.stderr:
        if line == b"sleeping\n":
            break
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.promise("2.5", "Ctrl-C removes containers and volumes, ends podman's service and says how to go on")
def test_an_interrupted_run_leaves_nothing(project: Project, number: signal.Signals) -> None:
    code, err = interrupted(project.stage("only", POLITE), number, 1)
    assert code == 130
    assert f"stopped by {number.name}".encode() in err
    assert b"Run the same command again" in err
    assert b"Traceback" not in err


def test_an_impatient_user_leaves_nothing_either(project: Project) -> None:
    code, err = interrupted(project.stage("only", DEAF), signal.SIGINT, 3)
    assert code == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.25, 0.35, 0.5, 0.7])
def test_an_interrupt_at_any_time_leaves_nothing(project: Project, delay: float) -> None:
    process = project.stage("only", POLITE).start()
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)


SLOW = 'print("sleeping", file=sys.stderr); time.sleep(2); result(write("a.rpm", b"a"), kind="builder")'


def clean_up_after_kill(project: Project) -> None:
    """End podman's service and remove its socket: a killed runner can do neither; and what podman had half made."""
    temporary = project.environment["TMPDIR"]
    for number in said(project.environment, "pgrep", "-f", f"podman system service .*{temporary}").split():
        os.kill(int(number), signal.SIGKILL)
    for left in Path(temporary).iterdir():
        shutil.rmtree(left)
    for unknown in containers(project.environment, "--external") - containers(project.environment):
        subprocess.run(("podman", "rm", "--force", unknown), env=project.environment, check=True, capture_output=True)


@pytest.mark.parametrize("delay", [0.1, 0.3, 0.5, 0.7, 0.9, 1.2, 2.0])
@pytest.mark.promise("6.1", "a run that was cut off, by SIGKILL too, continues where it was")
def test_a_run_killed_at_any_time_goes_on_where_it_was(project: Project, delay: float) -> None:
    project.stage("first-builder", SUCCESS.replace('b"log")', 'b"log"), kind="builder"'), kind="builder")
    project.stage("builder", SLOW)
    process = project.start()
    time.sleep(delay)
    process.kill()
    process.communicate(timeout=60)
    clean_up_after_kill(project)
    ran = project.call("run")
    assert ran.code == 0, ran.err
    assert ran.out == f"{project.output('builder') / 'a.rpm'}\n"
    assert (project.output("builder") / "a.rpm").read_bytes() == b"a"
    at_work = f"label=hermetic-rpm.output={project.output('builder')}"
    assert said(project.environment, "podman", "ps", "-aq", "--filter", at_work) == ""
    again = project.call("run").err
    assert "first-builder: unchanged, skipped (" in again
    assert "\nbuilder: unchanged, skipped (" in again


def test_what_is_not_finished_is_not_skipped(project: Project) -> None:
    project.stage("first-builder", SUCCESS.replace('b"log")', 'b"log"), kind="builder"'), kind="builder")
    project.stage("builder", SLOW)
    process = project.start()
    assert process.stderr is not None
    assert any(b"sleeping" in line for line in process.stderr)
    busy = project.call("run")
    assert busy.code == 97
    assert "Another run uses" in busy.err
    process.kill()
    process.communicate(timeout=60)
    clean_up_after_kill(project)
    at_work = f"label=hermetic-rpm.output={project.output('builder')}"
    assert said(project.environment, "podman", "ps", "-aq", "--filter", at_work) != ""
    ran = project.call("run")
    assert said(project.environment, "podman", "ps", "-aq", "--filter", at_work) == ""
    assert "first-builder: unchanged, skipped (" in ran.err
    assert "builder starts" in ran.err
    assert ran.err.splitlines()[-1].startswith("hermetic-rpm: done in ")


def test_a_run_without_a_place_to_remember_says_so_and_runs_everything(project: Project) -> None:
    (project.directory / "file").touch()
    blind = Project(
        directory=project.directory, stages=project.stages,
        environment={**project.environment, "XDG_STATE_HOME": str(project.directory / "file")},
    )  # fmt: skip
    blind.stage("builder", SLOW)
    for _ in range(2):
        ran = blind.call("run")
        assert ran.code == 0, ran.err
        assert "warning: " in ran.err
        assert "No stage will be skipped" in ran.err
        assert "builder starts" in ran.err


@pytest.mark.promise("2.5", "a missing stage image is named, and nothing is pulled")
def test_a_missing_image(project: Project) -> None:
    missing = "localhost/hermetic-rpm/nowhere:latest"
    ran = project.stage("first", SUCCESS).stage("second", SUCCESS, image=missing).call("run")
    assert ran.code == 81
    assert f"The image {missing} is not on this machine." in ran.err
    assert "make images" in ran.err
    assert "starts" not in ran.err


def test_an_image_that_is_not_ours_is_not_pulled_either(project: Project) -> None:
    ran = project.stage("only", SUCCESS, image="quay.invalid/some/image:1").call("run")
    assert ran.code == 81
    assert "podman pull quay.invalid/some/image:1" in ran.err


NEXT = """
digest = hashlib.sha256(pathlib.Path("/first/lock").read_bytes()).hexdigest()
print("same" if digest == expected("lockfile") else "swapped", file=sys.stderr)
result(write("a.rpm", b"a"))
"""
EXPECTS = "expects: {lockfile: '${output}/first/lock'}"
FIRST = '- {source: "${output}/first", target: /first, mode: rw, create: true}'


def test_a_stage_is_told_what_the_stage_before_wrote(project: Project) -> None:
    project.stage("first", 'result(write("lock", b"locked"))')
    ran = project.stage("second", NEXT, more=EXPECTS, mounts=FIRST).call("run")
    assert ran.code == 0, ran.err
    assert "same\n" in ran.err


@pytest.mark.promise("2.5", "nothing can be swapped between two stages without the later one seeing it")
def test_a_file_swapped_between_two_stages_is_seen(project: Project) -> None:
    project.stage("first", 'result(write("lock", b"locked"))')
    project.stage("evil", 'pathlib.Path("/first/lock").write_text("evil"); result()', mounts=FIRST)
    ran = project.stage("second", NEXT, more=EXPECTS, mounts=FIRST).call("run")
    assert ran.code == 0, ran.err
    assert "swapped\n" in ran.err


def test_a_source_rpm_swapped_during_the_run_is_seen(project: Project) -> None:
    script = """
        digest = hashlib.sha256(pathlib.Path("/in/hello.src.rpm").read_bytes()).hexdigest()
        print("same" if digest == expected("srpm") else "swapped", file=sys.stderr)
        result(write("a.rpm", b"a"))
    """
    mounts = "- {source: ., target: /in, mode: rw}"
    project.stage("evil", 'pathlib.Path("/in/hello.src.rpm").write_text("evil"); result()', mounts=mounts)
    ran = project.stage("second", script, more="expects: {srpm: '${srpm}'}", mounts=mounts).call("run")
    assert "swapped\n" in ran.err


def test_a_stage_that_lies_about_what_it_wrote_fails(project: Project) -> None:
    project.stage("first", 'result(write("lock", b"locked")); pathlib.Path("/out/lock").write_text("other")')
    ran = project.stage("second", NEXT, more=EXPECTS, mounts=FIRST).call("run")
    assert ran.code == 82
    assert "is not what the first says" in ran.err
    assert "second starts" not in ran.err


def test_a_directory_replaced_by_a_link_is_not_mounted(project: Project) -> None:
    script = 'os.rmdir("/all/second"); os.symlink("/etc", "/all/second"); result()'
    project.stage("first", script, mounts='- {source: "${output}", target: /all, mode: rw, create: true}')
    ran = project.stage("second", 'print(os.listdir("/out")); result()').call("run")
    assert ran.code == 82
    assert "was replaced during the run" in ran.err


@pytest.mark.promise("2.5", "a stage runs with no network, a read-only root, no capability and no new privileges")
def test_a_stage_is_as_closed_as_it_is_declared(project: Project) -> None:
    script = """
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        facts = {name: status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
        facts["net"] = sorted(os.listdir("/sys/class/net"))
        facts["root"] = os.access("/", os.W_OK)
        facts["env"] = os.environ.get("EMPTY"), os.environ.get("http_proxy")
        for path in ("/tmp/x", "/var/tmp/x", "/run/x", "/work/x"):
            open(path, "w").close()
        print(json.dumps(facts), file=sys.stderr)
        result(write("a.rpm", b"a"))
    """
    proxied = Project(
        directory=project.directory, environment={**project.environment, "http_proxy": "http://192.0.2.1"}
    )
    ran = proxied.stage("only", script, more="environment: {EMPTY: ''}").call("run")
    assert ran.code == 0, ran.err
    facts = json.loads(next(line for line in ran.err.splitlines() if line.startswith("{")))
    assert facts == {
        "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2", "net": ["lo"], "root": False,
        "env": ["", None],
    }  # fmt: skip


@pytest.mark.promise(
    "2.5", "under the flags of the project's builder, nested namespaces and overlays work without privileges"
)
def test_the_builders_flags_allow_a_sandbox(project: Project) -> None:
    inside = (
        "mkdir -p l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr o m && touch m/made && ls u"
    )
    script = f"""
        import subprocess
        words = "unshare --user --map-users=all --map-groups=all --mount --ipc --uts --net --fork sh -c".split()
        made = subprocess.run([*words, {inside!r}], cwd="/work", stdout=subprocess.PIPE, check=True).stdout
        print(made.decode().strip(), file=sys.stderr)
        result(write("a.rpm", b"a"))
    """
    builder = load(ROOT / "pipeline.yaml").stages[2]
    ran = project.stage("only", script, more=f"capabilities: [{', '.join(builder.capabilities)}]").call("run")
    assert ran.code == 0, ran.err
    assert "made\n" in ran.err


@pytest.mark.promise("6.1", "the printed `podman run` of each stage works when pasted")
@pytest.mark.promise("2.5", "the commands that `hermetic-rpm plan` prints can be pasted and do the same")
def test_the_plan_can_be_pasted(project: Project) -> None:
    project.stage("first", 'result(write("lock", b"locked"))')
    project.stage("builder", NEXT.replace('b"a")', 'b"a"), kind="builder"'), more=EXPECTS, mounts=FIRST)
    planned = project.call("plan")
    assert planned.code == 0, planned.err
    assert not project.output("first").exists()
    pasted = subprocess.run(
        ("bash",), input=planned.out.encode(), env=project.environment, cwd="/", capture_output=True, check=False
    )
    assert pasted.returncode == 0, pasted.stderr
    assert b"same\n" in pasted.stderr
    assert hashlib.sha256((project.output("builder") / "a.rpm").read_bytes()).hexdigest()


def test_a_service_that_cannot_start_is_explained(project: Project, tmp_path: Path) -> None:
    broken = tmp_path / "containers.conf"
    broken.write_text("[engine\n")
    other = Project(directory=tmp_path, environment={**project.environment, "CONTAINERS_CONF": str(broken)})
    ran = other.stage("only", SUCCESS).call("run")
    assert ran.code == 80
    assert "podman system service" in ran.err
    assert "Traceback" not in ran.err


def test_a_service_that_is_there_is_used_and_left_alone(project: Project) -> None:
    socket = Path(project.environment["TMPDIR"], "own.sock")
    command = ("podman", "system", "service", "--time=0", f"unix://{socket}")
    with subprocess.Popen(command, env=project.environment) as service:
        try:
            while not socket.is_socket():
                time.sleep(0.01)
            named = {**project.environment, "CONTAINER_HOST": f"unix://{socket}"}
            project.stage("only", 'result(write("a.rpm", b"a"))')
            assert Project(directory=project.directory, environment=named, stages=project.stages).call("run").code == 0
            assert service.poll() is None
        finally:
            service.terminate()


def test_a_service_that_dies_ends_the_run_with_what_to_do(project: Project) -> None:
    process = project.stage("only", POLITE).start()
    assert process.stderr is not None
    for line in process.stderr:
        if line == b"sleeping\n":
            break
    pattern = f"podman system service .*{project.environment['TMPDIR']}"
    os.kill(int(said(project.environment, "pgrep", "-f", pattern)), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 80
    assert b"Traceback" not in err
    match = re.search(rb"`podman rm --force --volumes (hermetic-rpm-only-[0-9a-f]+)`", err)
    assert match is not None
    said(project.environment, "podman", "rm", "--force", "--volumes", match.group(1).decode())


def test_a_file_in_the_place_of_the_output_is_named(project: Project) -> None:
    (project.directory / "out").touch()
    ran = project.stage("only", SUCCESS).call("run")
    assert ran.code == 73
    assert "a file is in its place" in ran.err


def test_a_container_that_podman_cannot_start_is_explained(project: Project) -> None:
    mounts = "- {source: scripts, target: /proc/self/oops, mode: ro}"
    ran = project.stage("only", SUCCESS, mounts=mounts).call("run")
    assert ran.code == 82
    assert "podman cannot start the container: " in ran.err
    assert "Traceback" not in ran.err


def test_a_socket_that_nobody_answers_is_named(project: Project) -> None:
    nobody = {**project.environment, "CONTAINER_HOST": "unix:///nowhere/podman.sock"}
    ran = Project(directory=project.directory, environment=nobody).stage("only", SUCCESS).call("run")
    assert ran.code == 80
    assert "/nowhere/podman.sock" in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_srpm_ends_the_run_before_anything_starts(project: Project) -> None:
    ran = project.stage("only", SUCCESS).call("run", srpm="gone.src.rpm")
    assert ran.code == 10
    assert "gone.src.rpm is not an existing file" in ran.err
    assert not (project.directory / "out").exists()


def test_validate_says_yes_or_every_mistake(project: Project) -> None:
    project.stage("only", SUCCESS).command("run")
    words = (sys.executable, "-m", "hermetic_rpm.runner", "validate")
    done = subprocess.run(words, cwd=project.directory, env=project.environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"pipeline.yaml is valid: only.\n")
    (project.directory / "pipeline.yaml").write_text("version: 1\nstages: []\n")
    done = subprocess.run(words, cwd=project.directory, env=project.environment, capture_output=True, check=False)
    assert done.returncode == 22
    assert b"pipeline.yaml:2:1: stages: " in done.stderr


def test_an_unknown_command_and_help_are_clicks() -> None:
    words = (sys.executable, "-m", "hermetic_rpm.runner")
    assert subprocess.run((*words, "--help"), cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert subprocess.run((*words, "rnu"), cwd=ROOT, capture_output=True, check=False).returncode == 2
    done = subprocess.run((*words, "--version"), cwd=ROOT, capture_output=True, check=False)
    assert done.stdout.startswith(b"hermetic-rpm")
