"""The files of a starter project, made of those that the project ships with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import hermetic_rpm
from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import OutputRefused, PipelineInvalid, StarterInTheWay, TargetInvalid
from hermetic_rpm.files import writing_errors
from hermetic_rpm.target import load

DEFAULT_TARGET = "default: demo-dnf5-x86_64"
DEMO = "file:///distribution/"
"""Where the demo's targets find their packages: ``build/demo`` beside the pipeline file."""

POLICY = """\
# What a lock must keep; docs/reference/policy.md of hermetic-rpm has all the rules.
version: 1
description: A start. Say which origins, keys and licences may be.
# Without a sidecar neither sha256 nor signatures can be checked.
sidecar: required
"""
GITIGNORE = "/build/\n"
README = """\
# RPMs, from locked and verified inputs only

```console
hermetic-rpm doctor
hermetic-rpm run -p srpm=PATH
hermetic-rpm policy check --policy policy.yaml --lockfile build/workspace/lock/buildroot_lock.json
```

`pipeline.yaml` declares the three stages, `targets/{target}.yaml` what is built for. The RPMs are in
`build/workspace/results`, the lockfile in `build/workspace/lock`. The images of the stages must be on
this machine: `make images` in a checkout of hermetic-rpm makes them.
"""
OF_THE_DEMO = """
The target is the demo's. Its packages are to be in `build/demo`: `make distribution` in a checkout makes them.
"""


def shipped() -> Path:
    """The directory with the project's ``pipeline.yaml`` and ``targets/``."""
    package = Path(hermetic_rpm.__file__).parent
    packed = package / "starter"
    return packed if packed.is_dir() else package.parent


def content(target: Path) -> dict[str, bytes]:
    """The content of each file by its path, for a target file; raises `TargetInvalid` for a bad one."""
    definition = read_bytes(target, TargetInvalid)
    load.parse(definition, name=target.stem, place=str(target))
    pipeline = read_bytes(shipped() / "pipeline.yaml", PipelineInvalid).decode()
    readme = README.format(target=target.stem) + (OF_THE_DEMO if DEMO.encode() in definition else "")
    return {
        "pipeline.yaml": pipeline.replace(DEFAULT_TARGET, f"default: {target.stem}").encode(),
        f"targets/{target.stem}.yaml": definition,
        "policy.yaml": POLICY.encode(),
        "README.md": readme.encode(),
        ".gitignore": GITIGNORE.encode(),
    }


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: raises `StarterInTheWay` with everything that is there already."""
    if directory.exists() and not directory.is_dir():
        raise OutputRefused(f"{directory} is no directory.", solution="Name a directory, or one that does not exist.")
    if found := in_the_way(directory, files):
        raise StarterInTheWay(f"{directory} has already: {', '.join(found)}. Nothing was written.")
    with writing_errors(directory):
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as stream:
                stream.write(text)


def in_the_way(directory: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What would be overwritten, and what is no directory where one is needed."""
    parents = {Path(name).parent for name in files} - {Path()}
    blocked = {str(path) for path in parents if os.path.lexists(directory / path) and not (directory / path).is_dir()}
    return tuple(sorted(blocked | {name for name in files if os.path.lexists(directory / name)}))
