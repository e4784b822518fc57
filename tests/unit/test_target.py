"""Target files: found, checked with the place of every mistake, completed with defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.errors import TargetInvalid, TargetUnknown
from hermetic_rpm.target.load import find, load, parse
from hermetic_rpm.target.model import Target

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
version: 1
architecture: x86_64
image:
  reference: registry.example.com/bootstrap:latest
package_manager: dnf5
repositories:
  - id: os
    baseurl: ["https://a.example.com/os"]
    gpgcheck: true
    gpgkey: ["https://a.example.com/KEY"]
buildroot: ["@buildsys-build"]
"""


def target(text: str = GOOD) -> Target:
    return parse(text.encode(), name="demo", place="demo.yaml")


def test_a_target_needs_little() -> None:
    found = target()
    assert found.image_locations == ("docker://registry.example.com/bootstrap:latest",)
    assert found.legal_host_arches == ("x86_64",)
    assert found.repositories[0].name == "os"
    assert ("%_buildhost", "hermetic-rpm") in found.macros


def test_a_target_s_macros_join_those_of_every_build() -> None:
    found = dict(
        target(GOOD + 'macros: {"%dist": ".el9", "%_topdir": /elsewhere}\nbuildhost: builder.example.com\n').macros
    )
    assert found["%dist"] == ".el9"
    assert found["%_topdir"] == "/elsewhere"
    assert found["%_buildhost"] == "builder.example.com"
    assert found["%_platform_multiplier"] == 1


def test_the_targets_of_the_project_are_valid() -> None:
    names = sorted(path.stem for path in (ROOT / "targets").glob("*.yaml"))
    assert [load(find(name, ROOT / "targets")).name for name in names] == names
    assert {"demo-dnf4-x86_64", "demo-dnf5-x86_64"} <= set(names)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("package_manager: dnf5", "package_manager: dnf6", "demo.yaml:5:1: package_manager: 'dnf6' is not one of"),
        ("package_manager: dnf5", "package_manager: dnf6", "(did you mean dnf5?)"),
        ("architecture: x86_64", "archtecture: x86_64", "unknown 'archtecture' (did you mean architecture?)"),
        ("    gpgcheck: true", "    gpgcheck: yes please", "demo.yaml:9:5: repositories[0].gpgcheck: 'yes please'"),
        ("https://a.example.com/os", "gopher://a", "demo.yaml:8:15: repositories[0].baseurl[0]: "),
        ("version: 1", "version: 7", "demo.yaml:1:1: version: 1 was expected"),
        ("reference: registry.example.com/bootstrap:latest", "reference: --all", "demo.yaml:4:3: image.reference: "),
        ('["@buildsys-build"]', '["--installroot=/"]', "buildroot[0]"),
        ("version: 1", "version: [1", "demo.yaml:"),
        ("version: 1", "version: 1\nversion: 1", "demo.yaml:2:1: found duplicate key"),
    ],
)
def test_a_mistake_is_told_with_line_and_column(old: str, new: str, message: str) -> None:
    with pytest.raises(TargetInvalid) as caught:
        target(GOOD.replace(old, new, 1))
    assert message in caught.value.reason


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("dnf5", "dnf6").replace("gpgcheck: true", "gpgcheck: 1").replace("version: 1", "version: 2")
    with pytest.raises(TargetInvalid) as caught:
        target(text)
    assert len(caught.value.reason.splitlines()) == 4


def test_a_signed_repository_without_a_key_is_refused() -> None:
    with pytest.raises(TargetInvalid, match="os has gpgcheck on but names no gpgkey"):
        target(GOOD.replace('    gpgkey: ["https://a.example.com/KEY"]\n', ""))


def test_two_repositories_of_one_id_are_refused() -> None:
    block = GOOD[GOOD.index("  - id: os") : GOOD.index("buildroot:")]
    with pytest.raises(TargetInvalid, match="two repositories have one id"):
        target(GOOD.replace("buildroot:", block + "buildroot:"))


SOURCES = """\
source_repositories:
  - id: os-source
    baseurl: ["https://a.example.com/source"]
    gpgcheck: false
"""


def test_repositories_of_source_rpms_are_apart_from_those_of_packages() -> None:
    found = target(GOOD + SOURCES)
    assert [repository.id for repository in found.repositories] == ["os"]
    assert [repository.id for repository in found.every_repository] == ["os", "os-source"]
    assert target().source_repositories == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCES.replace("os-source", "os"), "two repositories have one id"),
        (SOURCES.replace("false", "true"), "os-source has gpgcheck on but names no gpgkey"),
        (SOURCES.replace("https://", "https://me:secret@"), "with a variable or a password"),
        (SOURCES + "    priority: 1\n", "unknown 'priority'"),
    ],
)
def test_a_mistake_in_a_repository_of_source_rpms_is_told(text: str, message: str) -> None:
    with pytest.raises(TargetInvalid) as caught:
        target(GOOD + text)
    assert message in caught.value.reason


@pytest.mark.parametrize("text", ["", "[]", "just text", "- 1\n- 2", "\x00", "!!python/object/apply:os.system ['id']"])
def test_what_is_no_target_at_all_is_refused(text: str) -> None:
    with pytest.raises(TargetInvalid):
        target(text)


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(TargetInvalid, match="not UTF-8"):
        parse(b"version: \xff", name="demo", place="demo.yaml")


def test_a_target_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    (tmp_path / "fedora.yaml").write_text(GOOD)
    assert find("fedora", tmp_path) == tmp_path / "fedora.yaml"
    assert find(str(tmp_path / "fedora.yaml"), Path("/nowhere")) == tmp_path / "fedora.yaml"


def test_an_unknown_target_names_the_known_ones_and_the_nearest(tmp_path: Path) -> None:
    for name in ("fedora-42-x86_64", "epel-9-x86_64"):
        (tmp_path / f"{name}.yaml").touch()
    with pytest.raises(TargetUnknown) as caught:
        find("fedora-42-x8664", tmp_path)
    assert "epel-9-x86_64, fedora-42-x86_64" in caught.value.reason
    assert caught.value.reason.endswith("Did you mean fedora-42-x86_64?")


def test_a_missing_target_file_or_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TargetUnknown, match="no target file"):
        find("./nothing.yaml", tmp_path)
    with pytest.raises(TargetUnknown, match="among none"):
        find("anything", tmp_path / "missing")
