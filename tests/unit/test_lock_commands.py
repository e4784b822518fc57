"""``hermetic-rpm lock``: arguments, output, exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hermetic_rpm.errors import ChecksumsMissing, LockInvalid
from hermetic_rpm.runner.cli import cli
from tests.support.whole_locks import lock, rpm, write

REAL = Path(__file__).resolve().parents[2] / "build/workspace/lock"


@pytest.fixture
def locks(tmp_path: Path) -> tuple[str, str]:
    made = []
    for version in ("1", "2"):
        directory = tmp_path / version
        directory.mkdir()
        made.append(str(write(lock(rpm(f"foo {version}-1.x86_64")), directory)))
    return made[0], made[1]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["lock", *arguments], env={"COLUMNS": "100"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_show_takes_a_file_or_its_directory(locks: tuple[str, str]) -> None:
    assert run("show", locks[0]) == run("show", str(Path(locks[0]).parent))
    assert json.loads(run("show", locks[0], "--format", "json")[1])["packages"][0]["name"] == "foo"


@pytest.mark.promise("3.9", "lock diff --exit-code ends with 1 if anything differs, else with 0")
def test_diff_says_by_its_status_whether_anything_differs(locks: tuple[str, str]) -> None:
    assert run("diff", locks[0], locks[0], "--exit-code") == (0, "The locks are equal.\n")
    assert run("diff", *locks)[0] == 0
    for style in ("text", "markdown", "json"):
        status, output = run("diff", *locks, "--exit-code", "--format", style)
        assert status == 1
        assert "2-1" in output


def test_check_says_what_it_checked(locks: tuple[str, str]) -> None:
    assert run("check", locks[0]) == (0, f"{locks[0]} is valid: 1 package, the sidecar, and 1 key file.\n")
    Path(locks[0]).with_name("buildroot_lock.sources.json").unlink()
    assert "has no sidecar" in run("check", locks[0])[1]
    Path(locks[0]).write_text("{}")
    with pytest.raises(LockInvalid):
        run("check", locks[0])


def test_without_a_sidecar_nobody_knows_whom_to_ask(locks: tuple[str, str]) -> None:
    Path(locks[0]).with_name("buildroot_lock.sources.json").unlink()
    with pytest.raises(ChecksumsMissing):
        run("outdated", locks[0])


@pytest.fixture
def real() -> str:
    if not (REAL / "buildroot_lock.json").is_file():
        pytest.skip("not run here: no lock of the demo distribution (`make demo`)")
    return str(REAL)


def test_the_lock_of_the_demo_is_shown_and_valid(real: str) -> None:
    status, output = run("show", real)
    lines = output.splitlines()
    rows = lines[: lines.index("")]
    assert status == 0
    assert max(map(len, rows)) <= 100
    names = [line.split()[0] for line in rows[1:]]
    assert names == sorted(names)
    assert len(names) > 100
    assert run("check", real)[0] == 0
    assert run("diff", real, real, "--exit-code")[0] == 0
