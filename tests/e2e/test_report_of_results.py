"""The report of a real build, by the command of the how-to, looked at in a real browser."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from containers import Engine, Workspace, commands, runner, with_runner
from hermetic_rpm.lock import join
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from tests.support import browser

REPORT = pytest.mark.promise(
    "6.5", "the report tells inputs, checks, time and memory by phase, packages, why they are there, changes and logs"
)


@REPORT
def test_the_commands_of_the_how_to(rootful: Engine, hello: Workspace, tmp_path: Path) -> None:
    here = with_runner(rootful, tmp_path)
    (tmp_path / "workspace").symlink_to(hello.path)
    (tmp_path / "earlier").symlink_to(hello.path)
    done = here.run("bash", "-euc", f"cd {tmp_path}\n{commands('make-a-report.md', 'report')}", check=True)
    assert done.stdout == "hello.html\n"
    first = (tmp_path / "hello.html").read_bytes()
    for path in hello.rpms():
        assert path.name.encode() in first
        assert hashlib.sha256(path.read_bytes()).hexdigest().encode() in first
    for package in join.load(hello.path / "lock" / LOCKFILE_NAME).packages:
        assert f'<th scope="row">{package.rpm.name}</th>'.encode() in first
    assert b"BuildRequires: gcc" in first
    for log in ("build.log", "root.log", "resolver.log"):
        assert f"<summary>{log} ".encode() in first
    for stage in ("resolver", "fetcher", "builder"):
        assert f'<th scope="rowgroup">{stage}</th>'.encode() in first
    assert b'<span class="state bad">' not in first
    assert b'<span class="state open">' not in first
    here.run("bash", "-euc", f"cd {tmp_path}\n{commands('make-a-report.md', 'previous')}", check=True)
    assert b"The locks are equal." in (tmp_path / "hello.html").read_bytes()


@pytest.mark.promise("6.5", "the report is one file that needs no network")
def test_a_browser_shows_it_and_asks_for_nothing_else(rootful: Engine, hello: Workspace, tmp_path: Path) -> None:
    program = browser.find()
    if program is None:
        pytest.skip("not run here: no Chromium on this host")
    output = tmp_path / "report.html"
    done = runner("report", hello.path / "results", "-o", output, environment=rootful.environment)
    assert done.returncode == 0, done.stderr
    with browser.opened(program, tmp_path / "profile") as page:
        page.look()
        page.open(output.as_uri())
        assert page.requests == [output.as_uri()]
        assert page.troubles == []
        rows = page.evaluate("document.querySelectorAll('#locked tbody tr').length")
        assert rows == len(join.load(hello.path / "lock" / LOCKFILE_NAME).packages)
        page.screenshot(tmp_path / "report.png", whole=True)


@REPORT
def test_a_lock_of_another_build_is_refused(rootful: Engine, hello_copy: Workspace, tmp_path: Path) -> None:
    lockfile = hello_copy.path / "lock" / LOCKFILE_NAME
    shutil.copytree(lockfile.parent, tmp_path / "other")
    (tmp_path / "other/buildroot_lock.sources.json").unlink()
    (tmp_path / "other" / LOCKFILE_NAME).write_bytes(lockfile.read_bytes() + b"\n")
    results, output = hello_copy.path / "results", tmp_path / "report.html"
    done = runner(
        "report", results, "--lock", tmp_path / "other", "-o", output, environment=rootful.environment
    )  # fmt: skip
    assert done.returncode == 41, done.stderr
    assert not output.exists()
    shutil.rmtree(lockfile.parent)
    done = runner("report", results, "-o", output, environment=rootful.environment)
    assert done.returncode == 0
    assert "name it with --lock" in done.stderr
    done = runner("report", results, "--previous", tmp_path / "other", environment=rootful.environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "--previous needs the lock" in done.stderr
