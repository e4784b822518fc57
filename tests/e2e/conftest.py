"""Real stage images in real podman, as root and as an ordinary user, on the demo distribution."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from other_key import OtherKey

from containers import DEMO, IMAGES, ROOT, Engine, Workspace, host_environment, quick_srpm, sample, workspace_at

USER = "hermetic-e2e"

ATTACK = """
Name: attack
Version: 1
Release: 1
Summary: Attacks
License: MIT
BuildArch: noarch
{preamble}
%description
Attacks.
%prep
{prep}
%build
{build}
%install
mkdir -p %{{buildroot}}/usr/share/attack
date -u -d @0 > %{{buildroot}}/usr/share/attack/date
{install}
%files
/usr/share/attack
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this directory is end-to-end."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def rootful() -> Engine:
    engine = Engine(name="rootful", prefix=(), environment=host_environment(), home=ROOT)
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for image in IMAGES:
        if engine.run("podman", "image", "exists", image).returncode != 0:
            pytest.fail(f"{image} is missing: run `make images`")
    if not (DEMO / "stamp").is_file():
        pytest.fail("the demo distribution is missing: run `make demo`")
    return engine


def _rootless_settings(text: str) -> str:
    """On a host whose /dev/net/tun is closed to users there is no rootless bridge: use the host's network there."""
    tun = Path("/dev/net/tun")
    if tun.exists() and tun.stat().st_mode & 0o006 == 0o006:
        return text
    return text.replace("[containers]", '[containers]\nnetns = "host"', 1)


def _remove_left() -> None:
    """Remove the users of workers that were killed before they could."""
    for user in pwd.getpwall():
        name, _, worker = user.pw_name.rpartition("-")
        if name == USER and not Path("/proc", worker).exists():
            shutil.rmtree(user.pw_dir, ignore_errors=True)
            subprocess.run(["userdel", user.pw_name], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def rootless(rootful: Engine) -> Iterator[Engine]:
    """An ordinary user of this host, made for this worker, with the images in a storage of its own."""
    _remove_left()
    name = f"{USER}-{os.getpid()}"
    home = Path(tempfile.mkdtemp(dir="/var/tmp", prefix=f"{USER}-"))
    subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--shell", "/bin/bash", name], check=True)
    user = pwd.getpwnam(name)
    try:
        (home / "run").mkdir()
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "LANG": "C.UTF-8",
        }  # fmt: skip
        if conf := rootful.environment.get("CONTAINERS_CONF"):
            environment["CONTAINERS_CONF"] = str(home / "containers.conf")
            (home / "containers.conf").write_text(_rootless_settings(Path(conf).read_text()))
        for path in (home, *home.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
            path.chmod(0o700 if path.name == "run" else 0o755)
        ids = ("--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups")
        engine = Engine(name="rootless", prefix=("setpriv", *ids), environment=environment, home=home)
        archive = home / "images.tar"
        rootful.run("podman", "save", "--quiet", "--multi-image-archive", "--output", archive, *IMAGES, check=True)
        archive.chmod(0o644)
        engine.run("podman", "load", "--quiet", "--input", archive, check=True)
        archive.unlink()
        yield engine
    finally:
        for command in ("rm --all --force", "system migrate"):  # the latter ends podman's pause process
            engine.run("podman", *command.split())
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run(["userdel", name], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture
def workspace(rootful: Engine, tmp_path: Path) -> Workspace:
    return workspace_at(rootful, tmp_path / "workspace")


@pytest.fixture
def warm(workspace: Workspace, hello: Workspace) -> Workspace:
    """A workspace for the first target whose cache has the bootstrap and the minimal buildroot already."""
    workspace.take_cache(hello)
    return workspace


@pytest.fixture(scope="session")
def hello(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """GNU hello, built once for all tests that only look at what came out."""
    made = workspace_at(rootful, tmp_path_factory.mktemp("hello") / "workspace")
    replace(made, scratch=()).whole(sample("hello"))  # on disk, as the README has it
    return made


@pytest.fixture(scope="session")
def built(rootful: Engine, hello: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Workspace]:
    """Samples of the demo distribution, each built once for all tests that only look at what came out."""
    made = {"hello": hello}

    def whole(name: str) -> Workspace:
        if name not in made:
            workspace = workspace_at(rootful, tmp_path_factory.mktemp(name) / "workspace")
            workspace.take_cache(hello)
            workspace.whole(sample(name))
            made[name] = workspace
        return made[name]

    return whole


@pytest.fixture(scope="session")
def quick(rootful: Engine, hello: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A source RPM that builds in no time, `QUICK` in the workspace itself, and what came out; only to look at."""
    made = workspace_at(rootful, tmp_path_factory.mktemp("quick") / "workspace")
    made.take_cache(hello)
    made.whole(quick_srpm(made.path))
    return made


@pytest.fixture
def hello_copy(hello: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the built workspace of hello, to break."""
    for name in ("lock", "repo", "results"):
        shutil.copytree(hello.path / name, tmp_path / "workspace" / name, symlinks=True)
    return Workspace(engine=hello.engine, path=tmp_path / "workspace")


@pytest.fixture
def readable() -> Iterator[Path]:
    """A directory that every user of the host may read, as pytest's own may not be."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hermetic-attack-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def attack(tmp_path: Path, readable: Path) -> Callable[..., Path]:
    """Make a source RPM whose spec has the given lines."""

    def make(*, preamble: str = "", prep: str = "", build: str = "", install: str = "") -> Path:
        spec = tmp_path / "attack.spec"
        spec.write_text(ATTACK.format(preamble=preamble, prep=prep, build=build, install=install))
        subprocess.run(
            ["rpmbuild", "-bs", "--quiet", "--define", f"_topdir {tmp_path}/top", spec], check=True, capture_output=True
        )
        return Path(shutil.copy(next((tmp_path / "top/SRPMS").glob("*.src.rpm")), readable))

    return make


@pytest.fixture
def other_key() -> Iterator[OtherKey]:
    with tempfile.TemporaryDirectory(prefix="other-key-") as home:  # gpg's agent wants a short path
        key = OtherKey(home=Path(home))
        try:
            key.gpg("--quick-generate-key", "other@example.com", "rsa2048", "sign", "never")
            yield key
        finally:
            subprocess.run(("gpgconf", "--homedir", home, "--kill", "all"), check=False)
