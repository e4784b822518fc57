"""The flow of the builder: check, bootstrap, buildroot, rpmbuild, results."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hermetic_rpm import files, inputs, rpmfile
from hermetic_rpm.buildroot import bootstrap, completion, kept, limits, rpmbuild, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.rpmbuild import PackageRoom
from hermetic_rpm.buildroot.sandbox import Outcome
from hermetic_rpm.edge import Report, expect_srpm
from hermetic_rpm.errors import (
    BootstrapMismatch,
    BuildFailed,
    BuildrootMismatch,
    HermeticError,
    Interrupted,
    NetworkPresent,
    OptionsLocked,
    RequirementNotLocked,
    SrpmMissing,
)
from hermetic_rpm.image import unpack
from hermetic_rpm.inputs import Input
from hermetic_rpm.lock import join, options, repository
from hermetic_rpm.lock.compare import installed_differences
from hermetic_rpm.lock.model import NO_OPTIONS, BuildOptions, Lock
from hermetic_rpm.preflight import facts as kernel
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import outputs_of
from hermetic_rpm.rpmfile import Header, Readers
from stages.builder import collect, logs
from stages.builder.logs import Logs

REPOSITORY = "/hermetic_repo"
UNMET = "error: Failed build dependencies:"
NEEDED = re.compile(r"^\s+(\S.*) is needed by \S+$")
CONFLICTS = re.compile(r"^\s+(\S.*) conflicts with \S+$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the builder was asked to do (paths inside its container); ``timeout`` in seconds.

    Without ``srpm`` it builds the source RPM that lies beside the lockfile.
    """

    srpm: Path | None
    options: BuildOptions
    lockfile: Path
    repository: Path
    output: Path
    scratch: Path
    require_no_network: bool
    allow_other_srpm: bool
    timeout: int | None
    createrepo: bool
    inputs: tuple[Input, ...]
    expected: Mapping[str, str]
    limits: tuple[tuple[str, int], ...]
    keep_buildroot: bool


def build(request: Request, progress: Progress, report: Report) -> None:
    """Write the RPMs and logs into the output directory."""
    if request.keep_buildroot:
        kept.refuse_taken(request.scratch)
    collect.remove_earlier(request.output, createrepo=request.createrepo)
    with logs.open_logs(request.output, progress) as log:
        with log.phase("check"):
            lock, srpm = _check(request, report, progress)
        scratch = files.scratch_directory(request.scratch, "build-")
        try:
            with log.phase("inputs"):
                report.inputs |= inputs.take(request.inputs, scratch / kept.INPUTS, request.expected)
            with ThreadPoolExecutor(max_workers=1) as beside, Readers() as readers:
                _build(request, lock, srpm, scratch, log, report, beside, readers)
        except Interrupted:
            raise
        except HermeticError:
            _keep(request, scratch, progress, report)
            raise
        finally:
            sandbox.remove(scratch)


def _keep(request: Request, scratch: Path, progress: Progress, report: Report) -> None:
    """Keep the buildroot of a failed build if the caller wants it; the failure stays what is told."""
    report.facts["buildroot_kept"] = False
    if not request.keep_buildroot:
        return
    sandbox.remove(scratch / "bootstrap", scratch / "unpack")
    try:
        found = kept.keep(scratch)
    except HermeticError as error:
        progress.warn(f"the buildroot could not be kept: {error.reason}")
        return
    report.facts["buildroot_kept"] = found is not None
    if found is not None:
        progress.say(f"the buildroot is kept in {found}, for `hermetic-rpm shell`")


def _check(request: Request, report: Report, progress: Progress) -> tuple[Lock, Path]:
    """The lock, and the source RPM to build, whose content is not known yet."""
    interfaces = tuple(sorted(name for _, name in socket.if_nameindex()))
    report.facts["network_interfaces_outside"] = list(interfaces)
    report.facts["outside"] = _outside()
    if request.require_no_network and interfaces != ("lo",):
        raise NetworkPresent(f"The builder has the network interfaces {', '.join(interfaces)}.")
    report.facts["host_name_outside"] = host = socket.gethostname()
    if host != sandbox.HOSTNAME:
        progress.warn(f"package code may see the host name {host}; `podman run --hostname={sandbox.HOSTNAME}` hides it")
    lock = join.load(request.lockfile)
    join.expect(lock, request.expected)
    report.facts["sidecar"] = lock.sidecar is not None
    if lock.sidecar is None:
        progress.warn(
            "this lock has no sidecar: only sigmd5 and NEVRA can be checked, and not whether this is the resolved SRPM"
        )
    report.inputs |= join.checksums(lock)
    report.facts["build_options"] = list(options.arguments(_options(request, lock)))
    return lock, request.srpm or _beside(request.lockfile, lock)


