"""dnf's arguments, configuration and answers.  The answers are what dnf5 5.4 and dnf 4.14 really printed."""

from __future__ import annotations

import dataclasses
import fnmatch
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import (
    HermeticError,
    PackageManagerFailed,
    RepositoryUnavailable,
    RequirementRefused,
    UnsatisfiedRequirement,
)
from hermetic_rpm.target.keys import key_name
from hermetic_rpm.target.model import Repository, Target
from stages.resolver.conflicts import NEVRA
from stages.resolver.package_manager import (
    PackageManager,
    configuration,
    download_command,
    escape,
    explain,
    install_command,
    providers_command,
    read_sources_command,
)

HARMLESS = pytest.mark.promise(
    "2.4", "a build requirement cannot make the package manager read a file, a URL, a group or an option"
)


def target(**changes: Any) -> Target:
    repository = Repository(
        id="demo", name="Demo", baseurl=("https://a.example.com/os", "https://b.example.com/os"), gpgcheck=True,
        repo_gpgcheck=False, gpgkey=("https://a.example.com/KEY",), priority=None, cost=None, exclude=(),
    )  # fmt: skip
    values: dict[str, Any] = {
        "name": "demo", "sha256": "0" * 64, "architecture": "x86_64", "legal_host_arches": ("x86_64",),
        "image_reference": "demo:latest", "image_locations": ("docker://demo:latest",), "package_manager": "dnf5",
        "repositories": (repository,), "buildroot": ("@buildsys-build",), "dist": "", "releasever": None,
        "module_platform_id": None, "macros": (),
    }  # fmt: skip
    return Target(**(values | changes))


def manager(flavour: str) -> PackageManager:
    return PackageManager(flavour=flavour, program="dnf", cache=Path("/cache"), mounts=())


@HARMLESS
@pytest.mark.parametrize(
    "requirement",
    ["(gcc-c++ or clang)", "/usr/bin/make", "perl(Test::More)", "demo(x) = 1:2~rc1-3", "a{b,c}",
     "(a if b else c)", "python3dist(foo) < 2.dev0", "C\u00f6de"],
)  # fmt: skip
def test_an_ordinary_requirement_is_handed_over_as_it_is(requirement: str) -> None:
    assert escape(requirement) == requirement


@HARMLESS
@pytest.mark.parametrize(
    "requirement",
    ["python3dist(requests[socks])", "demo(feature[extra]) >= 1.2", "a*", "?", "lib[a-z]", "**", "[[x]]"],
)
def test_a_requirement_is_no_pattern(requirement: str) -> None:
    assert fnmatch.fnmatchcase(requirement, escape(requirement))
    assert not fnmatch.fnmatchcase(
        requirement.replace("*", "x").replace("?", "x").replace("[", ""), escape(requirement)
    )


@HARMLESS
@pytest.mark.parametrize("requirement", ["gcc", "gcc-c++ >= 4", "libfoo = 1:2~rc1-3", "bash-5.2", " ld "])
def test_a_plain_name_is_a_capability_and_no_program_or_package(requirement: str) -> None:
    assert escape(requirement) == f"({requirement.strip()})"


@HARMLESS
@pytest.mark.parametrize(
    "requirement",
    ["-y", "--installroot=/", "@buildsys-build", "https://example.com/x.rpm", "FILE:///etc/shadow", "file:/etc/shadow",
     "http:x", "/tmp/x.rpm", "x.rpm", "../x.rpm", " -y", "", "   ", "a\nb", "a\tb", "a\x1b[2J", "x" * 1001],
)  # fmt: skip
def test_what_dnf_would_read_otherwise_is_refused(requirement: str) -> None:
    with pytest.raises(RequirementRefused):
        escape(requirement)


@HARMLESS
@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_requirements_follow_the_end_of_options(flavour: str) -> None:
    for command in (download_command, install_command):
        words = command(manager(flavour), target(), ("gcc", "make"))
        assert words[-3:] == ("--", "gcc", "make")
        assert "--allowerasing" in words
        assert "--installroot=/buildroot" in words


@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_what_runs_scriptlets_asks_no_server_and_what_asks_runs_none(flavour: str) -> None:
    download = set(download_command(manager(flavour), target(), ("gcc",)))
    install = set(install_command(manager(flavour), target(), ("gcc",)))
    assert download - install == {"--downloadonly"}
    assert install - download == {"--cacheonly"}


