"""Bootstrap images that are not ready: completed by the resolver, locked, and completed again by the builder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import not_ready
import pytest
from other_key import OtherKey

from containers import DEMO, ROOT, Engine, Workspace, rpm_query, runner, sample, workspace_at
from hermetic_rpm import errors

BOOTSTRAP = "bootstrap-packages"
RELATIONS = "%{nevra}\\n[%{requirenevrs}\\n][%{providenevrs}\\n]"
COMPARED = pytest.mark.promise("5.3", "a changed, missing or additional file is refused before anything runs")
COMPLETED = pytest.mark.promise(
    "5.4", "the bootstrap is completed from the lock's second list, offline, and compared with it"
)
SAID = pytest.mark.promise("3.3", "an image that cannot be completed is an error that says why")


@pytest.fixture(scope="session")
def rpm_only(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return not_ready.rpm_only_image(rootful, tmp_path_factory.mktemp("rpm-only") / "work")


@pytest.fixture(scope="session")
def completed(rootful: Engine, rpm_only: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """GNU hello, resolved and fetched with an image that holds rpm only; to look at."""
    made = workspace_at(rootful, tmp_path_factory.mktemp("completed") / "workspace")
    for done in (made.resolve(sample("hello"), not_ready.target(made, rpm_only, "dnf4")), made.fetch()):
        assert done.returncode == 0, done.stderr[-4000:]
        made.log.append(done.stderr)
    return made


@pytest.fixture
def copied(completed: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, to break."""
    for name in ("lock", "repo"):
        shutil.copytree(completed.path / name, tmp_path / "workspace" / name, symlinks=True)
    (tmp_path / "workspace/results").mkdir()
    return Workspace(engine=completed.engine, path=tmp_path / "workspace")


def refused(done: subprocess.CompletedProcess[str], kind: type[errors.HermeticError], *says: str) -> None:
    assert done.returncode == kind.exit_code, done.stderr[-3000:]
    assert all(part in done.stderr for part in says), done.stderr[-3000:]
    assert "what to do: " in done.stderr


def relations(workspace: Workspace) -> list[str]:
    return sorted(rpm_query(path, RELATIONS) for path in workspace.rpms())


@COMPLETED
@pytest.mark.promise("3.3", "an image with only rpm gets dnf5")
def test_dnf5_of_an_unsigned_repository_of_its_own(
    workspace: Workspace, rpm_only: Path, tmp_path: Path, hello: Workspace
) -> None:
    repository = not_ready.dnf5_repository(tmp_path / "dnf5")
    target = not_ready.target(workspace, rpm_only, "dnf5")
    path = workspace.path / "target.yaml"
    one_more = '  - {id: dnf5, baseurl: ["file:///dnf5"], gpgcheck: false}\nbuildroot:'
    path.write_text(path.read_text().replace("buildroot:", one_more))
    workspace.options += ("-v", f"{repository}:/dnf5:ro")
    workspace.whole(sample("hello"), target)
    assert "minimal buildroot with dnf5" in workspace.log[0]
    side = json.loads((workspace.path / "lock/buildroot_lock.sources.json").read_text())
    keys = {entry["name"]: entry["key"] for entry in side["bootstrap_packages"]}
    assert keys["dnf5"] is None
    assert keys["gpg"] is not None
    assert relations(workspace) == relations(hello)


@COMPLETED
@pytest.mark.promise("3.3", "an image with only microdnf is completed, too")
def test_an_image_whose_package_manager_is_microdnf(
    workspace: Workspace, rpm_only: Path, tmp_path: Path, hello: Workspace
) -> None:
    """What it is called, and not what it can do, is what counts here: asked for anything, this one fails."""
    image = not_ready.microdnf_image(rpm_only, tmp_path / "microdnf")
    workspace.whole(sample("hello"), not_ready.target(workspace, image, "dnf4"))
    assert json.loads((workspace.path / "lock/buildroot_lock.json").read_text())["config"]["package_manager"] == "dnf4"
    side = json.loads((workspace.path / "lock/buildroot_lock.sources.json").read_text())
    names = {entry["name"] for entry in side["bootstrap_packages"]}
    assert "python3-dnf" in names
    assert "microdnf" not in names
    assert relations(workspace) == relations(hello)


@COMPLETED
@pytest.mark.promise("3.3", "an image with only rpm gets its package manager first, locked as a second list")
def test_the_rpms_are_those_of_a_ready_image(copied: Workspace, hello: Workspace) -> None:
    done = copied.build(sample("hello"))
    assert done.returncode == 0, done.stderr[-4000:]
    assert relations(copied) == relations(hello)
    assert len(copied.rpms()) == 3


