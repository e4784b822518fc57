"""What the builder makes of rpmbuild's last lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.buildroot.rpmbuild import preparations
from hermetic_rpm.buildroot.sandbox import Outcome
from hermetic_rpm.errors import BuildFailed, HermeticError, RequirementNotLocked
from stages.builder.build import failure


@pytest.mark.parametrize(
    ("lines", "kind", "says"),
    [
        (
            ("error: Failed build dependencies:", "\tcmake >= 3 is needed by x-1-1.src"),
            RequirementNotLocked,
            "cmake >= 3",
        ),
        (("error: Failed build dependencies:", "\tmake conflicts with x-1-1.noarch"), BuildFailed, "BuildConflicts"),
        (("error: Bad exit status from /var/tmp/rpm-tmp.x (%build)",), BuildFailed, "status 1"),
    ],
)
def test_the_end_of_the_log_says_why(lines: tuple[str, ...], kind: type[HermeticError], says: str) -> None:
    error = failure(Outcome(argv=("rpmbuild",), returncode=1, tail=lines), Path("x-1-1.src.rpm"), None)
    assert type(error) is kind
    assert says in error.reason


def test_what_is_not_locked_is_named_with_the_command_that_locks_it() -> None:
    """rpmbuild writes a package after what it says of generated requirements, and earlier output is the package's."""
    tail = (
        "\tnonsense is needed by nobody",
        "error: Failed build dependencies:",
        "\t(foo if bash) is needed by x-1-1.noarch",
        "\tbaz = 1:2-3 is needed by x-1-1.noarch",
        "\tmake conflicts with x-1-1.noarch",
        "Wrote: /builddir/build/SRPMS/x-1-1.buildreqs.nosrc.rpm",
    )
    error = failure(Outcome(argv=("rpmbuild",), returncode=11, tail=tail), Path("x-1-1.src.rpm"), "fedora")
    assert error.reason == "x-1-1.src.rpm needs what is not locked: (foo if bash), baz = 1:2-3."
    assert "`hermetic-rpm run -p srpm=x-1-1.src.rpm -p target=fedora`" in error.solution


def test_of_very_many_requirements_it_is_said_that_there_are_more() -> None:
    tail = tuple(f"\tp{number} is needed by x-1-1.noarch" for number in range(40))
    error = failure(Outcome(argv=("rpmbuild",), returncode=1, tail=tail), Path("x-1-1.src.rpm"), None)
    assert error.reason.endswith("p38, p39, and more that build.log names.")


@pytest.mark.parametrize(("given", "host"), [({}, "hermetic-rpm"), ({"%_buildhost": "builder.example.com"}, None)])
def test_the_build_host_is_fixed_unless_the_lock_names_one(given: dict[str, str | int], host: str | None) -> None:
    """A lock made by Mock names none."""
    macros = next(entry for entry in preparations(tuple(given.items())) if entry.path.endswith("/.rpmmacros"))
    lines = [line for line in macros.content.splitlines() if line.startswith("%_buildhost ")]
    assert lines == [f"%_buildhost {host or given['%_buildhost']}"]
