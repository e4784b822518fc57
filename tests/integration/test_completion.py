"""Completion where it happens: the TAB key in bash and zsh, and what fish offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import terminal
from tests.support.documents import commands

ROOT = Path(__file__).resolve().parents[2]
PROMISE = pytest.mark.promise("6.6", "completion for bash, zsh and fish")
WORDS = (
    ("hermetic-rpm compl", "etion"),
    ("hermetic-rpm run --keep-f", "ailed"),
    ("hermetic-rpm init --target demo-dnf5", "-x86_64"),
    ("hermetic-rpm target show mine-only", "-here"),
    ("hermetic-rpm lock show a-lock", "file.json"),
)
"""What is typed, and what the shell adds to it."""

START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}
HOW_TO = "docs/how-to/start-a-project.md"
BEFORE = {"bash": "", "zsh": "autoload -Uz compinit; compinit -u -D; "}
"""What the how-to says must have been done."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "targets").mkdir()
    shutil.copy(ROOT / "targets/demo-dnf5-x86_64.yaml", tmp_path / "targets/mine-only-here.yaml")
    (tmp_path / "a-lockfile.json").touch()
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(place), "LANG": "C.UTF-8"}


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"not run here: {shell} is not installed")


@PROMISE
@pytest.mark.parametrize("shell", START)
def test_the_tab_key_completes(place: Path, shell: str) -> None:
    need(shell)
    with terminal.session(START[shell], cwd=place, env=environment(place), columns=200) as typed:
        typed.type(f"{BEFORE[shell]}{commands(HOW_TO, shell).strip()}; echo rea''dy\n")
        typed.see("ready\n")
        for begun, rest in WORDS:
            typed.type(f"{begun}\t")
            typed.see(rest)
            typed.type("\x15")  # takes the line away


@PROMISE
@pytest.mark.parametrize(("begun", "rest"), WORDS)
def test_fish_offers_the_word(place: Path, begun: str, rest: str) -> None:
    need("fish")
    script = f"{commands(HOW_TO, 'fish')}complete -C '{begun}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=place, env=environment(place), check=True, text=True,
        capture_output=True,
    )  # fmt: skip
    assert begun.rpartition(" ")[2] + rest in [line.partition("\t")[0] for line in done.stdout.splitlines()]