@pytest.mark.promise("3.3", "the builddep plugin is not needed")
@pytest.mark.promise("3.3", "an image with only rpm gets its package manager first, locked as a second list")
def test_the_second_list_is_in_the_sidecar_and_beside_the_repository(completed: Workspace) -> None:
    lock = json.loads((completed.path / "lock/buildroot_lock.json").read_text())
    side = json.loads((completed.path / "lock/buildroot_lock.sources.json").read_text())
    more = {entry["name"]: entry for entry in side["bootstrap_packages"]}
    assert {"python3-dnf", "libsolv1"} <= more.keys()
    assert not more.keys() & set(not_ready.RPM_ONLY)
    assert not any("plugins" in name for name in more)
    assert lock["config"]["bootstrap_image_ready"] is False
    assert more["python3-dnf"]["key"] == next(entry["key"] for entry in side["rpms"] if entry["key"] is not None)
    files = {path.name for path in (completed.path / "repo" / BOOTSTRAP).iterdir()}
    assert len(files) == len(more)
    packages = {path.name for path in (completed.path / "repo").glob("*.rpm")}
    assert len(packages) == len(lock["buildroot"]["rpms"])
    assert not any(name.startswith("python3-dnf") for name in packages)
    sbom = json.loads((completed.path / "repo/sbom.cdx.json").read_text())
    assert "python3-dnf" in {component["name"] for component in sbom["components"]}


@pytest.mark.promise("3.5", "two runs give the same bytes of lockfile and sidecar")
def test_resolving_again_takes_the_packages_from_the_cache(completed: Workspace, copied: Workspace) -> None:
    shutil.copytree(completed.path / "cache", copied.path / "cache", symlinks=True)
    shutil.copy(completed.path / "target.yaml", copied.path)
    copied.options = completed.options
    done = copied.resolve(sample("hello"), "/workspace/target.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    for name in ("buildroot_lock.json", "buildroot_lock.sources.json"):
        assert (copied.path / "lock" / name).read_bytes() == (completed.path / "lock" / name).read_bytes()
    assert "$ dnf " in (completed.path / "lock/resolver.log").read_text()
    assert "$ dnf " not in (copied.path / "lock/resolver.log").read_text()


def test_the_commands_of_the_host_know_the_second_list(completed: Workspace) -> None:
    lockfile = completed.path / "lock/buildroot_lock.json"
    environment = completed.engine.environment
    assert runner("lock", "check", lockfile, environment=environment).returncode == 0
    shown = runner("lock", "show", "--format", "json", lockfile, environment=environment)
    assert "python3-dnf" in {entry["name"] for entry in json.loads(shown.stdout)["bootstrap_packages"]}
    archive = completed.path.parent / "packed.tar"
    packed = runner(
        "pack", archive, "--without-images", "--workspace", completed.path, "--srpm", sample("hello"),
        "--pipeline", ROOT / "pipeline.yaml", environment=environment,
    )  # fmt: skip
    assert packed.returncode == 0, packed.stderr
    unpacked = completed.path.parent / "unpacked"
    done = runner("unpack", archive, unpacked, environment=environment)
    assert done.returncode == 0, done.stderr
    there, here = (sorted(path.name for path in (root / "repo" / BOOTSTRAP).iterdir())
                   for root in (unpacked, completed.path))  # fmt: skip
    assert there == here


@COMPARED
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda path: path.unlink(), errors.RepositoryIncomplete),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), errors.RepositoryAltered),
        (lambda path: shutil.copy(path, path.with_name("evil-1-1.noarch.rpm")), errors.RepositoryExtraFile),
    ],
)
def test_a_change_of_the_second_list_is_refused(
    copied: Workspace, change: Callable[[Path], object], kind: type[errors.HermeticError]
) -> None:
    change(next((copied.path / "repo" / BOOTSTRAP).glob("python3-dnf-*.rpm")))
    refused(copied.build(sample("hello")), kind, BOOTSTRAP)


@COMPLETED
def test_a_bootstrap_that_becomes_something_else_is_refused(copied: Workspace) -> None:
    path = copied.path / "lock/buildroot_lock.sources.json"
    side = json.loads(path.read_text())
    next(entry for entry in side["bootstrap_packages"] if entry["name"] == "dnf")["license"] = "MIT"
    path.write_text(json.dumps(side))
    refused(copied.build(sample("hello")), errors.BootstrapMismatch, "dnf-4.", "another signature, licence or sigmd5")


