"""Build requirements as the target's own dnf understands them, dnf5 and dnf 4."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hermetic_rpm.buildroot.bootstrap import BUILDROOT
from hermetic_rpm.errors import UnsatisfiedRequirement
from hermetic_rpm.target import keys, load
from stages.resolver import package_manager
from tests.support.fetching import DEMO, ROOT

Install = Callable[[str], tuple[int, tuple[str, ...]]]
HARMLESS = pytest.mark.promise(
    "2.4", "a build requirement cannot make the package manager read a file, a URL, a group or an option"
)


@pytest.fixture(params=["dnf5", "dnf4"])
def install(
    request: pytest.FixtureRequest, own_podman: tuple[str, ...], demo_images: dict[str, str], tmp_path: Path
) -> Install:
    """Let the real dnf solve one requirement, with the configuration and command of the resolver."""
    flavour = request.param
    target = load.load(ROOT / f"targets/demo-{flavour}-x86_64.yaml")
    (tmp_path / "config/none").mkdir(parents=True)
    (tmp_path / "config/keys").mkdir()
    key = keys.key_name(target.repositories[0], 0)
    (tmp_path / "config/keys" / key).write_bytes((DEMO / "keys/RPM-GPG-KEY-demo").read_bytes())
    (tmp_path / "config/dnf.conf").write_text(package_manager.configuration(target))
    program = package_manager.PROGRAMS[flavour][0]
    manager = package_manager.PackageManager(flavour=flavour, program=program, cache=tmp_path, mounts=())

    def solve(requirement: str) -> tuple[int, tuple[str, ...]]:
        argv = package_manager.download_command(manager, target, (package_manager.escape(requirement),))
        dry = tuple("--assumeno" if word == "--assumeyes" else word for word in argv)
        done = subprocess.run(
            (*own_podman, "run", "--rm", "--network=none", "--tmpfs", BUILDROOT,
             "-v", f"{DEMO}:/distribution:ro", "-v", f"{tmp_path / 'config'}:{package_manager.CONFIG}:ro",
             demo_images[flavour], *dry),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, tuple((done.stdout + done.stderr).splitlines())

    return solve


def chosen(lines: tuple[str, ...]) -> set[str]:
    """The packages in dnf's summary."""
    found = (re.match(r"\s*([A-Za-z0-9+._-]+)\s+(?:x86_64|noarch)\s", line) for line in lines)
    return {match[1] for match in found if match}


@HARMLESS
@pytest.mark.parametrize(
    ("requirement", "package"),
    [
        ("demo-tool", "demo-tool"),
        ("demo-tool >= 1.2", "demo-tool"),
        ("demo-epoch = 3:1.0", "demo-epoch"),
        ("gcc-c++", "g++"),
        ("/usr/bin/demo-tool", "demo-tool"),
        ("demo(feature[extra]) >= 1.2", "demo-tool"),
        ("(demo-nowhere or demo-epoch >= 3:0.5)", "demo-epoch"),
    ],
)
def test_a_requirement_finds_its_package(demo: Path, install: Install, requirement: str, package: str) -> None:
    _, lines = install(requirement)
    assert package in chosen(lines), lines


@HARMLESS
@pytest.mark.parametrize(
    "requirement",
    [
        "demo-tool >= 99",  # another package needs the file /usr/bin/demo-tool, which dnf5 would take for this
        "no-such-package >= 99",
        "ld",  # a program, not a capability
        "demo-tool-1.2",  # name and version of a package, not a capability
        "demo(feature[xtra]) >= 1.2",  # a pattern that would match, but is none
        "demo-to*",
    ],
)
def test_a_requirement_that_nothing_provides_is_named(demo: Path, install: Install, requirement: str) -> None:
    code, lines = install(requirement)
    assert code != 0
    error = package_manager.explain(lines, (requirement,))
    assert isinstance(error, UnsatisfiedRequirement), lines
    assert error.reason == f"No repository of the target provides {requirement}."