def _outside() -> dict[str, Any]:
    """What the container gave the builder itself, from which nothing reaches what runs inside."""
    found = kernel.read()
    return {
        "uid": found.uid,
        "user_ids": found.ids[0],
        "capabilities": sorted(found.capabilities),
        "no_new_privileges": found.no_new_privileges,
        "seccomp_filter": found.seccomp,
    }


def _options(request: Request, lock: Lock) -> BuildOptions:
    """The options that the resolver recorded, or for a lock without sidecar the caller's; raises `OptionsLocked`."""
    if lock.sidecar is None:
        return request.options
    if request.options != NO_OPTIONS:
        raise OptionsLocked("The options of the build are those of the lock; others were given.")
    return lock.sidecar.build_options


def _beside(lockfile: Path, lock: Lock) -> Path:
    """The source RPM that a resolver made and left beside its lock; raises `SrpmMissing`."""
    if lock.sidecar is None:
        raise SrpmMissing("Nothing names the source RPM of a lock without sidecar.", solution="Name it with --srpm.")
    return lockfile.with_name(lock.sidecar.srpm.name)


def _source_rpm(request: Request, srpm: Path, lock: Lock, report: Report, progress: Progress) -> str:
    """The sha256 of the source RPM: the resolved one, unless the caller wants to try another."""
    resolved = None if lock.sidecar is None else lock.sidecar.srpm.sha256
    found = files.sha256_of(srpm)
    report.facts["srpm_was_resolved"] = None if resolved is None else found == resolved
    if not request.allow_other_srpm:
        repository.check_source_rpm(lock, srpm.name, found)
    elif resolved not in (None, found):
        progress.warn(f"{srpm.name} is not the source RPM that was resolved")
    return found


def _build(
    request: Request, lock: Lock, srpm: Path, scratch: Path, log: Logs, report: Report, beside: Executor,
    readers: Readers,
) -> None:  # fmt: skip
    """Nothing runs before all inputs are checked.

    ``beside`` other work the image is unpacked and later removed, and who will read the results is started.
    """
    progress = log.progress
    with log.phase("unpack"):
        unpacked = beside.submit(_unpack, lock, request.repository, scratch, progress)
        header = rpmfile.check_source_rpm(srpm)
        report.inputs["srpm"] = _source_rpm(request, srpm, lock, report, progress)
        expect_srpm(report.inputs["srpm"], request.expected)
        repository.check_files(lock, request.repository)
        unpacked.result()
        report.facts["repository_equals_lock"] = True
    boot = Bootstrap(root=scratch / "bootstrap", buildroot=scratch / kept.BUILDROOT, log=log.root)
    boot.buildroot.mkdir()
    if lock.bootstrap_packages:
        with log.phase("bootstrap"):
            progress.say(f"{len(lock.bootstrap_packages)} locked packages complete the bootstrap")
            complete_bootstrap(boot, lock, request.repository, timeout=request.timeout)
    with log.phase("buildroot"):
        progress.say(f"buildroot of {len(lock.packages)} locked packages")
        inside = {"install": dict(install(boot, lock, request.repository, timeout=request.timeout).inside)}
        report.facts["inside"] = inside
        report.facts["buildroot_equals_lock"] = True
        logs.write_installed(request.output, lock)
        logs.write_hardware(request.output)
    beside.submit(sandbox.remove, boot.root)
    readers.warm()
    package = _package_room(request, lock, scratch, log)
    report.facts["limits"] = {"seconds": request.timeout, **limits.found(request.limits)}
    with log.phase("rpmbuild"), limits.memory_watched(lambda killed: report.facts.update(memory_kills=killed)):
        outcome = _rpmbuild(package, lock, srpm, header, progress)
        inside["rpmbuild"] = dict(outcome.inside)
        if outcome.returncode != 0:
            files.check_space(boot.buildroot, outcome.tail)
            raise failure(outcome, srpm, None if lock.sidecar is None else lock.sidecar.target.name)
    with log.phase("collect"):
        built = collect.results(boot.buildroot, request.output, readers)
    with log.phase("describe"):
        described = collect.describe(
            request.output, built, lock, srpm, report.inputs["srpm"], createrepo=request.createrepo
        )
    known = {package.path: package.sha256 for package in built}
    report.outputs = outputs_of(
        request.output, [*known, *described, *(request.output / name for name in logs.NAMES)], known
    )
    report.summary = f"built {len(built)} packages in {request.output}: {', '.join(path.name for path in known)}"


def _unpack(lock: Lock, directory: Path, scratch: Path, progress: Progress) -> None:
    """Unpack the bootstrap image of the offline repository, which must be the locked one."""
    image = repository.check_image(lock, directory)
    unpack.unpack(image, scratch / "bootstrap", scratch / "unpack", say=progress.say)


