"""What must never get into git, asked of git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = (
    "build/demo/repo/repodata/repomd.xml", "workspace/lock/buildroot_lock.json", "results/build.log", "repo/x.rpm",
    "cache/sha256/ab/abcd", "anywhere/hello-2-1.x86_64.rpm", "bash_5.deb", ".incomplete-abc", ".venv/bin/python",
    "hermetic_rpm/__pycache__/x.pyc", ".coverage", "htmlcov/index.html", ".idea/x.xml", "a.swp", ".DS_Store",
    "Makefile~", "x.bak", "x.orig", "pipeline.local.yaml", "config.local.yaml", ".env.local",
)  # fmt: skip


@pytest.mark.promise("2.1", "build roots, results, caches, backups and local overrides never get into git")
@pytest.mark.parametrize("path", PRODUCTS)
def test_products_and_overrides_are_ignored(path: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=ROOT, check=False)
    assert done.returncode == 0, path


@pytest.mark.parametrize(
    "path", ["hermetic_rpm/buildroot/inside.py", "demo/samples/hello.spec", "targets/x.yaml", ".ci/run"]
)
def test_sources_are_not_ignored(path: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=ROOT, check=False)
    assert done.returncode == 1, path
