"""Two streams of one module: the one that the target chooses decides what is locked, and is built with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from containers import DEMO, ROOT, TARGETS, Engine, Workspace, workspace_at
from hermetic_rpm.errors import ModuleUnknown, UnsatisfiedRequirement
from hermetic_rpm.lock import join
from hermetic_rpm.lock.model import ModuleStreams

STREAMS = {"old": "1.0", "new": "2.0"}

PACKAGE = """
Name: demo-thing
Version: {version}
Release: 1
Summary: A package of two streams
License: MIT
BuildArch: noarch
ModularityLabel: demo-things:{stream}:20250615:c0ffee42

%description
A package of two streams.

%install
install -d %{{buildroot}}/usr/share
echo {version} >%{{buildroot}}/usr/share/demo-thing

%files
/usr/share/demo-thing
"""

MODULE = """---
document: modulemd
version: 2
data:
  name: demo-things
  stream: {stream}
  version: 20250615
  context: c0ffee42
  arch: x86_64
  summary: A module
  description: A module.
  license: {{module: [MIT], content: [MIT]}}
  artifacts: {{rpms: [demo-thing-0:{version}-1.noarch]}}
...
"""

SPEC = """
Name: thinks
Version: 1
Release: 1
Summary: Made with a package of a stream
License: MIT
BuildArch: noarch
BuildRequires: demo-thing

%description
Made with a package of a stream.

%install
install -d %{buildroot}/usr/share
cp /usr/share/demo-thing %{buildroot}/usr/share/thinks

%files
/usr/share/thinks
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A modular repository, a spec, and a cache for all tests."""
    place = tmp_path_factory.mktemp("modules")
    for name in ("cache", "modular", "top", "input"):
        (place / name).mkdir()
    (place / "input/thinks.spec").write_text(SPEC)
    for stream, version in STREAMS.items():
        (place / "thing.spec").write_text(PACKAGE.format(stream=stream, version=version))
        rpms = ("--define", f"_topdir {place}/top", "--define", f"_rpmdir {place}/modular")
        subprocess.run(["rpmbuild", "-bb", "--quiet", *rpms, place / "thing.spec"], check=True, capture_output=True)
    modules = "".join(MODULE.format(stream=stream, version=version) for stream, version in STREAMS.items())
    (place / "modules.yaml").write_text(modules)
    subprocess.run(["createrepo_c", "--quiet", place / "modular"], check=True)
    command = ("modifyrepo_c", "--mdtype=modules", place / "modules.yaml", place / "modular/repodata")
    subprocess.run(command, check=True, capture_output=True)
    return place


Resolve = Callable[[str, str], tuple[Workspace, subprocess.CompletedProcess[str]]]


@pytest.fixture
def resolve(rootful: Engine, place: Path, tmp_path: Path) -> Resolve:
    """Resolve for a target of the demo distribution with lines about modules."""
    options = (
        "-v", f"{place}/modular:/modular:ro", "-v", f"{place}/cache:/cache", "-v", f"{DEMO}:/distribution:ro",
        "-v", f"{tmp_path}:/targets:ro",
    )  # fmt: skip
    workspace = replace(workspace_at(rootful, tmp_path / "workspace"), options=options)

    def run(name: str, lines: str) -> tuple[Workspace, subprocess.CompletedProcess[str]]:
        more = '  - {id: modular, baseurl: ["file:///modular"], gpgcheck: false}\nsource_repositories:'
        text = (ROOT / f"targets/{name}.yaml").read_text().replace("source_repositories:", more)
        (tmp_path / "modular.yaml").write_text(f"{text}\n{lines}\n")
        done = workspace.stage(
            "resolver", "--spec=/input/thinks.spec", "--target=modular", "--output=/workspace/lock", "--cache=/cache",
            mounts=(f"{place}/input:/input:ro", f"{workspace.path}:/workspace"),
        )  # fmt: skip
        return workspace, done

    return run


@pytest.mark.promise(
    "3.1", "the module stream that a target chooses decides what is locked, with both package managers"
)
@pytest.mark.parametrize("name", TARGETS)
def test_the_stream_decides_what_is_locked_and_built_with(resolve: Resolve, name: str) -> None:
    for stream, version in STREAMS.items():
        workspace, done = resolve(name, f"module_streams: [demo-things:{stream}]")
        assert done.returncode == 0, done.stderr[-4000:]
        lock = join.load(workspace.path / "lock/buildroot_lock.json")
        assert [rpm.version for rpm in lock.lockfile.rpms if rpm.name == "demo-thing"] == [version]
        assert lock.sidecar is not None
        assert lock.sidecar.modules == ModuleStreams(enabled=(f"demo-things:{stream}",))
    done = workspace.fetch("--cache=/cache")
    assert done.returncode == 0, done.stderr[-4000:]
    mounts = tuple(f"{workspace.path}/{there}" for there in ("lock:/lock:ro", "repo:/repo:ro", "results:/results"))
    done = workspace.stage("builder", options=("--network=none",), mounts=mounts)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (workspace.path / "results/thinks-1-1.noarch.rpm").is_file()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_disabled_or_unknown(resolve: Resolve, name: str) -> None:
    _, done = resolve(name, "module_streams: [demo-things:newest]")
    assert done.returncode == ModuleUnknown.exit_code, done.stderr[-4000:]
    assert "No repository of the target has the module demo-things:newest." in done.stderr
    if name == TARGETS[1]:
        _, done = resolve(name, "disabled_modules: [demo-things]")
        assert done.returncode == UnsatisfiedRequirement.exit_code, done.stderr[-4000:]