def test_the_fetcher_mends_the_second_list_and_drops_what_is_not_in_it(copied: Workspace) -> None:
    directory = copied.path / "repo" / BOOTSTRAP
    lost = next(directory.glob("python3-dnf-*.rpm"))
    lost.unlink()
    (directory / "old-1-1.noarch.rpm").write_text("old")
    (copied.path / "cache").mkdir()
    done = copied.fetch()
    assert done.returncode == 0, done.stderr[-3000:]
    assert lost.is_file()
    assert not (directory / "old-1-1.noarch.rpm").exists()


@pytest.mark.promise("3.2", "dnf 4 under the name yum resolves, end to end")
@pytest.mark.promise("3.2", "the package manager is detected in the image, not by its path")
def test_yum_is_dnf_4_by_that_name_rootless_too(rootless: Engine, rpm_only: Path) -> None:
    place = rootless.home / "yum"
    shutil.copytree(rpm_only, place / "image")
    workspace = workspace_at(rootless, place / "workspace")
    target = not_ready.target(workspace, place / "image", "yum")
    for path in (place, *place.rglob("*")):
        shutil.chown(path, rootless.home.owner(), rootless.home.group())
    workspace.whole(sample("hello"), target)
    lock = json.loads((workspace.path / "lock/buildroot_lock.json").read_text())
    assert lock["config"]["package_manager"] == "yum"
    assert "minimal buildroot with yum" in workspace.log[0]
    assert len(workspace.rpms()) == 3


@SAID
def test_a_package_manager_that_no_repository_has(workspace: Workspace, rpm_only: Path) -> None:
    done = workspace.resolve(sample("hello"), not_ready.target(workspace, rpm_only, "dnf5"))
    refused(done, errors.BootstrapIncomplete, "/usr/bin/dnf5 cannot be installed into the image")
    assert list((workspace.path / "lock").glob("*.json")) == [workspace.path / "lock/result.json"]


@SAID
def test_an_image_without_rpm(workspace: Workspace, tmp_path: Path) -> None:
    image = not_ready.empty_image(tmp_path / "work")
    done = workspace.resolve(sample("hello"), not_ready.target(workspace, image, "dnf4"))
    refused(done, errors.PackageManagerMissing, "nor an rpm")


@pytest.mark.promise("3.3", "what completes an image is signed as its repository demands")
def test_packages_signed_by_another_key_are_not_installed(
    workspace: Workspace, rpm_only: Path, other_key: OtherKey
) -> None:  # fmt: skip
    (workspace.path / "other.asc").write_text(other_key.certificate)
    target = not_ready.target(workspace, rpm_only, "dnf4", key="file:///workspace/other.asc")
    done = workspace.resolve(sample("hello"), target)
    refused(done, errors.PackageManagerFailed, "is not signed as demo demands")
    assert "$ rpm --upgrade" not in (workspace.path / "lock/resolver.log").read_text()


@pytest.mark.promise("3.6", "repo_gpgcheck is honoured")
@pytest.mark.parametrize("altered", [False, True])
def test_the_signature_of_the_metadata_counts_for_the_bootstrap_too(
    workspace: Workspace, rpm_only: Path, other_key: OtherKey, tmp_path: Path, *, altered: bool
) -> None:
    target = not_ready.target(workspace, rpm_only, "dnf4")
    path = workspace.path / "target.yaml"
    text = (
        path.read_text()
        .replace("/distribution/repo", "/signed")
        .replace("gpgkey: [", "repo_gpgcheck: true\n    gpgkey: [")
    )
    path.write_text(text.replace("RPM-GPG-KEY-demo", 'RPM-GPG-KEY-demo", "file:///workspace/other.asc'))
    (workspace.path / "other.asc").write_text(other_key.certificate)
    shutil.copytree(DEMO / "repo", tmp_path / "signed")
    index = tmp_path / "signed/repodata/repomd.xml"
    other_key.sign(index)
    if altered:
        index.write_text(index.read_text() + "\n")
    workspace.options += ("-v", f"{tmp_path / 'signed'}:/signed:ro")
    done = workspace.resolve(sample("hello"), target)
    if altered:
        refused(done, errors.RepositoryUnavailable, "The repository demo cannot be read")
    else:
        assert done.returncode == 0, done.stderr[-3000:]