def test_the_configuration_names_every_address_in_order_and_nothing_of_the_image() -> None:
    lines = configuration(target()).splitlines()
    assert "baseurl=https://a.example.com/os https://b.example.com/os" in lines
    assert "gpgkey=file:///hermetic-rpm-config/keys/demo-1.asc" in lines
    assert {"reposdir=/hermetic-rpm-config/none", "install_weak_deps=0", "best=1", "gpgcheck=1"} <= set(lines)
    assert not any(line.startswith(("priority=", "cost=", "excludepkgs=", "module_platform_id=")) for line in lines)


def test_what_a_repository_sets_reaches_dnf() -> None:
    repository = Repository(
        id="x", name="X", baseurl=("file:///x",), gpgcheck=False, repo_gpgcheck=True, gpgkey=(), priority=7, cost=20,
        exclude=("kernel*", "bash"),
    )  # fmt: skip
    lines = configuration(target(repositories=(repository,), module_platform_id="platform:el9")).splitlines()
    section = lines[lines.index("[x]") :]
    assert {"priority=7", "cost=20", "excludepkgs=kernel* bash", "gpgcheck=0", "repo_gpgcheck=1"} <= set(section)
    assert "module_platform_id=platform:el9" in lines[: lines.index("[x]")]
    assert not any(line.startswith("gpgkey=") for line in section)


def test_a_key_file_is_named_after_its_repository_without_odd_characters() -> None:
    repository = dataclasses.replace(target().repositories[0], id="a:b", gpgkey=("file:///1", "file:///2"))
    assert [key_name(repository, index) for index in range(2)] == ["a_b-1.asc", "a_b-2.asc"]


def answer(text: str) -> tuple[str, ...]:
    return tuple(textwrap.dedent(text).strip("\n").splitlines())


DNF5_NO_MATCH = answer("""
    Repositories loaded.
    Failed to resolve the transaction:
    No match for argument: (nosuchpackage-devel)
    No match for argument: demo(feature[[]extra]) >= 99
    You can try to add to command line:
      --skip-unavailable to skip unavailable packages
""")
DNF4_NO_MATCH = answer("""
    demo                                            182 MB/s | 187 kB     00:00
    No match for argument: nosuchpackage-devel
    No match for argument: perl(No::Such)
    Error: Unable to find a match: nosuchpackage-devel perl(No::Such)
""")
DNF5_NOTHING_PROVIDES = answer("""
    Failed to resolve the transaction:
    Problem: conflicting requests
      - nothing provides (demo-feature-a with demo-feature-b) needed by demo-rich-1.0-1.demo1.noarch from demo
      - nothing provides (demo-nowhere or demo-epoch >= 3:0.5) needed by demo-rich-1.0-1.demo1.noarch from demo
    You can try to add to command line:
      --skip-broken to skip uninstallable packages
""")
DNF4_NOTHING_PROVIDES = answer("""
    Error:
     Problem: conflicting requests
      - nothing provides (demo-feature-a with demo-feature-b) needed by demo-rich-1.0-1.demo1.noarch
    (try to add '--skip-broken' to skip uninstallable packages or '--nobest' to use not only best candidate packages)
""")
DNF5_DEAD = answer("""
    >>> Curl error (7): Could not connect to server for http://127.0.0.1:1/repo/repodata/repomd.xml [Failed to connect]
    >>> Usable URL not found
    Failed to download metadata (baseurl: "http://127.0.0.1:1/repo") for repository "demo": Usable URL not found
""")
DNF4_DEAD = answer("""
    Errors during downloading metadata for repository 'demo':
      - Curl error (7): Couldn't connect to server for http://127.0.0.1:1/repo/repodata/repomd.xml
    Error: Failed to download metadata for repo 'demo': Cannot download repomd.xml: All mirrors were tried
""")
DNF5_UNSIGNED = answer("""
    Running transaction
    Transaction failed: Signature verification failed.
    OpenPGP check for package "zlib1g-1:1.3-1.demo1.x86_64" (/br/zlib1g.rpm) from repo "demo" has failed: no keys.
""")
DNF4_UNSIGNED = answer("""
    Downloading Packages:
    Public key for zlib1g-1.3-1.demo1.x86_64.rpm is not installed
    Error: GPG check FAILED
""")
DNF5_CONFLICT = answer("""
    Failed to resolve the transaction:
    Problem: problem with installed package
      - package a-1-1.noarch from demo conflicts with b provided by b-1-1.noarch from demo
""")


