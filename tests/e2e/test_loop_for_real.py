"""The loop over build requirements with real specs, and all that may be said to it, for both package managers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from containers import DEMO, ROOT, TARGETS, Engine, Workspace, commands, rpm_query, with_runner, workspace_at
from hermetic_rpm import errors
from hermetic_rpm.lock.join import load
from hermetic_rpm.lock.model import Lock, Sidecar

OPTIONS = pytest.mark.promise(
    "3.4", "`--with`, `--without`, `--define` and further requirements are recorded and repeated by the builder"
)
SOURCES = pytest.mark.promise("3.4", "a spec and a directory of sources are taken as input")
CONFLICTS = pytest.mark.promise("3.4", "what BuildConflicts name is kept out of the buildroot, or the resolve ends")
BOTH = pytest.mark.parametrize("target", TARGETS)

SWINGS = """
Name: swing
Version: 1
Release: 1
Summary: Two packages that exclude each other, and one that nobody can install
License: MIT
BuildArch: noarch
%description
Swings.
%package left
Summary: Left
Conflicts: swing-right
%description left
Left.
%package right
Summary: Right
Conflicts: swing-left
%description right
Right.
%package broken
Summary: Broken
Requires: swing-missing >= 7
%description broken
Broken.
%files left
%files right
%files broken
"""

PREAMBLE = """
Name: x
Version: 1
Release: 1%{?mark}
Summary: X
License: MIT
BuildArch: noarch
"""
REST = """
%description
X.
%prep
%install
mkdir -p %{buildroot}/usr/share/x
%files
/usr/share/x
"""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where specs are resolved: workspaces with one cache, targets with a further repository."""

    engine: Engine
    place: Path

    def workspace(self) -> Workspace:
        return workspace_at(self.engine, self.place / f"workspace-{len(list(self.place.iterdir()))}")

    def spec(self, preamble: str, rest: str = REST, **sources: str) -> Path:
        """A spec in a directory of its own, and its sources beside it."""
        directory = self.place / f"spec-{len(list(self.place.iterdir()))}"
        (directory / "sources").mkdir(parents=True)
        for name, content in sources.items():
            (directory / "sources" / name).write_text(content)
        (directory / "x.spec").write_text(PREAMBLE + preamble + rest)
        return directory / "x.spec"

    def resolve(self, workspace: Workspace, spec: Path, target: str, *options: str) -> CompletedProcess[str]:
        return workspace.stage(
            "resolver", "--spec", f"/input/{spec.name}", "--sources", "/input/sources", "--target", target,
            "--output", "/workspace/lock", "--cache", "/cache", *options,
            mounts=(f"{spec.parent}:/input:ro", f"{self.place}/targets:/targets:ro", f"{DEMO}:/distribution:ro",
                    f"{self.place}/swings:/swings:ro", f"{self.place}/cache:/cache", f"{workspace.path}:/workspace"),
        )  # fmt: skip

    def fetch(self, workspace: Workspace) -> CompletedProcess[str]:
        return workspace.stage(
            "fetcher", "--lockfile", "/workspace/lock/buildroot_lock.json", "--output", "/workspace/repo",
            "--cache", "/cache",
            mounts=(f"{workspace.path}:/workspace", f"{DEMO}:/distribution:ro", f"{self.place}/cache:/cache",
                    f"{self.place}/swings:/swings:ro"),
        )  # fmt: skip

    def build(self, workspace: Workspace, *options: str) -> CompletedProcess[str]:
        return workspace.stage(
            "builder", *options, options=("--network=none",),
            mounts=(f"{workspace.path}/lock:/lock:ro", f"{workspace.path}/repo:/repo:ro",
                    f"{workspace.path}/results:/results"),
        )  # fmt: skip


