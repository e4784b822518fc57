"""Whose signature a package of a repository must have, and which one is recorded."""

from __future__ import annotations

import pytest
import yaml
from other_key import OtherKey

from containers import DEMO, ROOT, TARGETS, Workspace, rpm_query, sample
from hermetic_rpm import errors
from hermetic_rpm.lock.join import load

REFUSED = pytest.mark.promise("3.6", "a wrong or missing key of a repository is refused")
SIGNATURES = "%{RSAHEADER:pgpsig}|%{SIGPGP:pgpsig}"


def target_with_key(workspace: Workspace, target: str, key: str) -> str:
    """Write the target with another key; returns its path as the resolver sees it."""
    data = yaml.safe_load((ROOT / f"targets/{target}.yaml").read_text())
    data["repositories"][0]["gpgkey"] = [key]
    (workspace.path / "target.yaml").write_text(yaml.safe_dump(data))
    return "/workspace/target.yaml"


def refused(workspace: Workspace, target: str, kind: type[errors.HermeticError], says: str) -> None:
    done = workspace.resolve(sample("demo-oddities-user"), target)
    assert done.returncode == kind.exit_code, done.stderr[-3000:]
    assert says in done.stderr
    assert not (workspace.path / "lock/buildroot_lock.json").exists()


@REFUSED
@pytest.mark.parametrize("target", TARGETS)
def test_packages_that_another_key_signed_are_refused(
    workspace: Workspace, other_key: OtherKey, target: str
) -> None:  # fmt: skip
    (workspace.path / "other.asc").write_text(other_key.certificate)
    given = target_with_key(workspace, target, "file:///workspace/other.asc")
    refused(workspace, given, errors.PackageManagerFailed, "A package is not signed as the target demands.")
    (workspace.path / "other.asc").write_bytes((DEMO / "keys/RPM-GPG-KEY-demo").read_bytes())
    assert workspace.resolve(sample("demo-oddities-user"), given).returncode == 0


@REFUSED
def test_a_key_that_is_not_there_is_named(workspace: Workspace) -> None:
    given = target_with_key(workspace, TARGETS[0], "file:///workspace/nowhere.asc")
    refused(workspace, given, errors.RepositoryUnavailable, "file:///workspace/nowhere.asc")


@pytest.mark.promise("3.8", "the minimal buildroot is kept by image, target and repository metadata")
@pytest.mark.promise("3.6", "the key of header-only signatures is recorded")
def test_the_key_of_a_signature_of_the_header_alone_is_recorded_from_the_cache_too(warm: Workspace) -> None:
    done = warm.resolve(sample("demo-oddities-user"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "minimal buildroot from the cache" in done.stderr
    sidecar = load(warm.path / "lock/buildroot_lock.json").sidecar
    assert sidecar is not None
    packages = {rpm.location.rpartition("/")[2]: rpm.key for rpm in sidecar.rpms}
    (name,) = (name for name in packages if name.startswith("demo-header-signed-"))
    of_header, of_both = rpm_query(DEMO / "repo/Packages" / name, SIGNATURES).split("|")
    assert of_both == "(none)"
    assert packages[name] is not None
    assert of_header.endswith(packages[name][-16:])
