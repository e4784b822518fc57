"""What a host forbids is found and named: the preflight in real containers, the doctor, the shipped seccomp profile."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import hostile_packages
import pytest

from containers import (
    CAPABILITIES,
    ROOT,
    TARGETS,
    Engine,
    Workspace,
    commands,
    host_environment,
    runner,
    sample,
    workspace_at,
)
from hermetic_rpm import errors

PROFILE = ROOT / "containers/seccomp.json"
REFUSED, SANDBOX_REFUSED = 75, 70
FINDS = pytest.mark.promise("5.1", "`hermetic-rpm doctor` finds what a host forbids and names the setting")
PROVEN = pytest.mark.promise("5.1", "the shipped seccomp profile is proven by running under it")
SMALLEST = pytest.mark.promise("5.1", "each of the five capabilities is needed, and no other")
FLAGS = pytest.mark.promise("5.1", "all stages run with the documented flags, rootful and rootless")


def preflight(
    engine: Engine, stage: str, *options: str, capabilities: str = CAPABILITIES["builder"]
) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status, and by name the checks that are not well."""
    given = (f"--cap-add={capabilities}",) if capabilities else ()
    network = ("--network=none",) if stage == "builder" else ()
    done = engine.run(
        "podman", "run", "--rm", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", *given, *network,
        *options, f"localhost/hermetic-rpm/{stage}", "--preflight", "--log-format=json",
    )  # fmt: skip
    checks = [json.loads(line)["check"] for line in done.stdout.splitlines()]
    assert checks, done.stderr
    return done.returncode, {entry["name"]: entry for entry in checks if entry["state"] != "ok"}


def without(directory: Path, call: str) -> str:
    """The option for our profile with one system call less, which is then refused as Docker's profile does it."""
    profile = json.loads(PROFILE.read_text())
    for group in profile["syscalls"]:
        group["names"] = [name for name in group["names"] if name != call]
    profile["syscalls"].append({"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": 1})
    path = directory / f"without-{call}.json"
    path.write_text(json.dumps(profile))
    return f"--security-opt=seccomp={path}"


def without_capability(made: Workspace, name: str) -> Workspace:
    """The same workspace with one capability less; beside ``--cap-drop=all`` podman heeds no further ``--cap-drop``."""
    given = {stage: ",".join(set(names.split(",")) - {name}) for stage, names in CAPABILITIES.items()}
    return replace(made, capabilities={**given, "fetcher": CAPABILITIES["fetcher"]})


@FLAGS
@pytest.mark.parametrize("stage", ["resolver", "builder"])
@pytest.mark.parametrize("user", ["rootful", "rootless"])
def test_the_documented_flags_are_enough(stage: str, user: str, request: pytest.FixtureRequest) -> None:
    status, found = preflight(request.getfixturevalue(user), stage)
    assert (status, {name for name, entry in found.items() if entry["state"] == "refused"}) == (0, set())


@PROVEN
@pytest.mark.parametrize("stage", ["resolver", "builder"])
def test_the_shipped_profile_allows_what_the_sandbox_takes(rootful: Engine, stage: str) -> None:
    assert preflight(rootful, stage, f"--security-opt=seccomp={PROFILE}") == (0, {})


@PROVEN
def test_hello_is_built_under_the_shipped_profile(rootful: Engine, tmp_path: Path) -> None:
    made = workspace_at(rootful, tmp_path / "workspace")
    replace(made, options=(f"--security-opt=seccomp={PROFILE}",)).whole(sample("hello"))
    assert made.rpms()