@pytest.fixture(scope="module")
def bench(rootful: Engine, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    place = tmp_path_factory.mktemp("loop")
    for name in ("cache", "targets", "swings", "top"):
        (place / name).mkdir()
    (place / "swings.spec").write_text(SWINGS)
    rpms = ("--define", f"_topdir {place}/top", "--define", f"_rpmdir {place}/swings")
    subprocess.run(["rpmbuild", "-bb", "--quiet", *rpms, place / "swings.spec"], check=True, capture_output=True)
    subprocess.run(["createrepo_c", "--quiet", place / "swings"], check=True)
    more = '  - {id: swings, name: Swings, baseurl: ["file:///swings"], gpgcheck: false}\nsource_repositories:'
    for target in TARGETS:
        text = (ROOT / f"targets/{target}.yaml").read_text()
        (place / f"targets/{target}.yaml").write_text(text.replace("source_repositories:", more))
    return Bench(engine=rootful, place=place)


@pytest.fixture
def workspace(bench: Bench) -> Workspace:
    return bench.workspace()


def sidecar(workspace: Workspace) -> tuple[Lock, Sidecar]:
    lock = load(workspace.path / "lock/buildroot_lock.json")
    assert lock.sidecar is not None
    return lock, lock.sidecar


def names(lock: Lock) -> set[str]:
    return {rpm.name for rpm in lock.lockfile.rpms}


def refused(workspace: Workspace, done: CompletedProcess[str], kind: type[errors.HermeticError], *says: str) -> None:
    assert done.returncode == kind.exit_code, done.stderr[-3000:]
    assert "what to do: " in done.stderr
    reason = workspace.result("lock")["error"]["reason"]
    assert all(part in reason for part in says), reason
    assert not list((workspace.path / "lock").glob("*.src.rpm"))
    assert not list((workspace.path / "lock").glob("*.json")) or {
        path.name for path in (workspace.path / "lock").glob("*.json")
    } == {"result.json"}


DEMANDING = """
%bcond_with extra
%bcond_without docs
Source0: https://example.com/greeting.txt
BuildRequires: demo-macros
%{?demo_greeting:BuildRequires: demo-tilde < 2.0}
BuildRequires: demo-c++-tools = 3:1.0+really0.9
BuildRequires: demo-caret > 1.5
BuildRequires: (demo-plugin or demo-epoch >= 3:0.5)
BuildRequires: /usr/bin/demo-multilib
%if %{with extra}
BuildRequires: demo-files
%endif
%if %{with docs}
BuildRequires: no-such-docs
%endif
BuildConflicts: demo-plugin
"""
DEMANDING_REST = """
%description
X.
%prep
%generate_buildrequires
echo 'demo(stage1) >= 1'
%install
mkdir -p %{buildroot}/usr/share/x
echo '%{with extra} %{with docs} %{mark} %{demo_greeting}' > %{buildroot}/usr/share/x/said
cp %{SOURCE0} %{buildroot}/usr/share/x
%files
/usr/share/x
"""
GIVEN = ("--with", "extra", "--without", "docs", "--define", "mark .z", "--build-requires", "demo-header-signed>=1")


@OPTIONS
@SOURCES
@CONFLICTS
@pytest.mark.promise("3.4", "a macro that a build requirement brings is seen in the next round")
@pytest.mark.promise("3.4", "rich, file and versioned requirements find their packages")
@pytest.mark.promise("3.2", "both dnf5 and dnf 4 resolve, end to end")
@BOTH
def test_everything_a_spec_may_ask_for(bench: Bench, workspace: Workspace, target: str) -> None:
    spec = bench.spec(DEMANDING, DEMANDING_REST, **{"greeting.txt": "hello\n", "stranger": "not named by the spec\n"})
    done = bench.resolve(workspace, spec, target, *GIVEN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "new: demo-tilde < 2.0" in done.stderr
    lock, side = sidecar(workspace)
    wanted = {"demo-macros", "demo-tilde", "demo-c++-tools", "demo-caret", "demo-epoch", "demo-multilib",
              "demo-files", "demo-header-signed"}  # fmt: skip
    assert wanted <= names(lock)
    assert "demo-plugin" not in names(lock)
    assert {"demo-header-signed >= 1", "demo-tilde < 2.0"} <= {*side.static_requirements}
    assert side.dynamic_requirements == ("demo(stage1) >= 1",)
    srpm = workspace.path / "lock" / side.srpm.name
    assert rpm_query(srpm, "[%{FILENAMES} ]") == "greeting.txt x.spec "
    for stage in (bench.fetch(workspace), bench.build(workspace)):
        assert stage.returncode == 0, stage.stderr[-3000:]
    assert {path.name for path in workspace.rpms()} == {"x-1-1.z.noarch.rpm", "x-1-1.z.src.rpm"}
    given = ["--with", "extra", "--without", "docs", "--define", "mark .z"]
    assert workspace.result("results")["facts"]["build_options"] == given


@OPTIONS
def test_without_a_sidecar_the_caller_gives_the_options(bench: Bench, workspace: Workspace) -> None:
    """A lock made by Mock records none; the spec is that of a minimal buildroot."""
    spec = bench.spec(
        "%bcond_with extra\n", REST.replace("/usr/share/x\n%files", "/usr/share/x%{?with_extra:/y}\n%files")
    )
    for done in (bench.resolve(workspace, spec, TARGETS[0], "--with", "extra"), bench.fetch(workspace)):
        assert done.returncode == 0, done.stderr[-3000:]
    done = bench.build(workspace, "--define", "mark .z")
    assert done.returncode == errors.OptionsLocked.exit_code, done.stderr[-3000:]
    (workspace.path / "lock/buildroot_lock.sources.json").unlink()
    shutil.rmtree(workspace.path / "repo/repodata")  # its comps and modules are those of the sidecar
    done = bench.build(workspace, "--srpm", "/lock/x-1-1.src.rpm", "--with", "extra", "--define", "mark .z")
    assert done.returncode == 0, done.stderr[-3000:]
    (rpm,) = (path for path in workspace.rpms() if path.name == "x-1-1.z.noarch.rpm")
    assert "/usr/share/x/y" in rpm_query(rpm, "[%{FILENAMES} ]").split()
    given = ["--with", "extra", "--define", "mark .z"]
    assert workspace.result("results")["facts"]["build_options"] == given


@SOURCES
@pytest.mark.parametrize(
    "changelog", ["", "%changelog\n* Mon Jun 02 2025 A <a@example.com> - 1-1\n- B\n"], ids=["undated", "dated"]
)
def test_the_same_sources_give_the_same_source_rpm(bench: Bench, workspace: Workspace, changelog: str) -> None:
    spec = bench.spec("Source0: run.sh\nSource1: data\n", REST + changelog, **{"run.sh": "true\n", "data": "1\n"})
    found = []
    for seconds, mode in ((10**9, 0o600), (10**9 + 7, 0o664)):
        for path in (spec, spec.parent / "sources/data"):
            os.utime(path, (seconds, seconds))
            path.chmod(mode)
        (spec.parent / "sources/run.sh").chmod(mode | 0o100)
        done = bench.resolve(workspace, spec, TARGETS[0])
        assert done.returncode == 0, done.stderr[-3000:]
        (srpm,) = (workspace.path / "lock").glob("*.src.rpm")
        found.append((srpm.read_bytes(), (workspace.path / "lock/buildroot_lock.sources.json").read_bytes()))
    assert found[0] == found[1]
    assert rpm_query(srpm, "[%{FILEMODES:octal} ]") == "100644 100755 100644 "
    assert rpm_query(srpm, "%{BUILDTIME}") == ("1748822400" if changelog else "315532800")


@OPTIONS
@SOURCES
def test_the_commands_of_the_how_to_work(bench: Bench, rootful: Engine, tmp_path: Path) -> None:
    spec = bench.spec("%bcond_with extra\nSource0: data\n", data="1\n")
    shutil.copytree(spec.parent, tmp_path, dirs_exist_ok=True)
    for name in ("pipeline.yaml", "targets"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/demo").symlink_to(DEMO.resolve())
    engine = with_runner(rootful, tmp_path)
    for name in ("run", "show", "reproduce"):
        done = engine.run("bash", "-euc", commands("build-from-a-spec.md", name), cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        if name == "run":
            assert [Path(line).name for line in done.stdout.splitlines()] == ["x-1-1.z.noarch.rpm", "x-1-1.z.src.rpm"]
        if name == "show":
            assert "with the options --with extra --define 'mark .z' --build-requires 'make >= 4'" in done.stdout


@SOURCES
def test_a_source_that_is_a_link_or_missing_is_named(bench: Bench, workspace: Workspace) -> None:
    spec = bench.spec("Source0: there\nPatch0: linked.patch\n", there="1\n")
    (spec.parent / "sources/linked.patch").symlink_to("/etc/passwd")
    done = bench.resolve(workspace, spec, TARGETS[0])
    refused(workspace, done, errors.SourceMissing, "x.spec names sources that are not there: linked.patch.")


@CONFLICTS
@BOTH
def test_what_conflicts_leaves_the_minimal_buildroot(bench: Bench, workspace: Workspace, target: str) -> None:
    spec = bench.spec("BuildConflicts: unzip < 99\nBuildConflicts: /usr/bin/ed\n")
    for done in (bench.resolve(workspace, spec, target), bench.fetch(workspace), bench.build(workspace)):
        assert done.returncode == 0, done.stderr[-3000:]
    lock, _ = sidecar(workspace)
    assert not {"unzip", "ed"} & names(lock)
    log = (workspace.path / "lock/resolver.log").read_text()
    assert "rpm --erase --root /buildroot -- unzip-0:" in log


@CONFLICTS
@pytest.mark.parametrize(
    ("preamble", "says"),
    [
        ("BuildConflicts: libc6", "cannot be removed from the buildroot"),
        ("BuildConflicts: demo-tool < 2\nBuildRequires: demo-plugin", "without demo-tool-0:1.2-3.demo1.noarch"),
    ],
    ids=["installed", "required"],
)
@BOTH
def test_a_conflict_that_cannot_be_kept_is_told(
    bench: Bench, workspace: Workspace, target: str, preamble: str, says: str
) -> None:
    done = bench.resolve(workspace, bench.spec(f"{preamble}\n"), target)
    refused(workspace, done, errors.ConflictUnavoidable, "x.spec has BuildConflicts: ", says)


@pytest.mark.promise("3.4", "requirements that keep changing are an error that prints them")
@BOTH
def test_a_spec_that_swings_does_not_settle(bench: Bench, workspace: Workspace, target: str) -> None:
    generate = "%generate_buildrequires\nif rpm -q swing-left >&2; then echo swing-right; else echo swing-left; fi\n"
    done = bench.resolve(
        workspace, bench.spec("BuildRequires: bash\n", REST.replace("%install", f"{generate}%install")), target
    )
    says = "did not settle in 10 rounds; still changing: swing-left, swing-right."
    refused(workspace, done, errors.ResolveDidNotSettle, says)


@pytest.mark.promise("3.4", "a requirement that nothing provides is told with who wants it")
@pytest.mark.parametrize(
    ("preamble", "rest", "says"),
    [
        ("BuildRequires: (no-such-a or no-such-b)\n", REST, "provides (no-such-a or no-such-b), wanted by x.spec."),
        ("BuildRequires: swing-broken\n", REST, "provides swing-missing >= 7 (needed by swing-broken-1-1.noarch"),
        ("BuildRequires: bash\n", REST.replace("%install", "%generate_buildrequires\necho no-such-c\n%install"),
         "provides no-such-c, wanted by %generate_buildrequires of x.spec."),
    ],
    ids=["rich", "of-a-package", "generated"],
)  # fmt: skip
@BOTH
def test_a_requirement_that_cannot_be_satisfied(
    bench: Bench, workspace: Workspace, target: str, preamble: str, rest: str, says: str
) -> None:
    done = bench.resolve(workspace, bench.spec(preamble, rest), target)
    refused(workspace, done, errors.UnsatisfiedRequirement, says)


@pytest.mark.promise("3.4", "ExclusiveArch and ExcludeArch are refused early")
@pytest.mark.parametrize("preamble", ["ExclusiveArch: x86_64", "ExcludeArch: %{_target_cpu}"])
def test_another_architecture_is_refused_before_anything_is_installed(
    bench: Bench, workspace: Workspace, preamble: str
) -> None:
    done = bench.resolve(workspace, bench.spec(f"{preamble}\nBuildRequires: no-such-a\n"), TARGETS[0])
    refused(workspace, done, errors.WrongArchitecture, "x.spec cannot be built for noarch: its Exclu")


@pytest.mark.promise("3.bad", "a spec that does not parse, or does not end, is told")
def test_a_spec_that_does_not_parse_is_told_with_its_line(bench: Bench, workspace: Workspace) -> None:
    done = bench.resolve(workspace, bench.spec("%if 1 +\n"), TARGETS[0])
    refused(workspace, done, errors.SpecFailed, "x.spec cannot be evaluated by the target's rpmbuild")
    assert re.search(r"SPECS/x\.spec:(?: line )?\d+: ", done.stderr), done.stderr


@pytest.mark.promise("3.bad", "a spec that does not parse, or does not end, is told")
def test_generated_requirements_that_never_come_are_ended(bench: Bench, workspace: Workspace) -> None:
    rest = REST.replace("%install", "%generate_buildrequires\nsleep 1000\n%install")
    done = bench.resolve(workspace, bench.spec("BuildRequires: bash\n", rest), TARGETS[0], "--timeout", "5")
    refused(workspace, done, errors.BuildTimeout, "was ended after 5 seconds")