def _package_room(request: Request, lock: Lock, scratch: Path, log: Logs) -> PackageRoom:
    """The buildroot as package code finds it: with the repository, the further inputs, limits and options."""
    return PackageRoom(
        root=scratch / kept.BUILDROOT, architecture=lock.lockfile.config.target_arch, log=log.build,
        echo=log.progress.output, timeout=request.timeout,
        mounts=(
            sandbox.bind(request.repository, REPOSITORY, read_only=True),
            *rpmbuild.input_mounts(scratch / kept.INPUTS),
        ),
        limits=request.limits,
        options=options.arguments(_options(request, lock)),
    )  # fmt: skip


def complete_bootstrap(boot: Bootstrap, lock: Lock, repository: Path, *, timeout: int | None) -> None:
    """Install what the image lacked and compare what rpm then lists anew.

    Raises `BootstrapMismatch`, or what `completion.complete` does.
    """
    locked = tuple(package.rpm for package in lock.bootstrap_packages)
    names = [package.file_name for package in lock.bootstrap_packages]
    added = completion.complete(boot, repository, names, timeout=timeout)
    wrong = installed_differences(locked, added)
    if wrong:
        raise BootstrapMismatch("\n".join(("The completed bootstrap is not what was locked:", *wrong[:20])))


def install_command(lock: Lock) -> tuple[str, ...]:
    """One rpm transaction of the exact list: pure.

    ``-i``, since ``-U`` would drop the older of two install-only packages; no signatures or
    digests, since every file was just hashed against the lock.
    """
    return (
        "rpm", "--install", "--root", bootstrap.BUILDROOT, "--nosignature", "--nodigest", "--",
        *(f"{REPOSITORY}/{package.file_name}" for package in lock.packages),
    )  # fmt: skip


def install(boot: Bootstrap, lock: Lock, repository: Path, *, timeout: int | None = None) -> Outcome:
    """Install the locked packages and compare what rpm then lists; raises `BuildrootMismatch`, or `BuildTimeout`."""
    room = bootstrap.room(boot, mounts=(sandbox.bind(repository, REPOSITORY, read_only=True),), timeout=timeout)
    outcome = bootstrap.run(boot, room, install_command(lock))
    if outcome.returncode != 0:
        files.check_space(boot.buildroot, outcome.tail)
        raise BuildrootMismatch("rpm cannot install the locked packages.", log_tail=outcome.tail)
    wrong = installed_differences(lock.lockfile.rpms, bootstrap.installed(boot))
    if wrong:
        raise BuildrootMismatch("\n".join(("The buildroot is not what was locked:", *wrong[:20])))
    return outcome


def _rpmbuild(package: PackageRoom, lock: Lock, srpm: Path, header: Header, progress: Progress) -> Outcome:
    """The loops of the resolver offline, and then the build with the dependency check of rpmbuild itself.

    Nothing can be installed here, so that each loop ends after its first round.  A spec with
    generated requirements is built by ``-ba``, so that its SRPM carries them.
    """
    spec = rpmbuild.import_srpm(package, srpm, header, rpmbuild.preparations(lock.lockfile.config.macros))
    package = replace(package, source_date=header.date)
    kept.describe(package, spec)
    progress.say(f"rpmbuild of {spec}")
    requirements = rpmbuild.requirements(package, rpmbuild.source_rpm(package, spec))
    if any(requirement.startswith(rpmbuild.DYNAMIC) for requirement in requirements):
        outcome = rpmbuild.rpmbuild(package, spec, "-br", "--nodeps")
        if outcome.returncode in (0, rpmbuild.UNMET_REQUIREMENTS):
            outcome = rpmbuild.rpmbuild(package, spec, "-ba", "--noprep")
    else:
        outcome = rpmbuild.rpmbuild(package, spec, "-bb")
    return outcome


def failure(outcome: Outcome, srpm: Path, target: str | None) -> BuildFailed | RequirementNotLocked:
    """The error that rpmbuild's last lines mean, for a lock of ``target`` if that is known: pure."""
    said = outcome.tail[max((n for n, line in enumerate(outcome.tail) if line == UNMET), default=0) :]
    needed = [found[1] for line in said if (found := NEEDED.match(line))]
    if needed:
        more = "" if UNMET in said else ", and more that build.log names"
        options = f"-p srpm={shlex.quote(srpm.name)} -p target={target or 'NAME'}"
        return RequirementNotLocked(
            f"{srpm.name} needs what is not locked: {', '.join(needed)}{more}.",
            solution=f"Resolve, fetch and build again: `hermetic-rpm run {options}`, or `hermetic-resolve` by itself "
            f"with `--srpm` and `--target {target or 'NAME'}`.",
        )
    conflicts = [found[1] for line in said if (found := CONFLICTS.match(line))]
    if conflicts:
        return BuildFailed(
            f"The BuildConflicts of {srpm.name} forbid what is locked: {', '.join(conflicts)}.",
            solution="Resolve again: the resolver keeps out what conflicts, or tells why it cannot.",
        )
    return BuildFailed(f"rpmbuild of {srpm.name} ended with status {outcome.returncode}.", log_tail=outcome.tail)
