"""The second list of a lock: the packages that complete a bootstrap image which is not ready."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hermetic_rpm import sbom
from hermetic_rpm.buildroot import completion
from hermetic_rpm.errors import BootstrapIncomplete, LockInvalid, LockMismatch, PackageManagerFailed, PolicyViolated
from hermetic_rpm.lock import check, join, sidecar
from hermetic_rpm.lock.diff import difference
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX, expected_names
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import parse
from hermetic_rpm.progress import Progress
from hermetic_rpm.rpmfile import Header
from hermetic_rpm.runner import lock_diff, lock_show
from hermetic_rpm.runner.cli import cli
from hermetic_rpm.target.model import Repository
from stages.fetcher import sources
from stages.resolver import bootstrap_packages, package_manager
from tests.support import buildroots
from tests.support.buildroots import BASE, row


def entry(name: str = "dnf5", **changes: Any) -> dict[str, Any]:
    """An entry of the second list."""
    facts: dict[str, Any] = {"sha256": "5" * 64, "size": 20, "source": f"{name}-5.2-1.fc40.src.rpm"}
    values = row(name, **(facts | changes))
    del values["url"]
    return values


def write(directory: Path, *entries: dict[str, Any], ready: bool = False) -> Path:
    """The files of a lock with these entries beside one package, make."""

    def edit(lock: Any, side: Any) -> None:
        lock["config"]["bootstrap_image_ready"] = ready
        side["schema_version"] = "1.3.0"
        side["bootstrap_packages"] = list(entries)

    return buildroots.write(directory, (row("make"),), edit=edit)


def load(directory: Path, *entries: dict[str, Any]) -> Lock:
    return join.load(write(directory, *(entries or (entry(),))))


def test_it_is_the_same_bytes_after_reading_it(tmp_path: Path) -> None:
    lock = load(tmp_path)
    assert lock.sidecar is not None
    content = sidecar.render(lock.sidecar)
    assert sidecar.render(sidecar.parse(content)) == content
    assert json.loads(content)["bootstrap_packages"] == [entry()]


def test_its_files_lie_beside_the_packages_and_not_among_them(tmp_path: Path) -> None:
    lock = load(tmp_path, entry(), entry("make"))
    assert [package.file_name for package in lock.packages] == ["make-5.2-1.fc40.x86_64.rpm"]
    assert [package.file_name for package in lock.bootstrap_packages] == [
        "bootstrap-packages/dnf5-5.2-1.fc40.x86_64.rpm", "bootstrap-packages/make-5.2-1.fc40.x86_64.rpm",
    ]  # fmt: skip
    assert lock.every_package == (*lock.packages, *lock.bootstrap_packages)
    assert {"bootstrap-packages", "make-5.2-1.fc40.x86_64.rpm"} <= expected_names(lock)
    assert sources.urls(lock, lock.bootstrap_packages[0]) == (f"{BASE}/Packages/dnf5-5.2-1.fc40.x86_64.rpm",)


def test_an_image_is_ready_or_completed_but_not_both(tmp_path: Path) -> None:
    path = write(tmp_path, entry(), ready=True)
    with pytest.raises(LockMismatch, match="the lockfile calls ready"):
        join.load(path)
    assert [problem.error for problem in check.problems(path)] == [LockMismatch]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((entry(), entry(epoch="0")), "dnf5-0:5.2-1.fc40.x86_64 is already bootstrap_packages[0]"),
        ((entry(repository="elsewhere"),), "no repository 'elsewhere' is described"),
        ((entry(location="Packages/dnf5.txt"),), "ends in no usable file name"),
        ((entry(sha256="x"),), "sha256"),
        ((entry(sigmd5=None),), "sigmd5"),
        ((), "bootstrap_packages"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place(tmp_path: Path, entries: Any, said: str) -> None:
    path = write(tmp_path, *entries)
    assert any(said in problem.text and "bootstrap_packages" in problem.text for problem in check.problems(path))
    with pytest.raises(LockInvalid):
        join.load(path)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("denied: [{package: dnf5, reason: too new}]", "denied: dnf5 is denied: too new"),
        ("licences: {deny: [MIT]}", "licences: MIT is denied"),
        (f"signing_keys: [{'a' * 40}]", "which is not allowed"),
        (f"origins: [{BASE}/Other/]", "is not allowed"),
    ],
)
@pytest.mark.promise("4.8", "a lock that breaks a rule of the policy is refused, with the rule and the package")
def test_the_policy_looks_at_it_too(tmp_path: Path, policy: str, said: str) -> None:
    path = write(tmp_path, entry())
    rules = parse(f"version: 1\n{policy}\n".encode(), "policy.yaml")
    with pytest.raises(PolicyViolated) as refused:
        gate.enforce(rules, join.load(path), path)
    assert said in refused.value.reason
    assert "dnf5-5.2-1.fc40.x86_64" in refused.value.reason


def test_a_difference_is_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = load(tmp_path / "one"), load(tmp_path / "two", entry(version="5.3"))
    found = difference(one, two)
    assert [setting.place for setting in found.settings] == [
        "bootstrap_packages[dnf5-5.2-1.fc40.x86_64]", "bootstrap_packages[dnf5-5.3-1.fc40.x86_64]",
    ]  # fmt: skip
    assert "image (2)" in list(lock_diff.text(found, one, two))


def test_the_totals_count_it(tmp_path: Path) -> None:
    lock = load(tmp_path)
    assert "for the bootstrap image: 1 more, 20 B" in list(lock_show.text(lock, width=200))
    assert [found["name"] for found in lock_show.document(lock)["bootstrap_packages"]] == ["dnf5"]


def test_an_export_says_that_it_leaves_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, entry())
    done = CliRunner().invoke(cli, ["lock", "export", "--format", "hermeto", str(path)], obj=Progress(stage="test"))
    assert done.exit_code == 0, done.output
    assert "the packages that complete the bootstrap image are left out" in capsys.readouterr().err
    assert "dnf5" not in done.stdout


def test_the_sboms_tell_of_it_as_tools_of_the_build(tmp_path: Path) -> None:
    lock = load(tmp_path, entry(), entry("make"))
    documents = {name: json.loads(content) for name, content in sbom.documents(lock).items()}
    depends = {found["ref"]: found.get("dependsOn", []) for found in documents[CYCLONEDX]["dependencies"]}
    tool = next(ref for ref in depends if ref.startswith("pkg:rpm/dnf5@"))
    image = next(ref for ref in depends if ref.startswith("pkg:oci/"))
    assert depends[image] == [tool]
    assert tool not in depends["buildroot"]
    names = [found["name"] for found in documents[SPDX]["packages"]]
    assert (names.count("dnf5"), names.count("make")) == (1, 1)
    relations = {
        (found["spdxElementId"].rpartition("-")[0], found["relationshipType"])
        for found in documents[SPDX]["relationships"]
    }
    assert ("SPDXRef-Package-dnf5-5.2-1.fc40.x86-64", "BUILD_TOOL_OF") in relations


def test_rpm_gets_exactly_the_files_of_the_list() -> None:
    argv = completion.command(["a.rpm", "b.rpm"])
    assert argv[-3:] == ("--", "/hermetic-rpm-packages/a.rpm", "/hermetic-rpm-packages/b.rpm")
    assert argv[:2] == ("rpm", "--upgrade")


@pytest.mark.promise("3.3", "what completes an image is signed as its repository demands")
def test_a_signature_is_demanded_as_the_repository_says() -> None:
    unsigned = Header(path="/downloads/dnf5.rpm", name="dnf5")
    for gpgcheck in (True, False):
        repository = Repository(
            id="os", name="os", baseurl=(BASE,), gpgcheck=gpgcheck, repo_gpgcheck=False, gpgkey=("file:///key",),
            priority=None, cost=None, exclude=(),
        )  # fmt: skip
        if gpgcheck:
            with pytest.raises(PackageManagerFailed, match=r"dnf5\.rpm is not signed as os demands: signed by nobody"):
                bootstrap_packages.check_signature(unsigned, repository)
        else:
            bootstrap_packages.check_signature(unsigned, repository)


def test_a_package_manager_that_nobody_offers_is_no_build_requirement() -> None:
    error = bootstrap_packages.explain(("No match for argument: /usr/bin/dnf5",), "/usr/bin/dnf5")
    assert isinstance(error, BootstrapIncomplete)
    assert "No repository of the target provides /usr/bin/dnf5" in error.reason


@pytest.mark.promise("3.2", "the package manager is detected in the image, not by its path")
@pytest.mark.parametrize(
    ("answer", "flavour"),
    [
        ("dnf5 version 5.4.6.0\ndnf5 plugin API version 2.0\n", "dnf5"),
        ("4.14.0\n  Installed: dnf-0:4.14.0-1.fc37.noarch\n", "dnf4"),
        ("3.4.3\n  Installed: rpm-4.11.3-48.el7_9.x86_64\n", None),
        ("", None),
    ],
)
def test_what_a_program_answers_tells_what_it_is(answer: str, flavour: str | None) -> None:
    found = [name for name, version in package_manager.VERSIONS.items() if version.match(answer)]
    assert found == ([flavour] if flavour else [])
