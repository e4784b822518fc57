"""Target files: found, checked with the place of every mistake, completed with defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hermetic_rpm.errors import TargetInvalid, TargetUnknown, TargetUnsupported
from hermetic_rpm.target.check import warnings
from hermetic_rpm.target.load import files, find, load, parse, read
from hermetic_rpm.target.model import Origin, Target
from hermetic_rpm.target.support import require, unsupported

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
    with pytest.raises(TargetInvalid, match=r"demo.yaml:11:5: repositories\[1\].id: two repositories have one id"):
        target(GOOD.replace("buildroot:", block + "buildroot:"))


FULL = (
    GOOD.replace(
        """    baseurl: ["https://a.example.com/os"]
""",
        """    metalink: https://a.example.com/metalink?repo=os&arch=x86_64
    mirrorlist: https://a.example.com/mirrors
    client_certificate: customer
    proxy: http://proxy.example.com:3128
    options: {module_hotfixes: true, timeout: 5}
""",
    ).replace("bootstrap:latest", "bootstrap:latest\n  ready: false")
    + """options: {install_weak_deps: true, ip_resolve: "4", retries: 3}
module_streams: ["nodejs:18"]
origin: {mock_config: demo-1-x86_64, from: "https://example.com/configs@0123"}
"""
)


def test_a_target_may_say_all_that_a_dnf_configuration_says() -> None:
    found = target(FULL)
    repository = found.repositories[0]
    assert repository.baseurl == ()
    assert repository.metalink == "https://a.example.com/metalink?repo=os&arch=x86_64"
    assert repository.mirrorlist == "https://a.example.com/mirrors"
    assert (repository.client_certificate, repository.proxy) == ("customer", "http://proxy.example.com:3128")
    assert repository.options == (("module_hotfixes", True), ("timeout", 5))
    assert found.options == (("install_weak_deps", True), ("ip_resolve", "4"), ("retries", 3))
    assert found.module_streams == ("nodejs:18",)
    assert found.origin == Origin(mock_config="demo-1-x86_64", place="https://example.com/configs@0123")
    assert (found.image_ready, target().image_ready) == (False, None)


@pytest.mark.promise("3.1", "every mistake in a target file is told with its place")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("retries", "retires", "demo.yaml:17:1: options: unknown 'retires' (did you mean retries?)"),
        ("module_hotfixes", "best", "demo.yaml:13:5: repositories[0].options: unknown 'best'"),
        ("timeout: 5", "timeout: soon", "repositories[0].options.timeout: 'soon' is not of type 'integer'"),
        ("customer", "/etc/pki/customer.pem", "demo.yaml:11:5: repositories[0].client_certificate: "),
        ("http://proxy.", "http://me:secret@proxy.", "demo.yaml:12:5: repositories[0].proxy: this is an address with"),
        ("repo=os", "repo=$releasever", "demo.yaml:9:5: repositories[0].metalink: this is an address with a variable"),
        ("nodejs:18", "nodejs", "demo.yaml:18:18: module_streams[0]: "),
        ('"nodejs:18"', '"a:1", "a:2"', "demo.yaml:18:25: module_streams[1]: of the module a something else is said"),
        ("mirrorlist: https://a.example.com/", "mirrorlist: https://[::1/", "repositories[0].mirrorlist: this is an "),
    ],
)
def test_a_mistake_in_what_dnf_is_told_has_its_place(old: str, new: str, message: str) -> None:
    with pytest.raises(TargetInvalid) as caught:
        target(FULL.replace(old, new, 1))
    assert message in caught.value.reason


@pytest.mark.promise("3.1", "every mistake in a target file is told with its place")
def test_mistakes_beyond_the_schema_are_told_at_once() -> None:
    text = GOOD.replace('    baseurl: ["https://a.example.com/os"]\n', "    repo_gpgcheck: true\n")
    with pytest.raises(TargetInvalid) as caught:
        target(text.replace('    gpgkey: ["https://a.example.com/KEY"]\n', ""))
    unsigned = "on but names no gpgkey, a key that its signatures are of"
    assert [line.strip() for line in caught.value.reason.splitlines()[1:]] == [
        "demo.yaml:7:5: repositories[0]: repository os names no baseurl, mirrorlist or metalink",
        f"demo.yaml:9:5: repositories[0].gpgcheck: repository os has gpgcheck {unsigned}",
        f"demo.yaml:8:5: repositories[0].repo_gpgcheck: repository os has repo_gpgcheck {unsigned}",
    ]


REFUSED = pytest.mark.promise("3.1", "what a target says and the resolver does not do yet is refused, never left out")


@REFUSED
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GOOD, ()),
        (FULL, ()),
        (FULL.replace("proxy: http:", "proxy: socks5:"), ("proxy other than http://HOST:PORT (os)",)),
        (GOOD.replace("dnf5", "yum3"), ("package_manager yum3",)),
        (
            GOOD[: GOOD.index("repositories:")] + "repositories: []\nbuildroot: []\n",
            ("no repositories", "no packages in buildroot"),
        ),
    ],
)
def test_what_the_resolver_does_not_do_yet_is_named(text: str, found: tuple[str, ...]) -> None:
    assert unsupported(target(text)) == found


@REFUSED
def test_a_target_that_is_not_supported_is_refused() -> None:
    require(target())
    with pytest.raises(
        TargetUnsupported, match=r"not supported yet by the resolver: proxy other than http://HOST:PORT \(os\)"
    ):
        require(target(FULL.replace("proxy: http:", "proxy: socks5:")))


def test_what_is_unwise_is_warned_of_with_its_place() -> None:
    text = GOOD.replace("https://a.example.com/os", "http://a.example.com/os").replace(
        "gpgcheck: true", "gpgcheck: false"
    )
    assert tuple(warnings(read(text.encode(), "demo.yaml"))) == (
        "demo.yaml:9:5: repositories[0].gpgcheck: signatures of packages of os are not checked",
        "demo.yaml:8:15: repositories[0].baseurl[0]: http://a.example.com/os is not protected by TLS",
    )
    assert tuple(warnings(read(GOOD.encode(), "demo.yaml"))) == ()


SHIPPED = {
    "alma+epel", "almalinux", "amazonlinux", "azure-linux", "centos-stream", "centos-stream+epel", "fedora", "mageia",
    "openeuler", "opensuse-leap", "opensuse-tumbleweed", "rocky", "rocky+epel",
}  # fmt: skip


@pytest.mark.promise(
    "3.1", "targets for the public distributions are shipped, each with the commit it was generated from"
)
@pytest.mark.parametrize("architecture", ["aarch64", "x86_64"])
def test_targets_of_the_public_distributions_are_shipped(architecture: str) -> None:
    shipped = [load(path) for path in files(ROOT / "targets") if path.stem.endswith(f"-{architecture}")]
    generated = [found for found in shipped if not found.name.startswith("demo-")]
    families = {re.sub(r"(-[0-9.]+|-rawhide|-cauldron)?-[a-z0-9_]+$", "", found.name) for found in generated}
    assert families == SHIPPED
    for found in generated:
        assert found.origin is not None
        assert found.origin.mock_config == found.name
        assert re.fullmatch(r"https://github\.com/[a-z/-]+@[0-9a-f]{40}", found.origin.place)
        assert found.architecture == architecture
        assert all(repository.gpgcheck for repository in found.repositories)


def test_shipped_targets_hold_facts_and_no_prose() -> None:
    for path in files(ROOT / "targets"):
        if not path.stem.startswith("demo-"):
            assert not re.search(r"(^|\s)#", path.read_text()), path


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


def test_of_two_targets_with_one_name_the_first_directory_has_the_one(tmp_path: Path) -> None:
    for directory, name in (("a", "one"), ("b", "one"), ("b", "two")):
        (tmp_path / directory).mkdir(exist_ok=True)
        (tmp_path / directory / f"{name}.yaml").touch()
    a, b, none = (tmp_path / name for name in ("a", "b", "none"))
    assert files(a, none, b) == (a / "one.yaml", b / "two.yaml")
    assert find("one", b, a) == b / "one.yaml"


def test_a_missing_target_file_or_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TargetUnknown, match="no target file"):
        find("./nothing.yaml", tmp_path)
    with pytest.raises(TargetUnknown, match="among none"):
        find("anything", tmp_path / "missing")
