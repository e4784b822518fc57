"""What is in the stage images, and what may be done in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from setup import engine, paths

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLES = {
    "resolver": "hermetic-resolve", "fetcher": "hermetic-fetch", "builder": "hermetic-build", "signer": "hermetic-sign",
}  # fmt: skip
FLAGS = (
    "--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges",
    "--cap-add=DAC_OVERRIDE,SETFCAP,SETGID,SETUID,SYS_CHROOT",
)  # fmt: skip
UNSHARE = ("--user", "--map-users=all", "--map-groups=all", "--mount", "--ipc", "--uts", "--net", "--fork")

pytestmark = pytest.mark.integration

CONTENTS = r"""
import importlib.util, json, os, pathlib, shutil, sys
tree = pathlib.Path("/usr/lib/hermetic-rpm")
print(json.dumps({
    "pip": importlib.util.find_spec("pip") is not None,
    "tools": [name for name in ("gcc", "cc", "g++", "c++", "clang", "ld", "make", "pip", "pip3") if shutil.which(name)],
    "stages": sorted(path.name for path in (tree / "stages").iterdir() if path.is_dir() and path.name[0] != "_"),
    "runner": (tree / "hermetic_rpm" / "runner").exists(),
    "schemas": len(list((tree / "schemas").glob("*.schema.json"))),
    "lists": [path.name for path in pathlib.Path("/var/lib/apt/lists").rglob("*") if path.is_file()],
    "debs": [path.name for path in pathlib.Path("/var/cache/apt").rglob("*.deb")],
    "mnt": os.listdir("/mnt"),
    "apt": [path.name for path in pathlib.Path("/etc/apt/apt.conf.d").iterdir() if "Proxy" in path.read_text()],
    "python": sys.version_info[:2],
    "not compiled": [str(path) for path in tree.rglob("*.py")
                     if not pathlib.Path(importlib.util.cache_from_source(str(path))).exists()],
}))
"""

IMPORT_ALL = r"""
import importlib, pathlib, sys
tree = pathlib.Path("/usr/lib/hermetic-rpm")
sys.path[:0] = [str(tree), str(tree / "site-packages")]
for path in sorted([*tree.glob("hermetic_rpm/**/*.py"), *tree.glob("stages/**/*.py")]):
    name = ".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    assert module.__file__ and module.__file__.startswith(str(tree)), module
    print(name)
"""


def podman(*arguments: str) -> str:
    done = subprocess.run(
        ("podman", *arguments), env=engine.environment(), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def image(stage: str) -> str:
    return f"localhost/hermetic-rpm/{stage}:latest"


def inspect(stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podman("image", "inspect", image(stage)))[0]
    return found


@pytest.fixture(scope="module", params=paths.STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.promise("2.3", "three images, each with its own stage only, no pip, no compiler, no apt lists")
def test_an_image_holds_its_own_stage_and_nothing_to_install_or_compile_with(stage: str) -> None:
    found = json.loads(podman("run", "--rm", "--network=none", "--entrypoint=python3", image(stage), "-c", CONTENTS))
    schemas = found.pop("schemas")
    assert schemas > 0
    assert found == {
        "pip": False, "tools": [], "stages": [stage], "runner": False, "lists": [], "debs": [], "mnt": [], "apt": [],
        "python": [3, 13], "not compiled": [],
    }  # fmt: skip


def test_all_code_of_an_image_imports_with_its_own_dependencies_only(stage: str) -> None:
    flags = ("--rm", "--network=none", "--read-only", "--entrypoint=python3")
    names = podman("run", *flags, image(stage), "-I", "-c", IMPORT_ALL).split()
    assert f"stages.{stage}.__main__" in names
    assert "hermetic_rpm.process" in names


def test_an_image_starts_python_from_compiled_code(stage: str) -> None:
    """Bytecode that an image's fixed time stamps made stale would be compiled anew at each start."""
    flags = ("--rm", "--network=none", "--read-only", "--env=PYTHONVERBOSE=1", "--entrypoint=python3")
    done = subprocess.run(
        ("podman", "run", *flags, image(stage), "-c", IMPORT_ALL),
        env=engine.environment(), capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert "code object from" in done.stderr
    assert [line for line in done.stderr.splitlines() if "stale" in line] == []


def test_an_image_starts_its_stage_and_says_what_it_is(stage: str) -> None:
    found = inspect(stage)
    config = found["Config"]
    labels = config["Labels"]
    assert config["Entrypoint"] == [f"/usr/bin/{EXECUTABLES[stage]}"]
    assert list(config.get("Volumes") or ()) == ([] if stage == "signer" else ["/work"])
    assert labels["org.opencontainers.image.title"] == f"hermetic-rpm {stage}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert labels["org.opencontainers.image.version"]


def test_an_image_keeps_nothing_of_the_host_that_built_it(stage: str) -> None:
    config = inspect(stage)["Config"]
    assert {line.partition("=")[0] for line in config["Env"]} == {"PATH", "LANG"}
    history = podman("history", "--no-trunc", "--format={{.CreatedBy}}", image(stage)).lower()
    for word in ("proxy=", "index-url", "index_url", "find-links", "http://", "https://", str(ROOT).lower()):
        assert word not in history


@pytest.mark.promise("2.4", "none of the three ever needs --privileged")
@pytest.mark.parametrize("stage", [stage for stage in paths.STAGES if stage != "signer"])
def test_a_nested_sandbox_needs_no_privilege(stage: str) -> None:
    script = r"""
        set -e
        mount -t tmpfs none /mnt; mkdir /mnt/usr /mnt/pts
        mount --bind /usr /mnt/usr
        mount -t devpts -o newinstance,ptmxmode=0666 none /mnt/pts
        mkdir -p /work/lower/d /work/upper /work/work /work/merged; touch /work/lower/d/f
        mount -t overlay -o userxattr,lowerdir=/work/lower,upperdir=/work/upper,workdir=/work/work none /work/merged
        rm -r /work/merged/d; test -z "$(ls /work/merged)"
        chown 1000:1000 /work/upper
        test "$(ls /sys/class/net | tr -d '\n')" = lo || test ! -e /sys/class/net/eth0
        setpriv --reuid=1000 --regid=1000 --clear-groups --bounding-set=-all --no-new-privs \
            grep -c -E '^Cap(Eff|Bnd|Prm):.0+$' /proc/self/status
    """
    run = ("run", "--rm", *FLAGS, "--entrypoint=unshare", image(stage))
    assert podman(*run, *UNSHARE, "bash", "-c", script).strip() == "3"


def make_images() -> str:
    done = subprocess.run(
        (sys.executable, "-m", "setup", "images"), cwd=ROOT, env=os.environ | engine.environment(),
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" MB\n") == 5
    return done.stderr


def test_a_second_making_changes_nothing() -> None:
    make_images()
    before = [inspect(name)["Id"] for name in ("base", *paths.STAGES)]
    assert "building" not in make_images()
    assert [inspect(name)["Id"] for name in ("base", *paths.STAGES)] == before


def test_this_host_s_podman_settings_are_the_project_s_own() -> None:
    settings = engine.parse_host_env(paths.HOST_ENV.read_text())
    assert set(settings) <= {"CONTAINERS_CONF"}
    if settings:
        assert Path(settings["CONTAINERS_CONF"]).is_relative_to(ROOT / "build")
