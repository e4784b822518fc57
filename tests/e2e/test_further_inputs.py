"""A build that needs what Hermeto fetched, in resolver and builder, as the how-to says."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from containers import DEMO, ROOT, Engine, commands, runner, unpack_rpm, with_runner
from hermetic_rpm import errors, inputs

pytestmark = pytest.mark.promise("5.4", "further locked inputs are mounted read-only and recorded")

SPEC = r"""
Name: greet
Version: 1.0
Release: 1
Summary: Greets with vendored code
License: Apache-2.0
%global debug_package %{nil}
%description
Greets.
%prep
%setup -q -c -T
tar -xf /hermetic_inputs/deps/deps/generic/greet-1.0.tar.gz
%generate_buildrequires
cat greet-1.0/requires
%build
test "%{?demo_stage1}" = 1
. /hermetic_inputs/deps/hermeto.env
test "$GREET_VENDOR" = /hermetic_inputs/deps/deps/generic
gcc -o greet greet-1.0/greet.c
./greet > greeting
%install
install -D -m 0755 greet %{buildroot}/usr/bin/greet
install -D -m 0644 greeting %{buildroot}/usr/share/greet/greeting
%files
/usr/bin/greet
/usr/share/greet
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1.0-1
- B
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory in which somebody works: the pipeline, a source RPM, and what Hermeto fetched for it."""
    for name in ("targets", "pipeline.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/demo").symlink_to(DEMO)
    (tmp_path / "greet.spec").write_text(SPEC)
    define = ("--define", f"_topdir {tmp_path}/top", "--define", f"_srcrpmdir {tmp_path}/srpms")
    subprocess.run(["rpmbuild", "-bs", "--quiet", *define, tmp_path / "greet.spec"], check=True, capture_output=True)
    write_output(tmp_path / "hermeto-output", tmp_path / "greet-1.0")
    return tmp_path


def write_output(output: Path, vendored: Path) -> None:
    """The layout that Hermeto writes: its notes, the file of `generate-env`, and what it fetched by package manager."""
    vendored.mkdir()
    (vendored / "greet.c").write_text('#include <stdio.h>\nint main(void) { puts("hello from a vendored file"); }\n')
    (vendored / "requires").write_text("demo(stage1) >= 1\n")
    (output / "deps/generic").mkdir(parents=True)
    with tarfile.open(output / "deps/generic/greet-1.0.tar.gz", "w:gz") as archive:
        archive.add(vendored, arcname=vendored.name)
    variable = {"name": "GREET_VENDOR", "value": "${output_dir}/deps/generic"}
    (output / ".build-config.json").write_text(json.dumps({"environment_variables": [variable], "project_files": []}))
    (output / "hermeto.env").write_text("export GREET_VENDOR=/hermetic_inputs/deps/deps/generic\n")


def test_what_hermeto_fetched_is_built_as_the_how_to_says(rootful: Engine, project: Path) -> None:
    here = with_runner(rootful, project)
    done = here.run("bash", "-euc", commands("use-further-inputs.md", "inputs"), check=True)
    sha256, *made = done.stdout.splitlines()
    assert sha256 == inputs.digest(project / "hermeto-output")
    for stage, recorded in (("lock", True), ("repo", False), ("results", True)):
        result = json.loads((project / "workspace" / stage / "result.json").read_text())
        assert result["inputs"].get("input:deps") == (sha256 if recorded else None)
    package = next(path for path in (project / "workspace/results").glob("greet-1.0-1.x86_64.rpm"))
    greeting = unpack_rpm(package, project / "x") / "usr/share/greet/greeting"
    assert greeting.read_text() == "hello from a vendored file\n"
    assert any(line.startswith("greet-1.0-1.x86_64.rpm: the same") for line in made)
    refused_with_other_inputs(rootful, project)


def refused_with_other_inputs(engine: Engine, project: Path) -> None:
    """The same build, a bit of the input changed: nothing is built again from it, and a pin refuses it."""
    srpm, output = next((project / "srpms").iterdir()), project / "hermeto-output"
    pinned = inputs.digest(output)
    (output / "deps/generic/greet-1.0.tar.gz").write_bytes(b"other bytes")
    again = ("reproduce", project / "workspace/results", "--srpm", srpm)
    for arguments, error, says in (
        ((*again, "--input", f"deps={output}"), errors.InputsDiffer, f"input:deps: sha256 {pinned} then, "),
        (again, errors.InputsDiffer, "(none) now"),
        (
            ("run", "-p", f"srpm={srpm}", "--input", f"deps={output}", "--expect", f"input:deps={pinned}"),
            errors.InputMismatch, f"but {pinned} was expected",
        ),
    ):  # fmt: skip
        done = runner(*arguments, environment=engine.environment, cwd=project)
        assert done.returncode == error.exit_code, done.stderr[-3000:]
        assert says in done.stderr


def test_a_stage_refuses_what_was_changed_after_the_runner_hashed_it(rootful: Engine, project: Path) -> None:
    """The command that `plan` prints, with the input changed before the builder starts."""
    here = with_runner(rootful, project)
    srpm = next((project / "srpms").iterdir())
    planned = here.run("hermetic-rpm", "plan", "-p", f"srpm={srpm}", "--input", "deps=hermeto-output", check=True)
    (project / "hermeto-output/hermeto.env").write_text("export GREET_VENDOR=/etc\n")
    done = here.run("bash", "-euc", planned.stdout)
    assert done.returncode == errors.InputMismatch.exit_code, done.stderr[-3000:]
    assert "resolver: error: The input deps has the sha256 " in done.stderr
    shutil.rmtree(project / "hermeto-output")
    done = here.run("hermetic-rpm", "plan", "-p", f"srpm={srpm}", "--input", "deps=hermeto-output")
    assert done.returncode == errors.InputRefused.exit_code
