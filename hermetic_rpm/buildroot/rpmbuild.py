"""Code of the package: unpacking the SRPM, evaluating its spec, building, as ``mockbuild``.

All of it runs after pivot_root into the buildroot, without a network, a capability or a
mount of the outside.  What it leaves in the tree is read back without following a link.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hermetic_rpm import files, inputs
from hermetic_rpm.buildroot import sandbox
from hermetic_rpm.buildroot.commandlog import CommandLog
from hermetic_rpm.buildroot.limits import package_limits
from hermetic_rpm.buildroot.sandbox import HOSTNAME, MOCKBUILD_GID, MOCKBUILD_UID, Mount, Outcome, Preparation, Sandbox
from hermetic_rpm.errors import BuildTimeout, SourceMissing, SpecFailed, WrongArchitecture
from hermetic_rpm.rpmfile import Header

HOME = "/builddir"
TOPDIR = f"{HOME}/build"
SRPMS = f"{TOPDIR}/SRPMS"
DIRECTORIES = ("RPMS", "SPECS", "SRPMS", "SOURCES", "BUILD", "BUILDROOT", "originals")
ENVIRONMENT = (
    ("TERM", "vt100"),
    ("SHELL", "/bin/bash"),
    ("HOME", HOME),
    ("HOSTNAME", "mock"),
    ("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
    ("LANG", "C.UTF-8"),
)
"""What package code finds in its environment, and nothing else (MOCK-COMPAT)."""

REPRODUCIBLE_MACROS: tuple[tuple[str, str | int], ...] = (
    ("%source_date_epoch_from_changelog", "1"),
    ("%use_source_date_epoch_as_buildtime", "1"),
    ("%clamp_mtime_to_source_date_epoch", "1"),
    ("%build_mtime_policy", "clamp_to_source_date_epoch"),
    ("%_buildhost", HOSTNAME),
)
"""Time stamps come from the changelog (``build_mtime_policy`` is rpm 4.20's name for what stands above it)."""

DYNAMIC = "rpmlib(DynamicBuildRequires)"
UNMET_REQUIREMENTS = 11
"""The exit status of rpmbuild when generated requirements are not installed."""

PARTS = (" requires", " conflicts", " exclusive", " excluded", " architecture")
QUERY = (
    "--qf", f"{PARTS[0]}\\n", "--requires", "--qf", f"{PARTS[1]}\\n", "--conflicts",
    "--qf", f"{PARTS[2]}\\n[%{{EXCLUSIVEARCH}}\\n]{PARTS[3]}\\n[%{{EXCLUDEARCH}}\\n]",
    "--qf", f"{PARTS[4]}\\n%{{ARCH}}\\n",
)  # fmt: skip
"""One question for all demands, each below a heading: rpm joins the formats, and no dependency begins with a blank."""

WRONG_ARCHITECTURE = re.compile(r"(?i)architecture is (not included|excluded)|no compatible architectures")
MISSING_SOURCE = re.compile(rf"Bad (?:file|source): {TOPDIR}/SOURCES/(.+?): ")
SAFE_SPEC = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*\.spec")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRoom:
    """A buildroot in which package code runs for one architecture; ``options`` are rpmbuild's for the spec."""

    root: Path
    architecture: str
    log: CommandLog
    echo: Callable[[str], None] | None = None
    timeout: int | None = None
    source_date: int | None = None
    mounts: tuple[Mount, ...] = ()
    limits: tuple[tuple[str, int], ...] = package_limits()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Demands:
    """What a source RPM demands: each sorted, requirements and conflicts as rpm prints them.

    ``architecture`` is what ``exclusive`` and ``excluded`` are about: noarch, or the target's.
    """

    architecture: str
    requirements: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def input_mounts(directory: Path) -> tuple[Mount, ...]:
    """The mounts that show package code each further input below ``directory`` (`hermetic_rpm.inputs.take`)."""
    return tuple(
        sandbox.bind(path, f"{inputs.PLACE}/{path.name}", read_only=True) for path in sorted(directory.iterdir())
    )


def environment(source_date: int | None) -> tuple[tuple[str, str], ...]:
    """The environment of package code; ``source_date`` (seconds since 1970) where the spec has no changelog."""
    return ENVIRONMENT if source_date is None else (*ENVIRONMENT, ("SOURCE_DATE_EPOCH", str(source_date)))


def room(package: PackageRoom) -> Sandbox:
    """The sandbox of package code."""
    return Sandbox(
        root=package.root,
        mounts=(*sandbox.system_mounts(), *package.mounts),
        environment=environment(package.source_date),
        uid=MOCKBUILD_UID,
        gid=MOCKBUILD_GID,
        cwd=HOME,
        limits=package.limits,
        timeout=package.timeout,
    )


def preparations(macros: tuple[tuple[str, str | int], ...]) -> tuple[Preparation, ...]:
    """User, directories, macros and name resolution of a fresh buildroot."""
    given = {name for name, _ in macros}
    lines = [*macros, *((name, value) for name, value in REPRODUCIBLE_MACROS if name not in given)]
    content = "".join(f"{name} {value}\n" for name, value in lines)
    return (
        Preparation(kind="directory", path="/etc"),
        Preparation(kind="entry", path="/etc/group", content=f"mock:x:{MOCKBUILD_GID}:"),
        Preparation(
            kind="entry", path="/etc/passwd",
            content=f"mockbuild:x:{MOCKBUILD_UID}:{MOCKBUILD_GID}::{HOME}:/bin/bash",
        ),
        *(
            Preparation(kind="directory", path=path, uid=MOCKBUILD_UID, gid=MOCKBUILD_GID)
            for path in (HOME, TOPDIR, *(f"{TOPDIR}/{name}" for name in DIRECTORIES))
        ),
        Preparation(
            kind="file", path=f"{HOME}/.rpmmacros", content=content, mode=0o644,
            uid=MOCKBUILD_UID, gid=MOCKBUILD_GID,
        ),
        Preparation(kind="file", path="/etc/resolv.conf", mode=0o644),
        Preparation(
            kind="file", path="/etc/hosts", mode=0o644,
            content="127.0.0.1 localhost localhost.localdomain\n::1 localhost localhost.localdomain\n",
        ),
    )  # fmt: skip


def prepare(package: PackageRoom, macros: tuple[tuple[str, str | int], ...]) -> None:
    """Make the buildroot ready for package code."""
    as_root = replace(room(package), uid=0, gid=0, cwd="/", limits=(("core", 0),), prepare=preparations(macros))
    outcome = sandbox.run(as_root, ("/bin/sh", "-c", ":"))
    if outcome.returncode != 0:
        raise SpecFailed(
            "The minimal buildroot cannot even run /bin/sh.",
            solution="Add a shell and what rpmbuild needs to the target's buildroot packages.",
            log_tail=outcome.tail,
        )


def run(package: PackageRoom, argv: tuple[str, ...], sandbox_: Sandbox | None = None) -> Outcome:
    """Run package code; what it prints goes to the log.  Raises `BuildTimeout`."""
    package.log.command(argv)

    def line(text: str) -> None:
        package.log.line(text)
        if package.echo is not None:
            package.echo(text)

    outcome = sandbox.run(sandbox_ or room(package), argv, on_line=line)
    if outcome.left_behind:
        package.log.line(f"hermetic-rpm: ended {outcome.left_behind} processes that were left behind")
    if outcome.returncode is None:
        raise BuildTimeout(f"{argv[0]} was ended after {package.timeout} seconds.", log_tail=outcome.tail)
    return outcome


def import_srpm(package: PackageRoom, srpm: Path, header: Header, prepare: tuple[Preparation, ...] = ()) -> str:
    """Unpack a source RPM, whose header was read, below /builddir/build; returns the file name of its spec.

    ``prepare`` is done before, for a buildroot that `prepare` was not called for.
    """
    specs = [name for name in header.files if SAFE_SPEC.fullmatch(name)]
    if not specs:
        raise SpecFailed(f"{srpm.name} holds no spec file with a usable name.")
    inner = f"{TOPDIR}/originals/{srpm.name}"
    base = room(package)
    mounts = (*base.mounts, sandbox.bind(srpm, inner, read_only=True))
    done = run(package, ("rpm", "-Uvh", "--nodeps", inner), replace(base, mounts=mounts, prepare=prepare))
    if done.returncode != 0:
        raise SpecFailed(f"{srpm.name} cannot be unpacked by the target's rpm.", log_tail=done.tail)
    return specs[0]


def rpmbuild_command(package: PackageRoom, spec: str, *options: str) -> tuple[str, ...]:
    """rpmbuild in a login shell, since packages bring settings in /etc/profile.d."""
    target = ("--target", package.architecture, f"{TOPDIR}/SPECS/{spec}")
    return shell_command(("rpmbuild", *options, *package.options, *target))


def shell_command(command: tuple[str, ...]) -> tuple[str, ...]:
    """A shell, or a command, with the environment that rpmbuild gets."""
    return ("bash", "--login", *(("-c", shlex.join(command)) if command else ()))


def build_directory(package: PackageRoom) -> str:
    """Where a build went on, as a path in the buildroot: the only directory in BUILD, or BUILD itself."""
    build = f"{TOPDIR}/BUILD"
    names = files.names_inside(package.root, build[1:])
    directories = [name for name in names if files.is_directory_inside(package.root, f"{build[1:]}/{name}")]
    return f"{build}/{directories[0]}" if len(directories) == 1 else build


def rpmbuild(package: PackageRoom, spec: str, *options: str) -> Outcome:
    """Run rpmbuild; raises `WrongArchitecture` where it refuses the target's."""
    outcome = run(package, rpmbuild_command(package, spec, *options))
    refusal = next((line for line in outcome.tail if WRONG_ARCHITECTURE.search(line)), None)
    if outcome.returncode != 0 and refusal is not None:
        raise WrongArchitecture(f"{spec} cannot be built for {package.architecture}: {refusal.strip()}")
    return outcome


def source_rpm(package: PackageRoom, spec: str) -> str:
    """Make the source RPM anew with the macros there are now; returns its path in the buildroot."""
    made = _source_rpms(package, spec)
    if len(made) > 1:  # a macro that came since has changed the version: the earlier one goes
        run(package, ("rm", "-rf", "--", *(f"{SRPMS}/{name}" for name in made)))
        made = _source_rpms(package, spec)
    if len(made) != 1:
        raise SpecFailed(f"rpmbuild -bs of {spec} made {len(made)} source RPMs instead of one.")
    return f"{SRPMS}/{made[0]}"


def _source_rpms(package: PackageRoom, spec: str) -> tuple[str, ...]:
    outcome = rpmbuild(package, spec, "-bs", "--nodeps")
    missing = [found[1] for line in outcome.tail if (found := MISSING_SOURCE.search(line))]
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        raise SourceMissing(f"{spec} names sources that are not there: {names}.", log_tail=outcome.tail)
    if outcome.returncode != 0:
        raise SpecFailed(f"{spec} cannot be evaluated by the target's rpmbuild.", log_tail=outcome.tail)
    return tuple(name for name in files.names_inside(package.root, SRPMS[1:]) if name.endswith("src.rpm"))


def generated_requirements_rpm(package: PackageRoom) -> str | None:
    """The path in the buildroot of the package in which rpmbuild left generated requirements."""
    made = [name for name in files.names_inside(package.root, SRPMS[1:]) if name.endswith(".buildreqs.nosrc.rpm")]
    if len(made) > 1:
        raise SpecFailed(f"The spec changes its name or version with what is installed: {', '.join(made)}.")
    return f"{SRPMS}/{made[0]}" if made else None


def requirements(package: PackageRoom, path: str) -> tuple[str, ...]:
    """The requirements of a (source) RPM in the buildroot, sorted, each as rpm prints it."""
    return demands(package, path).requirements


def demands(package: PackageRoom, path: str) -> Demands:
    """What a (source) RPM in the buildroot demands."""
    done = sandbox.run(_query_room(package), ("rpm", "-qp", *QUERY, path))
    if done.returncode != 0:
        raise SpecFailed(f"The dependencies of {path} cannot be read.", log_tail=done.tail)
    found: dict[str, set[str]] = {part: set() for part in PARTS}
    part = PARTS[0]
    for line in done.stdout.splitlines():
        if line in PARTS:
            part = line
        elif line.strip() not in ("", "(none)"):
            found[part].add(line.strip())
    requirements, conflicts, exclusive, excluded, architecture = (tuple(sorted(found[part])) for part in PARTS)
    return Demands(
        requirements=requirements, conflicts=conflicts, exclusive=exclusive, excluded=excluded,
        architecture="".join(architecture),
    )  # fmt: skip


def _query_room(package: PackageRoom) -> Sandbox:
    """The sandbox for questions: with a home whose macros the package cannot have written."""
    base = room(package)
    return replace(base, cwd="/", environment=tuple((k, "/" if k == "HOME" else v) for k, v in base.environment))
