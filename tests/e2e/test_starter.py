"""A project that ``hermetic-rpm init`` wrote, from an empty directory to RPMs."""

from __future__ import annotations

from pathlib import Path

import pytest

from containers import DEMO, TARGETS, Engine, commands, quick_srpm, rpm_query, runner, with_runner


@pytest.mark.promise("6.6", "`hermetic-rpm init` writes a starter project")
def test_a_starter_project_builds(rootful: Engine, tmp_path: Path) -> None:
    project = tmp_path / "project"

    def run(*arguments: str | Path) -> str:
        done = runner(*arguments, environment=rootful.environment, cwd=project if project.exists() else tmp_path)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    run("init", project, "--target", TARGETS[0])
    (project / "build").mkdir()
    (project / "build/demo").symlink_to(DEMO.resolve())
    assert run("validate") == "pipeline.yaml is valid: resolver, fetcher, builder.\n"
    srpm = f"srpm={quick_srpm(tmp_path)}"
    assert run("plan", "-p", srpm).count("podman run") == 3
    made = [Path(line) for line in run("run", "-p", srpm).splitlines()]
    assert {"quick"} == {rpm_query(path, "%{name}") for path in made}
    assert all(path.parent == project / "build/workspace/results" for path in made)
    lockfile = project / "build/workspace/lock/buildroot_lock.json"
    assert "keeps policy.yaml" in run("policy", "check", "--policy", "policy.yaml", "--lockfile", lockfile)


@pytest.mark.promise("6.6", "`hermetic-rpm init` writes a starter project")
def test_the_commands_of_the_how_to(rootful: Engine, tmp_path: Path) -> None:
    with_runner(rootful, tmp_path).run("bash", "-euc", commands("start-a-project.md", "init"), check=True)
    assert (tmp_path / "my-package/targets/fedora-rawhide-x86_64.yaml").is_file()
    valid = runner("validate", environment=rootful.environment, cwd=tmp_path / "my-package")
    assert valid.returncode == 0, valid.stderr
