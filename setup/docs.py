"""The documentation as a site: `docs/conf.py` says how, any broken link or anchor ends it."""

from __future__ import annotations

import shutil
from pathlib import Path

from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import host_environment, run
from setup import paths

FRONT = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=README.html">
<title>hermetic-rpm</title>
<a href="README.html">hermetic-rpm</a>
"""


def command(destination: Path, source: Path) -> tuple[str, ...]:
    """The command that makes the site: every warning is an error, also one about a page that did not change."""
    return (
        str(paths.DOCS_VENV / "bin" / "sphinx-build"), "--quiet", "--fail-on-warning", "--keep-going", "--fresh-env",
        f"--conf-dir={source / 'docs'}", f"--doctree-dir={destination}.doctrees", str(source), str(destination),
    )  # fmt: skip


def build(destination: Path, source: Path = paths.ROOT) -> Path:
    """Make the site anew; returns its first page.  Raises `CommandFailed` with what is wrong in the documents."""
    shutil.rmtree(destination, ignore_errors=True)
    run(command(destination, source), env=host_environment())
    write_atomically(destination / "index.html", FRONT)
    return destination / "index.html"
