"""The loops of the resolver repeated by the builder, and requirements that nobody locked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from containers import TARGETS, Workspace, rpm_query, unpack_rpm
from hermetic_rpm import errors

NAMED = pytest.mark.promise("5.4", "a requirement that was not locked is named")

SPEC = """
Name: rounds
Version: 1
Release: 1
Summary: Counts
License: Apache-2.0
BuildArch: noarch
{preamble}
%description
Counts.
%prep
%setup -q -c -T
echo prep >> ../counted
{generate}
%build
%install
install -D -m 0644 ../counted %{{buildroot}}/usr/share/rounds/counted
%files
/usr/share/rounds
%changelog
* Mon Jun 02 2025 A <a@example.com> - 1-1
- B
"""
COUNT = """%generate_buildrequires
echo generate >> ../counted
echo 'bash >= 0'
echo "coreutils >= 0.$(grep -c generate ../counted)"
"""
UNMET = ("/usr/bin/no-such-program", "(no-such-a or no-such-b)", "(no-such-c if bash)", "bash >= 99", "no-such = 1:2-3")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Make a source RPM with requirements, or with the code that generates them."""

    def made(*, preamble: str = "", generate: str = "") -> Path:
        (tmp_path / "rounds.spec").write_text(SPEC.format(preamble=preamble, generate=generate))
        define = ("--define", f"_topdir {tmp_path}/top")
        subprocess.run(
            ["rpmbuild", "-bs", "--nodeps", "--quiet", *define, tmp_path / "rounds.spec"], check=True,
            capture_output=True,
        )  # fmt: skip
        return next((tmp_path / "top/SRPMS").glob("*.src.rpm"))

    return made


def static() -> dict[str, str]:
    return {"preamble": "\n".join(f"BuildRequires: {requirement}" for requirement in UNMET)}


def generated() -> dict[str, str]:
    return {"generate": "\n".join(("%generate_buildrequires", *(f"echo '{requirement}'" for requirement in UNMET)))}


@pytest.mark.promise("5.4", "the loops of the resolver are repeated offline, so that the result is the same")
def test_the_source_is_prepared_once_and_the_last_answer_counts(
    hello_copy: Workspace, make: Callable[..., Path]
) -> None:
    done = hello_copy.build(make(generate=COUNT), "--allow-other-srpm")
    assert done.returncode == 0, done.stderr[-3000:]
    binary = next(path for path in hello_copy.rpms() if path.name.endswith(".noarch.rpm"))
    counted = unpack_rpm(binary, hello_copy.path / "x") / "usr/share/rounds/counted"
    assert counted.read_text().split() == ["prep", "generate", "generate"]
    source = next(path for path in hello_copy.rpms() if path.name.endswith(".src.rpm"))
    requires = rpm_query(source, "[%{REQUIRENAME} %{REQUIREVERSION}\n]").splitlines()
    assert "coreutils 0.2" in requires
    assert "coreutils 0.1" not in requires


@NAMED
@pytest.mark.parametrize("requirements", [static, generated])
def test_everything_that_is_not_locked_is_named_with_the_command_that_locks_it(
    hello_copy: Workspace, make: Callable[..., Path], requirements: Callable[[], dict[str, str]]
) -> None:
    done = hello_copy.build(make(**requirements()), "--allow-other-srpm")
    assert done.returncode == errors.RequirementNotLocked.exit_code, done.stderr[-3000:]
    error = hello_copy.result("results")["error"]
    assert error["reason"] == f"rounds-1-1.src.rpm needs what is not locked: {', '.join(sorted(UNMET))}."
    assert f"`hermetic-rpm run -p srpm=rounds-1-1.src.rpm -p target={TARGETS[0]}`" in error["solution"]
    assert hello_copy.rpms() == ()


def test_a_conflict_of_the_build_with_what_is_locked_is_named(hello_copy: Workspace, make: Callable[..., Path]) -> None:
    done = hello_copy.build(make(preamble="BuildConflicts: bash >= 1"), "--allow-other-srpm")
    assert done.returncode == errors.BuildFailed.exit_code, done.stderr[-3000:]
    assert "The BuildConflicts of rounds-1-1.src.rpm forbid what is locked: bash >= 1" in done.stderr
