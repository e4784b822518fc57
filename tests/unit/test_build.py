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
    error = failure(Outcome(argv=("rpmbuild",), returncode=1, tail=lines), Path("x-1-1.src.rpm"))
    assert type(error) is kind
    assert says in error.reason


@pytest.mark.parametrize(("given", "host"), [({}, "hermetic-rpm"), ({"%_buildhost": "builder.example.com"}, None)])
def test_the_build_host_is_fixed_unless_the_lock_names_one(given: dict[str, str | int], host: str | None) -> None:
    """A lock made by Mock names none."""
    macros = next(entry for entry in preparations(tuple(given.items())) if entry.path.endswith("/.rpmmacros"))
    lines = [line for line in macros.content.splitlines() if line.startswith("%_buildhost ")]
    assert lines == [f"%_buildhost {host or given['%_buildhost']}"]