def test_the_shipped_profile_refuses_what_no_build_needs(rootful: Engine) -> None:
    """keyctl(2), by number, since nothing in the image calls it."""
    script = (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); "
        "number = {'x86_64': 250, 'aarch64': 219}[os.uname().machine]; "
        "print(libc.syscall(number, 0, -3, 0), ctypes.get_errno())"
    )
    done = rootful.run(
        "podman", "run", "--rm", "--network=none", f"--security-opt=seccomp={PROFILE}", "--entrypoint=python3",
        "localhost/hermetic-rpm/builder", "-c", script, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["-1", "1"]


@FINDS
@pytest.mark.parametrize(
    ("call", "refused"),
    [
        ("unshare", "user namespace"),
        ("mount", "sandbox"),
        ("pivot_root", "pivot_root"),
        ("umount2", "pivot_root"),
        ("chroot", "chroot"),
    ],
)
def test_a_profile_that_refuses_a_call_is_told_from_everything_else(
    rootful: Engine, tmp_path: Path, call: str, refused: str
) -> None:
    status, found = preflight(rootful, "builder", without(tmp_path, call))
    assert status == REFUSED
    assert list(found) == [refused]
    assert found[refused]["cause"] == f"The container's seccomp profile refuses {call}."
    assert "containers/seccomp.json" in found[refused]["settings"]["Docker"]


@FINDS
@pytest.mark.parametrize(
    ("capability", "refused"),
    [("SETUID", "sandbox"), ("SETGID", "sandbox"), ("SETFCAP", "sandbox"), ("SYS_CHROOT", "chroot")],
)
def test_a_needed_capability_that_is_not_given_is_named(rootful: Engine, capability: str, refused: str) -> None:
    others = ",".join(name for name in CAPABILITIES["builder"].split(",") if name != capability)
    status, found = preflight(rootful, "builder", capabilities=others)
    assert status == REFUSED
    assert found[refused]["settings"]["podman"] == f"--cap-add={capability}"


@SMALLEST
@pytest.mark.parametrize(("user", "target"), tuple(zip(("rootful", "rootless"), TARGETS, strict=True)))
def test_four_capabilities_are_enough_where_all_directories_are_ones_own(
    request: pytest.FixtureRequest, user: str, target: str, tmp_path: Path
) -> None:
    """Under podman's own profile, which allows chroot only with SYS_CHROOT; the package has every oddity of a file.

    The scratch is a directory of ours, to see that nothing is left there; the second resolve is from the cache.
    """
    engine: Engine = request.getfixturevalue(user)
    place = hostile_packages.place_of(engine, tmp_path)
    made = workspace_at(engine, place)
    (place / "scratch").mkdir()
    hostile_packages.give(engine, place)
    few = replace(without_capability(made, "DAC_OVERRIDE"), scratch=("-v", f"{place}/scratch:/work"))
    srpm = sample("demo-oddities-user")
    for done in (few.resolve(srpm, target), few.resolve(srpm, target), made.fetch(), few.build(srpm)):
        assert done.returncode == 0, done.stderr[-4000:]
        assert list((place / "scratch").iterdir()) == []


@SMALLEST
@pytest.mark.parametrize("name", ["SETUID", "SETGID", "SETFCAP", "SYS_CHROOT"])
def test_none_of_the_four_can_be_left_out(hello_copy: Workspace, name: str) -> None:
    done = without_capability(hello_copy, name).build(sample("hello"))
    assert done.returncode in (SANDBOX_REFUSED, errors.BuildrootMismatch.exit_code), done.stderr[-4000:]


@SMALLEST
def test_the_fifth_is_for_directories_of_another_user(hello_copy: Workspace) -> None:
    shutil.chown(hello_copy.path / "results", 1234, 1234)
    (hello_copy.path / "results").chmod(0o755)
    done = without_capability(hello_copy, "DAC_OVERRIDE").build(sample("hello"))
    assert done.returncode == errors.OutputRefused.exit_code, done.stderr[-4000:]
    assert hello_copy.build(sample("hello")).returncode == 0


@FINDS
def test_a_stage_on_a_host_that_refuses_namespaces_ends_and_says_so(hello_copy: Workspace, tmp_path: Path) -> None:
    """Without a look beforehand ``unshare --map-users`` would hang there for good."""
    made = replace(hello_copy, options=("--timeout=120", without(tmp_path, "unshare")))
    done = made.build(sample("hello"))
    assert done.returncode == SANDBOX_REFUSED
    assert "--preflight" in done.stderr


def test_a_scratch_where_programs_cannot_run_is_named(rootful: Engine) -> None:
    status, found = preflight(rootful, "builder", "--tmpfs=/work:rw,noexec,size=8g")
    assert (status, list(found)) == (REFUSED, ["scratch"])


@FINDS
def test_the_documented_command_runs(rootful: Engine) -> None:
    done = rootful.run("bash", "-ec", commands("run-on-docker-and-kubernetes.md", "preflight"), cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


# -- the doctor ------------------------------------------------------------------------------


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return runner("doctor", *arguments, environment=host_environment() | environment)


@FINDS
def test_the_doctor_finds_a_host_that_is_well(rootful: Engine) -> None:
    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split()[:6] == ["CHECK", "STATE", "FOUND", "WHAT", "TO", "DO"]
    assert "refused" not in done.stdout
    found = json.loads(doctor("--json").stdout)
    assert found["refused"] == 0
    names = {entry["name"] for entry in found["checks"]}
    assert {"podman", "podman's API", "resolver: pivot_root", "builder: pivot_root"} <= names


@FINDS
def test_the_doctor_finds_what_a_container_is_refused(rootful: Engine, tmp_path: Path) -> None:
    """A host whose containers.conf names a profile that refuses unshare."""
    path = without(tmp_path, "unshare").partition("seccomp=")[2]
    given = host_environment().get("CONTAINERS_CONF")
    settings = Path(given).read_text() if given else "[containers]\n"
    conf = tmp_path / "containers.conf"
    conf.write_text(settings.replace("[containers]\n", f'[containers]\nseccomp_profile = "{path}"\n', 1))
    done = doctor(CONTAINERS_CONF=str(conf))
    assert done.returncode == REFUSED
    assert "The container's seccomp profile refuses unshare." in done.stdout
    assert "resolver: user namespace, builder: user namespace" in done.stderr


@FINDS
def test_the_doctor_finds_that_podman_is_missing(tmp_path: Path) -> None:
    done = doctor("--json", PATH=str(tmp_path))
    assert done.returncode == REFUSED
    assert [entry["name"] for entry in json.loads(done.stdout)["checks"]] == ["podman"]


@FINDS
def test_the_doctor_finds_that_an_image_is_missing(rootful: Engine, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text((ROOT / "pipeline.yaml").read_text().replace("hermetic-rpm/builder", "hermetic-rpm/absent"))
    done = doctor("--pipeline", str(pipeline))
    assert done.returncode == REFUSED
    assert "make images" in done.stdout
