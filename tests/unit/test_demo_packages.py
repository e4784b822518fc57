"""The demo distribution: how debs are described as RPMs."""

import stat

import pytest

from demo.control import UNKNOWN_LICENCE, fields_of, licence_of, names_of, package_of, provides_of, requires_of
from demo.spec import Entry, Relations, file_line, file_list, spec_of
from demo.version import Evr, evr_of
from hermetic_rpm.errors import CommandFailed

CONTROL = """\
Package: libdemo1
Version: 1:2.0~rc1-3+b1
Architecture: amd64
Source: demo (1:2.0~rc1-3)
Homepage: https://example.com/100%25
Pre-Depends: libc6 (>= 2.36)
Depends: nobody | zlib1g (>= 1:1.2), debconf (>= 0.5) | debconf-2.0, python3:any, libdemo1 | virtual
Provides: libdemo (= 1:2.0~rc1-3), virtual
Description: demonstrates 100% of it
 First line.
 .
 #second %line
"""


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("5.2.37-2+b10", Evr(epoch=None, version="5.2.37", release="2+b10.demo1")),
        ("1:1.3.dfsg+really1.3.1-1+b1", Evr(epoch="1", version="1.3.dfsg+really1.3.1", release="1+b1.demo1")),
        ("0:1.0-1", Evr(epoch=None, version="1.0", release="1.demo1")),
        ("3.25", Evr(epoch=None, version="3.25", release="0.demo1")),
        ("2.0~rc1-a-1", Evr(epoch=None, version="2.0~rc1.a", release="1.demo1")),
    ],
)
def test_debian_versions_become_valid_versions_and_releases(debian: str, rpm: Evr) -> None:
    assert evr_of(debian, dist="demo1") == rpm


def test_an_evr_reads_as_rpm_writes_it() -> None:
    assert str(evr_of("4:14.2.0-1", dist="demo1")) == "4:14.2.0-1.demo1"
    assert str(evr_of("9.7-3", dist="demo1")) == "9.7-3.demo1"


def test_a_control_file_is_read_with_its_description() -> None:
    package = package_of(CONTROL)
    assert (package.name, package.source, package.summary) == ("libdemo1", "demo", "demonstrates 100% of it")
    assert package.description == "First line.\n\n#second %line"
    assert package.depends[0] == ("libc6",)
    assert package.provides == (("libdemo", "1:2.0~rc1-3"), ("virtual", None))


def test_continuation_lines_belong_to_the_field_above() -> None:
    assert fields_of("A: 1\n 2\nB: 3\n") == {"A": "1\n2", "B": "3"}


def test_a_requirement_is_the_first_alternative_that_exists() -> None:
    package = package_of(CONTROL)
    available = {*names_of([package]), "libc6", "zlib1g", "python3"}
    assert requires_of(package, available=available, left_out={"debconf"}) == ("libc6", "python3", "zlib1g")


def test_a_dependency_that_nobody_provides_is_an_error_that_names_it() -> None:
    package = package_of(CONTROL)
    with pytest.raises(CommandFailed, match="libdemo1 depends on debconf or "):
        requires_of(package, available={"libc6", "zlib1g", "python3"}, left_out=set())


def test_a_dependency_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="no Debian dependency"):
        package_of("Package: a\nVersion: 1\nArchitecture: all\nDepends: (>= 1)\n")


def test_virtual_packages_are_provided_with_their_versions() -> None:
    assert provides_of(package_of(CONTROL), dist="demo1") == ("libdemo = 1:2.0~rc1-3.demo1", "virtual")


@pytest.mark.parametrize(
    ("short_name", "licence"),
    [
        ("Expat", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("BSD-3-clause or GPL-2", "BSD-3-Clause OR GPL-2.0-only"),
        ("GPL-3+ with exception", UNKNOWN_LICENCE),
        ("Expat and ISC or Zlib", UNKNOWN_LICENCE),
    ],
)
def test_a_licence_is_an_spdx_expression_only_where_that_is_certain(short_name: str, licence: str) -> None:
    text = f"Format: https://example.com/\n\nFiles: *\nCopyright: someone\nLicense: {short_name}\n text\n\nFiles: x\n"
    assert licence_of(text) == licence


def test_a_copyright_file_in_prose_gives_no_licence() -> None:
    assert licence_of("This is free software.\n\nDo: what you want.\n") == UNKNOWN_LICENCE


def entry(path: str, mode: int, group: str = "root") -> Entry:
    return Entry(path=path, mode=mode, user="root", group=group)


@pytest.mark.parametrize(
    ("path", "mode", "line"),
    [
        ("/usr/bin/[", stat.S_IFREG | 0o755, "%attr(0755, root, root) /usr/bin/[[]"),
        ("/usr/a b", stat.S_IFREG | 0o644, '%attr(0644, root, root) "/usr/a b"'),
        ("/usr/100%", stat.S_IFREG | 0o644, "%attr(0644, root, root) /usr/100%%"),
        ("/usr/bin/su", stat.S_IFREG | 0o4755, "%attr(4755, root, root) /usr/bin/su"),
        ("/usr/lib/x", stat.S_IFDIR | 0o755, "%dir %attr(0755, root, root) /usr/lib/x"),
        ("/usr/bin/sh", stat.S_IFLNK | 0o777, "%attr(-, root, root) /usr/bin/sh"),
    ],
)
def test_a_path_is_taken_literally_by_rpmbuild(path: str, mode: int, line: str) -> None:
    assert file_line(entry(path, mode)) == line


def test_a_file_list_is_sorted_and_keeps_groups() -> None:
    files = [entry("/b", stat.S_IFREG | 0o2755, "tty"), entry("/a", stat.S_IFREG | 0o644)]
    assert file_list(files) == "%attr(0644, root, root) /a\n%attr(2755, root, tty) /b\n"


def test_a_spec_has_every_field_and_no_stray_macro() -> None:
    package = package_of(CONTROL)
    relations = Relations(requires=("libc6",), provides=("virtual",))
    text = spec_of(
        package, evr=evr_of(package.version, dist="demo1"), licence="MIT", relations=relations, files="x.files"
    )
    assert text.splitlines()[:4] == ["Name: libdemo1", "Epoch: 1", "Version: 2.0~rc1", "Release: 3+b1.demo1"]
    assert "Summary: demonstrates 100%% of it" in text
    assert "URL: https://example.com/100%%25" in text
    assert "Requires: libc6\nProvides: virtual\n" in text
    assert "\n #second %%line\n" in text
    assert text.endswith("%files -f %{SOURCE0}\n")
    assert "Source0: x.files\n" in text
    assert "BuildArch" not in text


def test_a_package_for_all_architectures_is_noarch() -> None:
    package = package_of("Package: a\nVersion: 1\nArchitecture: all\n")
    text = spec_of(
        package, evr=evr_of("1", dist="demo1"), licence=UNKNOWN_LICENCE, relations=Relations(), files="/a.files"
    )
    assert "BuildArch: noarch\n" in text
    assert "URL:" not in text