@pytest.mark.parametrize(
    ("tail", "kind", "words"),
    [
        (DNF5_NO_MATCH, UnsatisfiedRequirement, ("provides nosuchpackage-devel, demo(feature[extra]) >= 99")),
        (DNF4_NO_MATCH, UnsatisfiedRequirement, ("nosuchpackage-devel, perl(No::Such).",)),
        (DNF5_NOTHING_PROVIDES, UnsatisfiedRequirement, ("demo-feature-a with", "(needed by demo-rich-1.0-1.demo1")),
        (DNF4_NOTHING_PROVIDES, UnsatisfiedRequirement, ("demo-feature-a with", "(needed by demo-rich-1.0-1.demo1")),
        (DNF5_DEAD, RepositoryUnavailable, ("repository demo cannot",)),
        (DNF4_DEAD, RepositoryUnavailable, ("repository demo cannot",)),
        (DNF5_UNSIGNED, PackageManagerFailed, ("not signed",)),
        (DNF4_UNSIGNED, PackageManagerFailed, ("not signed",)),
        (DNF5_CONFLICT, PackageManagerFailed, ("no set of packages for gcc",)),
        ((), PackageManagerFailed, ()),
    ],
)
def test_dnf_s_answer_becomes_the_error_it_means(
    tail: tuple[str, ...], kind: type[HermeticError], words: tuple[str, ...]
) -> None:
    error = explain(tail, (escape("gcc"),))
    assert type(error) is kind
    assert all(word in error.reason for word in words)
    assert error.log_tail == tail
    assert error.solution


def test_a_requirement_that_is_missing_twice_is_named_once() -> None:
    assert explain(("No match for argument: a", "No match for argument: a"), ()).reason.count(" a") == 1


@pytest.mark.promise("3.4", "a requirement that nothing provides is told with who wants it")
@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (DNF4_NO_MATCH, "No repository of the target provides nosuchpackage-devel, perl(No::Such), wanted by x.spec."),
        (
            DNF5_CONFLICT,
            f"The package manager found no set of packages for gcc, wanted by x.spec: {DNF5_CONFLICT[-1][4:]}.",
        ),
    ],
)
def test_an_error_names_who_asked(tail: tuple[str, ...], reason: str) -> None:
    assert explain(tail, (escape("gcc"),), wanted_by="x.spec").reason == reason


@pytest.mark.promise("3.4", "what BuildConflicts name is kept out of the buildroot, or the resolve ends")
@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_what_conflicts_is_excluded_before_anything_is_chosen(flavour: str) -> None:
    command = install_command(manager(flavour), target(), ("gcc",), without=("x-0:1-1.noarch",))
    assert "--exclude=x-0:1-1.noarch" in command[: command.index("--")]
    question = providers_command(manager(flavour), target(), escape("x < 2"), "--installed")
    assert question[-3:] == ("repoquery", "--installed", "--whatprovides=(x < 2)")


@pytest.mark.parametrize(
    ("line", "is_package"),
    [
        ("demo-c++-tools-3:1.0+really0.9-1.demo1.noarch", True),
        ("a-0:1^20250601~rc1-0.1.x86_64", True),
        ("Repositories loaded.", False),
        ("Detection of Platform Module failed: No valid Platform ID detected", False),
        ("--installroot=/-0:1-1.noarch", False),
    ],
)
def test_only_packages_are_read_in_the_answer(line: str, *, is_package: bool) -> None:
    assert (NEVRA.fullmatch(line) is not None) is is_package


@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_nothing_is_installed_from_a_repository_of_source_rpms(flavour: str) -> None:
    source = dataclasses.replace(target().repositories[0], id="demo-source")
    found = target(source_repositories=(source,))
    _, _, sections = configuration(found).partition("[demo]")
    demo, _, sources = sections.partition("[demo-source]")
    assert "enabled=1" in demo
    assert "enabled=0" in sources
    assert read_sources_command(manager(flavour), found)[-2:] == ("--repo=demo-source", "makecache")
    assert not [word for word in install_command(manager(flavour), found, ("x",)) if "demo-source" in word]


def test_options_of_the_target_replace_the_resolvers_own() -> None:
    repository = dataclasses.replace(target().repositories[0], options=(("module_hotfixes", True), ("timeout", 5)))
    text = configuration(target(repositories=(repository,), options=(("best", False), ("retries", 20))))
    main, _, section = text.partition("[demo]")
    assert [line for line in main.splitlines() if line.startswith(("best", "retries", "install_weak"))] == [
        "install_weak_deps=0", "best=0", "retries=20",
    ]  # fmt: skip
    assert section.splitlines()[-2:] == ["module_hotfixes=1", "timeout=5"]
