"""docs/explanation/architecture.md is about this tree: it names what is there, and all of it."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import ROOT

PAGE = (ROOT / "docs/explanation/architecture.md").read_text()
NAMED = set(re.findall(r"`([a-z_]+(?:/[\w.]+)*(?:\.\w+)?)`", PAGE))
DIAGRAM = (ROOT / "docs/explanation/imports.svg").read_text()

pytestmark = pytest.mark.promise("6.7", "the page on architecture names every package and directory, and only such")


def packages(directory: str) -> set[str]:
    return {path.parent.name for path in (ROOT / directory).glob("*/__init__.py")}


def test_every_path_that_it_names_is_there() -> None:
    named = {name for name in NAMED if "/" in name}
    assert len(named) > 25
    assert not {name for name in named if not (ROOT / name).exists()}


def test_every_plain_module_that_it_names_is_there() -> None:
    named = {name for name in NAMED if "/" not in name and name.endswith(".py")} - {"__main__.py"}
    assert named
    assert not {name for name in named if not (ROOT / "hermetic_rpm" / name).exists()}


def test_it_names_every_stage_and_every_package() -> None:
    wanted = {f"{directory}/{name}" for directory in ("stages", "hermetic_rpm") for name in packages(directory)}
    assert wanted <= NAMED


def test_it_names_every_directory_of_the_tree() -> None:
    ignored = set(re.findall(r"^/(\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE))
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name.isalpha()} - ignored
    assert there - NAMED == {"docs", "requirements", "stages"}


def test_the_diagram_of_imports_has_every_package_where_it_belongs() -> None:
    (row,) = re.findall(r">(archive · [^<]*)<", DIAGRAM)
    assert set(row.split(" · ")) == packages("hermetic_rpm") - {"runner"}
    assert set(re.findall(r">stages/(\w+)<", DIAGRAM)) == packages("stages")
