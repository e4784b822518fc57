"""Real RPM packages of a given number and size, made by one rpmbuild and kept for the next run."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path

from demo.parallel import run_all
from demo.rpmbuild import Rpmbuild
from demo.signing import BATCH, opened_key

_HEAD = """\
Name: bench
Version: 1.0
Release: 1
Summary: Packages to measure with
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Packages to measure with.
"""
_PACKAGE = """\
%package -n {name}
Summary: A package to measure with
%description -n {name}
A package to measure with.
%files -n {name}
/bench/{name}
"""


def make(directory: Path, *, count: int, size: int) -> tuple[Path, ...]:
    """So many packages with a file of ``size`` random bytes each, signed, and ``KEY`` beside them."""
    packages = directory / "packages"
    if not packages.is_dir():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        made = _build(directory / "rpmbuild", count=count, size=size)
        with opened_key(directory / "secret.asc") as key:
            key.export(key_of(directory))
            batches = (made[start : start + BATCH] for start in range(0, count, BATCH))
            run_all(partial(key.sign, batch) for batch in batches)
        (directory / "rpmbuild/RPMS").replace(packages)
        shutil.rmtree(directory / "rpmbuild")
    return tuple(sorted(packages.iterdir()))


def key_of(directory: Path) -> Path:
    """The public key that the packages in ``directory`` are signed with."""
    return directory / "KEY"


def _build(home: Path, *, count: int, size: int) -> tuple[Path, ...]:
    names = [f"bench-{number:05}" for number in range(count)]
    content = random.Random(0)  # noqa: S311 - only so that nothing can be compressed
    files = home / "root/bench"
    files.mkdir(parents=True)
    for name in names:
        (files / name).write_bytes(content.randbytes(size))
    spec = home / "bench.spec"
    spec.write_text(_HEAD + "".join(_PACKAGE.format(name=name) for name in names))
    rpmbuild = Rpmbuild(home=home)
    rpmbuild.prepare()
    rpmbuild.pack(spec, home / "root")
    return rpmbuild.made()
