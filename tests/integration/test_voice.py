"""What the command lines of runner and stages look like on a terminal and elsewhere, and `hermetic-rpm --version`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hermetic_rpm import __version__
from tests.support import terminal

ROOT = Path(__file__).resolve().parents[2]
COLOURS = pytest.mark.promise(
    "6.6", "colours and progress appear only on a terminal, colours not where NO_COLOR is set"
)
VERSION = pytest.mark.promise("6.6", "`hermetic-rpm --version` tells the digests of the images")
RED = "\x1b[1;31merror:\x1b[0m"
FAILING = {
    "hermetic-rpm": ("hermetic_rpm.runner", "validate", "--pipeline", "nowhere.yaml"),
    "resolver": ("stages.resolver", "--srpm", "nowhere.src.rpm", "--target", "nowhere", "--output", "out"),
    "fetcher": ("stages.fetcher", "--lockfile", "nowhere.json", "--output", "out"),
    "builder": ("stages.builder", "--srpm", "nowhere.src.rpm", "--lockfile", "nowhere.json", "--output", "out"),
    "signer": ("stages.signer", "--results", ".", "--output", "out"),
}


def command(who: str) -> tuple[str, ...]:
    module, *arguments = FAILING[who]
    return (sys.executable, "-m", module, *arguments)


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}


@COLOURS
@pytest.mark.parametrize("who", FAILING)
def test_an_error_has_a_colour_on_a_terminal(who: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    seen = terminal.run(command(who), cwd=tmp_path, env=environment(NO_COLOR=""))
    assert seen.code != 0
    assert [line for line in seen.screen if line.startswith(f"{who}: {RED} ")], seen.written


@COLOURS
@pytest.mark.parametrize("who", FAILING)
@pytest.mark.parametrize(("term", "more"), [("xterm", {"NO_COLOR": "1"}), ("dumb", {})], ids=["NO_COLOR", "dumb"])
def test_who_wants_no_colours_gets_none(who: str, term: str, more: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    seen = terminal.run(command(who), cwd=tmp_path, term=term, env=environment(**more))
    assert [line for line in seen.screen if line.startswith(f"{who}: error: ")], seen.written
    assert "\x1b" not in seen.written


@COLOURS
@pytest.mark.parametrize("who", FAILING)
def test_a_pipe_gets_plain_lines(who: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        command(who), cwd=tmp_path, env=environment(TERM="xterm"), capture_output=True, text=True, check=False
    )
    assert f"{who}: error: " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def version(place: Path, **more: str) -> list[str]:
    done = subprocess.run(
        (sys.executable, "-m", "hermetic_rpm.runner", "--version"), cwd=place, env=environment(**more),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    first, *images = done.stdout.splitlines()
    assert first == f"hermetic-rpm, version {__version__}"
    assert [line.split()[0] for line in images] == ["resolver", "fetcher", "builder", "signer"]
    return [line.split(maxsplit=1)[1] for line in images]


@VERSION
def test_the_digests_are_those_of_podman() -> None:
    host = dict(line.split("=", 1) for line in (ROOT / "build/host.env").read_text().splitlines() if "=" in line)
    found = version(ROOT, HOME=str(Path.home()))
    for stage, digest in zip(("resolver", "fetcher", "builder", "signer"), found, strict=True):
        name = f"localhost/hermetic-rpm/{stage}:latest"
        inspected = subprocess.run(
            ("podman", "image", "inspect", "--format={{.Digest}}", name), capture_output=True, text=True, check=False,
            env={**os.environ, **host},
        )  # fmt: skip
        assert digest == (inspected.stdout.strip() if inspected.returncode == 0 else "not built")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|not built", digest)


@VERSION
def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    )
    assert version(tmp_path, CONTAINERS_STORAGE_CONF=str(tmp_path / "storage.conf")) == ["not built"] * 4


@VERSION
def test_without_podman_it_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert version(tmp_path, PATH=str(tmp_path / "bin")) == ["not known: podman does not answer"] * 4
    (tmp_path / "bin/podman").symlink_to(str(shutil.which("false")))
    assert version(tmp_path, PATH=str(tmp_path / "bin")) == ["not known: podman does not answer"] * 4
