"""README, tutorial and pages of reference followed to the letter, in a checkout of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from containers import DEMO, ROOT, TARGETS, Engine, Workspace, rpm_query, sample, with_runner
from tests.support import servers
from tests.support.documents import commands

pytestmark = pytest.mark.promise("6.7", "every documented command is executed by a test")

README = "README.md"
TUTORIAL = "docs/tutorial/first-build.md"
MADE_BEFORE = "setup images distribution"
"""What `make test` has made before any test runs; made again here it would be made of this checkout."""


def checkout(engine: Engine, path: Path) -> Engine:
    """Somebody in a directory that has all of the repository but its products, of which it gets the demo's."""
    path.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {"build", ".git"}:
            (path / entry.name).symlink_to(entry)
    (path / "build").mkdir()
    (path / "build/demo").symlink_to(DEMO.resolve())
    shutil.copy(ROOT / "build/host.env", path / "build")
    (path / "GNUmakefile").write_text(f"include Makefile\n{MADE_BEFORE}: ;\n")
    return with_runner(engine, path)


def do(here: Engine, page: str, name: str, *, well: bool = True) -> subprocess.CompletedProcess[str]:
    done = here.run("bash", "-euc", commands(page, name), check=well)
    assert (done.returncode == 0) == well, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def newcomer(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return checkout(rootful, tmp_path_factory.mktemp("newcomer") / "hermetic-rpm")


def paths(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [Path(line).name for line in done.stdout.splitlines() if line.endswith(".rpm")]


def proved(done: subprocess.CompletedProcess[str]) -> None:
    """What `verify` printed says so of what a newcomer can prove."""
    for check in ("signature", "subjects", "lock", "repository", "isolation"):
        assert re.search(rf"^{check} +proved ", done.stdout, re.MULTILINE), done.stdout


def test_the_tutorial_is_true_from_beginning_to_end(newcomer: Engine) -> None:
    assert "hello-2.10-1.demo1.x86_64.rpm" in paths(do(newcomer, TUTORIAL, "demo"))
    assert "gnu.org" in do(newcomer, TUTORIAL, "look").stdout
    refused = do(newcomer, TUTORIAL, "stranger", well=False)
    assert "stranger-1-1.noarch.rpm" in refused.stderr
    assert (newcomer.home / "build/workspace/repo/stranger-1-1.noarch.rpm").exists()
    do(newcomer, TUTORIAL, "remove")
    rounds = do(newcomer, TUTORIAL, "dynamic").stderr
    assert "round 2 of %generate_buildrequires: " in rounds
    proved = do(newcomer, TUTORIAL, "prove").stdout
    assert [line.split()[1] for line in proved.splitlines() if line.startswith(("signature", "repository"))] == [
        "proved"
    ] * 2
    assert b"demo-dynamic" in (newcomer.home / "build/report.html").read_bytes()


def test_the_two_commands_of_the_readme(newcomer: Engine) -> None:
    named = paths(do(newcomer, README, "two"))
    assert "hello-2.10-1.demo1.x86_64.rpm" in named
    results = newcomer.home / "build/results"
    assert {path.name for path in results.glob("*.rpm")} <= set(named)
    assert any(rpm_query(path, "%{name}") == "demo-dynamic" for path in results.glob("*.rpm"))
    logs = {"build.log", "root.log", "state.log", "hw_info.log", "installed_pkgs.log", "result.json"}
    assert logs <= {path.name for path in results.iterdir()}
    proved(do(newcomer, README, "prove"))
    assert b"demo-dynamic" in (newcomer.home / "build/report.html").read_bytes()


def test_what_a_host_allows(newcomer: Engine) -> None:
    page = "docs/reference/hosts.md"
    assert "CHECK" in do(newcomer, page, "doctor").stdout
    assert "ok" in do(newcomer, page, "preflight").stdout
    assert "version" in do(newcomer, page, "environment").stdout


def test_targets_are_listed_checked_and_imported(newcomer: Engine, tmp_path: Path) -> None:
    assert TARGETS[0] in do(newcomer, "docs/how-to/build-for-your-distribution.md", "list").stdout
    here = with_runner(newcomer, tmp_path)
    text = (ROOT / f"targets/{TARGETS[0]}.yaml").read_text()
    (tmp_path / "os42.yaml").write_text(text.replace("baseurl:", "baseurls:", 1))
    told = do(here, "docs/how-to/write-a-target.md", "check", well=False).stderr
    assert "repositories[0]: unknown 'baseurls' (did you mean baseurl?)" in told
    configurations = tmp_path / "mock"
    configurations.mkdir()
    (configurations / "fedora-rawhide-x86_64.cfg").write_text(CONFIGURATION)
    (tmp_path / "targets").mkdir()
    (tmp_path / "pipeline.yaml").symlink_to(ROOT / "pipeline.yaml")
    script = commands("docs/how-to/build-for-your-distribution.md", "import")
    here.run("bash", "-euc", script.replace("/etc/mock", str(configurations)), check=True)
    assert (tmp_path / "targets/fedora-rawhide-x86_64.yaml").is_file()


CONFIGURATION = """
config_opts['target_arch'] = 'x86_64'
config_opts['chroot_setup_cmd'] = 'install @buildsys-build'
config_opts['releasever'] = '1'
config_opts['dist'] = 'demo1'
config_opts['package_manager'] = 'dnf5'
config_opts['bootstrap_image'] = 'registry.example.com/demo:1'
config_opts['dnf.conf'] = '[main]\\ngpgcheck=0\\n[demo]\\nbaseurl=https://example.com/\\n'
"""


def test_a_lock_is_explained_and_held_against_a_policy(newcomer: Engine, hello: Workspace, tmp_path: Path) -> None:
    here = with_runner(newcomer, tmp_path)
    (tmp_path / "lock").symlink_to(hello.path / "lock")
    assert "BuildRequires: gcc" in do(here, "docs/reference/lock-commands.md", "why").stdout
    here.run("hermetic-rpm", "init", "project", "--target", TARGETS[0], check=True)
    shutil.copy(tmp_path / "project/policy.yaml", tmp_path)
    assert "keeps policy.yaml" in do(here, "docs/reference/policy.md", "check").stdout


def test_the_source_rpms_are_fetched(newcomer: Engine, hello_copy: Workspace) -> None:
    here = with_runner(newcomer, hello_copy.path.parent)
    (hello_copy.path / "cache").mkdir()
    (here.home / "demo").symlink_to(DEMO.resolve())
    do(here, "docs/how-to/fetch-source-rpms.md", "sources")
    assert len(list((hello_copy.path / "sources").glob("*.src.rpm"))) > 100


def test_a_build_goes_through_a_registry(newcomer: Engine, hello: Workspace, tmp_path: Path) -> None:
    (tmp_path / "workspace").symlink_to(hello.path)
    (tmp_path / "pipeline.yaml").symlink_to(ROOT / "pipeline.yaml")
    (tmp_path / "srpms").mkdir()
    shutil.copy(sample("hello"), tmp_path / "srpms")
    script = commands("docs/how-to/carry-a-build.md", "registry")
    with servers.registry(tmp_path / "registry") as server:
        here = with_runner(newcomer, tmp_path, **server.environment)
        here.run("bash", "-euc", script.replace("registry.example.org", server.address), check=True)
    assert (tmp_path / "hello/lock/buildroot_lock.json").is_file()
