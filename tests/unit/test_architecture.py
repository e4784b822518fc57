"""What imports what: stages, domain packages and runner apart, each outside library behind one door."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("builder", "fetcher", "resolver", "signer")
LIBRARIES = {
    "cryptography": {"hermetic_rpm.runner.keys"},
    "jinja2": {"hermetic_rpm.runner.report.render", "stages.resolver.mock_config"},  # a page; Mock's templates
    "jsonschema": {"hermetic_rpm.document"},
    "license_expression": {"hermetic_rpm.licences"},
    "ruamel": {"hermetic_rpm.document"},
    "rpm_rs": {"hermetic_rpm.rpmfile_worker"},
    # What writes metadata, what opens that of repositories in a worker of its own, what reads it.
    "createrepo_c": {
        "hermetic_rpm.repodata_worker",
        "stages.fetcher.merge",
        "stages.fetcher.offered",
        "stages.resolver.metadata_worker",
    },
    "podman": {"hermetic_rpm.runner.podman"},
    "pycurl": {"stages.fetcher.connections"},
    "urllib3": {"hermetic_rpm.runner.podman"},  # whose errors podman-py lets through
}
EDGES = {"hermetic_rpm.edge", "hermetic_rpm.preflight.command", *(f"stages.{stage}.__main__" for stage in STAGES)}
"""Who may import click, besides the runner."""

PROCESSES = {"hermetic_rpm.process", "hermetic_rpm.runner.service"}
"""Who may start processes: the one function for it, and the runner for podman's API service, which outlives a call."""

pytestmark = pytest.mark.promise(
    "2.1", "stages, domain packages and runner stay apart, and each outside library has one importer"
)


def modules() -> dict[str, Path]:
    """The path of every module by its name."""
    found = {}
    for package in ("hermetic_rpm", "stages"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in MODULES.items()}


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it the import stands."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_itself_and_domain_packages(stage: str) -> None:
    own = f"stages.{stage}"
    for name in filter(lambda name: within(name, own), MODULES):
        for imported in imports(name):
            assert not within(imported, "stages") or within(imported, own), f"{name} imports {imported}"
            assert not within(imported, "hermetic_rpm.runner"), f"{name} imports the runner"


def test_domain_packages_and_runner_import_no_stage() -> None:
    for name in filter(lambda name: within(name, "hermetic_rpm"), MODULES):
        assert not [imported for imported in imports(name) if within(imported, "stages")], name


def test_domain_packages_do_not_import_the_runner() -> None:
    for name in MODULES:
        if within(name, "hermetic_rpm") and not within(name, "hermetic_rpm.runner"):
            assert not [imported for imported in imports(name) if within(imported, "hermetic_rpm.runner")], name


def test_each_outside_library_has_one_importer() -> None:
    known = {*sys.stdlib_module_names, "hermetic_rpm", "stages"}
    found: dict[str, set[str]] = {}
    for name in MODULES:
        for imported in imports(name):
            top = imported.partition(".")[0]
            if top not in known:
                found.setdefault(top, set()).add(name)
    clicks = {name for name in found.pop("click") if not within(name, "hermetic_rpm.runner")}
    assert clicks == EDGES
    assert found == LIBRARIES


def test_only_one_module_starts_processes() -> None:
    found = {name for name in MODULES if "subprocess" in imports(name)}
    assert found == PROCESSES


def test_no_command_is_given_to_a_shell_by_python() -> None:
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                pytest.fail(f"{name} uses shell=")
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.system", "os.popen"}:
                pytest.fail(f"{name} uses {ast.unparse(node)}")


def test_what_runs_inside_a_sandbox_needs_the_standard_library_only() -> None:
    assert {imported.partition(".")[0] for imported in imports("hermetic_rpm.buildroot.inside")} <= {
        *sys.stdlib_module_names
    }


def test_only_edges_end_the_process() -> None:
    scripts = {"hermetic_rpm.buildroot.inside"}
    for name, tree in TREES.items():
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if "sys.exit" in calls:
            assert name in EDGES | scripts or within(name, "hermetic_rpm.runner"), name


def test_an_image_has_what_its_stage_imports() -> None:
    """The libraries that a stage reaches, lazily or not, are those of its extra in pyproject.toml."""
    extras = (ROOT / "pyproject.toml").read_text()
    packages = {
        "createrepo_c": "createrepo_c",
        "license_expression": "license-expression",
        "rpm_rs": "rpm-rs",
        "ruamel": "ruamel.yaml",
    }
    for stage in STAGES:
        line = re.search(rf"^{stage} = (.*)$", extras, re.MULTILINE)
        assert line is not None
        needed = {
            packages.get(library, library)
            for library, importers in (LIBRARIES | {"click": EDGES}).items()
            if importers & reached(f"stages.{stage}.__main__")
        }
        if stage in ("builder", "signer"):
            needed.discard("ruamel.yaml")  # only loaded where YAML is read: targets and policies, by the others
        assert needed == set(re.findall(r'"([A-Za-z0-9_.-]+)', line[1])), stage


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_holds_all_of_the_project_that_its_stage_reaches(stage: str) -> None:
    """What Containerfile.containerignore keeps out, no module of the stage may import."""
    lines = (ROOT / f"containers/{stage}/Containerfile.containerignore").read_text().splitlines()
    kept_out = tuple(line.removesuffix(".py").replace("/", ".") for line in lines if line.startswith("hermetic_rpm/"))
    assert kept_out
    assert [
        name for name in sorted(reached(f"stages.{stage}.__main__")) if any(within(name, out) for out in kept_out)
    ] == []


def reached(start: str) -> set[str]:
    """Every module of the project that one leads to (scripts that are run as workers too)."""
    workers = {
        "hermetic_rpm.rpmfile": "hermetic_rpm.rpmfile_worker",
        "hermetic_rpm.repodata": "hermetic_rpm.repodata_worker",
        "stages.resolver.metadata": "stages.resolver.metadata_worker",
    }
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [found for found in (*imports(name), workers.get(name, "")) if found in MODULES]
    return seen


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "pytest imports test files by their bare names"
