"""Every error a user can meet: one class, one exit code, a reason and a solution.

Only the edges (the stages' ``__main__`` and the runner's command line) catch
`HermeticError`; everything else raises.  The table in ``docs/reference/exit-codes.md``
is generated from this module, and a test holds the codes unique.
"""

from __future__ import annotations

from typing import ClassVar


class HermeticError(Exception):
    """An expected failure: ``reason`` says what is wrong, ``solution`` what to do about it."""

    exit_code: ClassVar[int] = 1
    default_solution: ClassVar[str] = ""

    def __init__(self, reason: str, *, solution: str | None = None, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.solution = self.default_solution if solution is None else solution
        self.log_tail = log_tail
        self.stage: str | None = None
        """The stage of a run in which it came up, if a run says so."""


# -- the source RPM -----------------------------------------------------------------------


class SrpmMissing(HermeticError):
    """The source RPM does not exist or cannot be read."""

    exit_code = 10
    default_solution = "Give the path of a source RPM that exists and is readable inside the container."


class NotAnRpm(HermeticError):
    """The file given as source RPM is not an RPM package."""

    exit_code = 11
    default_solution = "Give a source RPM (*.src.rpm), as `rpmbuild -bs` or `fedpkg srpm` makes it."


class BinaryRpm(HermeticError):
    """The file given as source RPM is a binary RPM."""

    exit_code = 12
    default_solution = "Give the source RPM (*.src.rpm); its name is in `rpm -qp --qf '%{SOURCERPM}' FILE`."


class DamagedRpm(HermeticError):
    """The source RPM is truncated or its digests do not match."""

    exit_code = 13
    default_solution = "Download or copy the source RPM again and compare its checksum with the origin's."


class SpecFailed(HermeticError):
    """The spec of the source RPM cannot be evaluated in the target's buildroot."""

    exit_code = 14
    default_solution = "Read the lines above: the spec must parse with the target's rpmbuild and macros."


class WrongArchitecture(HermeticError):
    """The package excludes the target's architecture."""

    exit_code = 15
    default_solution = "Choose a target of an architecture that the spec allows (ExclusiveArch, ExcludeArch)."


class SourceMissing(HermeticError):
    """A source or patch that the spec names is not in the directory of sources."""

    exit_code = 47
    default_solution = (
        "Put the file, no link to one, directly into the directory given with --sources; a source RPM must hold it."
    )


# -- configuration ------------------------------------------------------------------------


class TargetUnknown(HermeticError):
    """No target file of that name exists."""

    exit_code = 20
    default_solution = "Choose one of the files in targets/, or give the path of a target file."


class TargetInvalid(HermeticError):
    """The target file does not conform to its schema."""

    exit_code = 21
    default_solution = "Correct the places named above; schemas/target.schema.json has the rules."


class PipelineInvalid(HermeticError):
    """The pipeline file does not conform to its schema, or asks for what is never allowed."""

    exit_code = 22
    default_solution = "Correct the places named above; schemas/pipeline.schema.json has the rules."


class PolicyInvalid(HermeticError):
    """The policy file does not conform to its schema, or names what does not exist."""

    exit_code = 23
    default_solution = "Correct the places named above; docs/reference/policy.md explains each rule."


class TargetUnsupported(HermeticError):
    """The target says what the resolver does not do yet."""

    exit_code = 24
    default_solution = (
        "Choose or write a target without it. `hermetic-rpm target list` shows which targets can be used."
    )


class MockConfigUnusable(HermeticError):
    """A chroot configuration of Mock cannot be evaluated, or no target can be made of it."""

    exit_code = 25
    default_solution = "Look at what the configuration sets at the place named above; Mock reads it in the same way."


class ModuleUnknown(HermeticError):
    """No repository of the target has a module, or a stream of it, that the target chooses."""

    exit_code = 107
    default_solution = (
        "Correct module_streams or disabled_modules of the target: `dnf module list` shows what there is."
    )


class CertificateMissing(HermeticError):
    """A repository of the target is read with a client certificate that was not given."""

    exit_code = 106
    default_solution = "Name certificate and key: --client-certificate NAME=CERTIFICATE,KEY."


# -- resolving ----------------------------------------------------------------------------


class UnsatisfiedRequirement(HermeticError):
    """No repository of the target provides a build requirement."""

    exit_code = 30
    default_solution = "Add a repository that provides it to the target, or correct the BuildRequires of the spec."


class RequirementRefused(HermeticError):
    """A build requirement that would make the package manager read a file or URL instead."""

    exit_code = 31
    default_solution = "Correct the BuildRequires of the spec."


class ResolveDidNotSettle(HermeticError):
    """The requirements kept changing for as many rounds as are allowed."""

    exit_code = 32
    default_solution = "Make %generate_buildrequires deterministic: the requirements named above come and go."


class PackageManagerFailed(HermeticError):
    """The target's package manager failed."""

    exit_code = 33
    default_solution = "Read its output above; the whole of it is in resolver.log."


class RepositoryUnavailable(HermeticError):
    """A repository of the target cannot be read."""

    exit_code = 34
    default_solution = "Check the repository's address in the target file, the network and its certificates."


class SourceUnknown(HermeticError):
    """An installed package is in no repository of the target, so that nobody could fetch it."""

    exit_code = 35
    default_solution = "Run the resolver again with an empty cache; if it stays, the repository changed meanwhile."


class PackageManagerMissing(HermeticError):
    """The bootstrap image holds no package manager that the target can use, nor an rpm that could install one."""

    exit_code = 36
    default_solution = "Choose a bootstrap image with dnf5 or dnf 4 in it, or at least with rpm and rpmdb."


class BootstrapIncomplete(HermeticError):
    """The package manager that the bootstrap image lacks cannot be installed into it."""

    exit_code = 37
    default_solution = "Choose an image that has it, another package_manager in the target, or add its repository."


class BootstrapMismatch(HermeticError):
    """The bootstrap image, completed with the locked packages, holds something else than was locked."""

    exit_code = 38
    default_solution = "Resolve again: the lock belongs to another image, or to another rpm in it."


class ConflictUnavoidable(HermeticError):
    """What a BuildConflicts of the spec names cannot be kept out of the buildroot."""

    exit_code = 39
    default_solution = "Choose a target without the conflicting package, or correct the BuildConflicts of the spec."


# -- lockfile and images ------------------------------------------------------------------


class LockInvalid(HermeticError):
    """The lockfile or its sidecar does not conform to its schema, or says what nobody may say."""

    exit_code = 40
    default_solution = (
        "Resolve again: a lockfile has the format 1.1.0, with its bootstrap image, as a resolver writes it."
    )


class LockMismatch(HermeticError):
    """The sidecar, the source RPM or the keys belong to another lockfile."""

    exit_code = 41
    default_solution = "Keep lockfile, sidecar, keys and source RPM of one resolver run together, or resolve again."


class ImageUnavailable(HermeticError):
    """The bootstrap image cannot be had from any of its locations."""

    exit_code = 42
    default_solution = "Check the image's reference in the target, the registry and the credentials for it."


class ImageInvalid(HermeticError):
    """The bootstrap image is not what its digests say, or holds what no image may hold."""

    exit_code = 43
    default_solution = "Fetch the image again; if it stays, do not trust its origin."


class PackageNotLocked(HermeticError):
    """The lock holds no package of that name."""

    exit_code = 44
    default_solution = "`hermetic-rpm lock show` lists the packages of a lock."


class EdgesMissing(HermeticError):
    """The lock does not say which package requires which."""

    exit_code = 45
    default_solution = "Resolve again: sidecars from 1.1.0 on hold the requirements between packages."


class ChecksumsMissing(HermeticError):
    """The lock does not say which sha256 and size its packages have."""

    exit_code = 46
    default_solution = "Resolve again: a lockfile made by Mock has no sidecar, which holds them."


class OptionsLocked(HermeticError):
    """Build options were given for a lock that has its own."""

    exit_code = 48
    default_solution = "Resolve again with these options: the builder repeats those that the lock's sidecar records."


# -- fetching -----------------------------------------------------------------------------


class DownloadFailed(HermeticError):
    """Something that is locked can be had nowhere."""

    exit_code = 50
    default_solution = "Check the addresses above; what a repository has dropped must come from a mirror or a new lock."


class VerificationFailed(HermeticError):
    """A file is not what the lockfile says."""

    exit_code = 51
    default_solution = (
        "Do not use it. Somebody changed the package at its origin, or the lockfile: resolve again and compare."
    )


class OriginRefused(HermeticError):
    """The lock names an address outside the declared origins."""

    exit_code = 52
    default_solution = (
        "Name the origin with --allow-origin if you trust it, or resolve again with its repository in the target."
    )


class AccessInvalid(HermeticError):
    """A file that should let a stage into a server (certificate, token, passwords) is not what it must be."""

    exit_code = 54
    default_solution = "Mount the file into the container, readable, and name it there."


class PolicyViolated(HermeticError):
    """The lock breaks rules of the policy; nothing was fetched."""

    exit_code = 53
    default_solution = "Resolve again for a target that keeps the rules named above, or have the policy changed."


class SourceRpmUnknown(HermeticError):
    """The source RPMs of all packages are wanted, and the lock does not tell where each of them is."""

    exit_code = 58
    default_solution = "Name the repositories of source RPMs in the target (source_repositories) and resolve again."


# -- building -----------------------------------------------------------------------------


class RepositoryIncomplete(HermeticError):
    """A locked file is missing in the offline repository."""

    exit_code = 60
    default_solution = "Run the fetcher again for this lockfile."


class RepositoryExtraFile(HermeticError):
    """The offline repository holds something that the lockfile does not name."""

    exit_code = 61
    default_solution = "Remove it, or run the fetcher into an empty directory."


class RepositoryAltered(HermeticError):
    """A file of the offline repository differs from what was locked."""

    exit_code = 62
    default_solution = "Do not build with it. Delete the file and run the fetcher again."


class BuildrootMismatch(HermeticError):
    """The packages installed in the buildroot are not the locked ones."""

    exit_code = 63
    default_solution = "The bootstrap's rpm did not install the locked set; build.log and root.log have its output."


class BuildFailed(HermeticError):
    """rpmbuild failed."""

    exit_code = 64
    default_solution = "Read the end of build.log above; all logs were kept in the results directory."


class RequirementNotLocked(HermeticError):
    """The build needs a package that is not in the lockfile."""

    exit_code = 65
    default_solution = "Resolve again with the same source RPM, target and options, then fetch and build."


class BuildTimeout(HermeticError):
    """The build took longer than it was allowed."""

    exit_code = 66
    default_solution = (
        "Give it more time with --timeout, or find out why it hangs: build.log or resolver.log has been kept."
    )


class NetworkPresent(HermeticError):
    """The builder was started with a network although it must have none."""

    exit_code = 67
    default_solution = "Start the builder with `podman run --network=none …`."


class BuildrootUnusable(HermeticError):
    """A package, or the bootstrap image, left a link, pipe or directory where the build needs something else."""

    exit_code = 68
    default_solution = "Find the package that put it there, and lock another one; do not trust its origin."


# -- the machine --------------------------------------------------------------------------


class SandboxRefused(HermeticError):
    """The host forbids what the unprivileged sandbox needs."""

    exit_code = 70
    default_solution = (
        "Run `hermetic-rpm doctor`, or the same container with only --preflight as argument: "
        "they say what forbids it, and the setting to change."
    )


class CommandFailed(HermeticError):
    """A command that should always work did not."""

    exit_code = 71


class DiskFull(HermeticError):
    """A file system is full."""

    exit_code = 72
    default_solution = "Free some space and run the same command again; nothing incomplete got a final name."


class OutputRefused(HermeticError):
    """An output directory cannot be written."""

    exit_code = 73
    default_solution = "Mount a writable directory there."


class ToolMissing(HermeticError):
    """A program that is needed is not installed."""

    exit_code = 74
    default_solution = "Run `make setup`."


class PreflightFailed(HermeticError):
    """The host refuses something without which a stage cannot work."""

    exit_code = 75
    default_solution = "Change the settings named above; docs/reference/hosts.md tells more."


# -- further inputs -----------------------------------------------------------------------


class InputRefused(HermeticError):
    """A further input is no directory, or holds what cannot be locked."""

    exit_code = 78
    default_solution = "Give a directory of files, directories and relative links that stay inside, all readable."


class InputMismatch(HermeticError):
    """A further input is missing, or not the one that was expected."""

    exit_code = 79
    default_solution = "Find out who changed it; if that is wanted, `hermetic-rpm hash DIRECTORY` says what to expect."


# -- archives -----------------------------------------------------------------------------


class ArchiveInvalid(HermeticError):
    """An archive is not, byte for byte, what its index says, or is none of ours."""

    exit_code = 76
    default_solution = "Nothing of it was kept. Copy it again from where it was packed; if it stays, do not trust it."


class ArchiveUnavailable(HermeticError):
    """An archive cannot be read, or cannot be copied to or from a registry."""

    exit_code = 77
    default_solution = "Check the name, the registry, its certificate, and the credentials for it."


# -- the runner ---------------------------------------------------------------------------


class PodmanUnavailable(HermeticError):
    """podman's API cannot be reached or started."""

    exit_code = 80
    default_solution = "Install podman (`make setup`), or name its socket with CONTAINER_HOST=unix:///path."


class StageImageMissing(HermeticError):
    """The image of a stage is not on this machine."""

    exit_code = 81
    default_solution = "Run `make images`."


class StageFailed(HermeticError):
    """A stage ended without saying why."""

    exit_code = 82
    default_solution = "Its last lines are above."


# -- signing ------------------------------------------------------------------------------


class SigningKeyUnusable(HermeticError):
    """The secret key cannot be read or cannot sign."""

    exit_code = 83
    default_solution = (
        "Give one secret key that has not expired, exported by `gpg --export-secret-keys` or as a GnuPG home, "
        "in files of the user who runs podman, and its passphrase in a file."
    )


class SigningFailed(HermeticError):
    """A package could not be signed, or its signature does not hold."""

    exit_code = 84
    default_solution = "Nothing of it was kept. rpm must know the key's algorithm: RSA is known to every rpm."


class ResultsAltered(HermeticError):
    """A package is not what the build wrote."""

    exit_code = 85
    default_solution = "Do not sign it. Build again, or restore the results as they were."


# -- building again -----------------------------------------------------------------------


class NotReproducible(HermeticError):
    """A second build from the same inputs gave other bytes."""

    exit_code = 90
    default_solution = (
        "Find out why the build writes what is named above: time, order of files, random numbers. "
        "`--keep DIR` keeps the second build."
    )


class InputsDiffer(HermeticError):
    """Lockfile, sidecar, source RPM or a further input are not those from which the results were built."""

    exit_code = 91
    default_solution = "Name what that build had: --workspace DIR, --srpm FILE, --input NAME=DIR."


class ResultsUnusable(HermeticError):
    """The directory does not hold the results of a build that succeeded."""

    exit_code = 92
    default_solution = "Name the results directory of the builder, with its result.json."


# -- the build: its memory, and what is kept of it -----------------------------------------


class AttestationMissing(HermeticError):
    """There is no provenance of these results, or it is malformed."""

    exit_code = 93
    default_solution = "Make one where the results were built: `hermetic-rpm attest RESULTS --key FILE`."


class AttestationUntrusted(HermeticError):
    """The provenance is not signed by the key."""

    exit_code = 94
    default_solution = "Do not believe what it says, unless you know who else signed it and trust that key."


class AttestationMismatch(HermeticError):
    """Results, lock, repository, bill of materials or policy are not what the provenance and the lock say."""

    exit_code = 95
    default_solution = "Do not use them; find out at the lines marked `failed` which file changed, and where."


class OutOfMemory(HermeticError):
    """The kernel ended a process of the build for lack of memory."""

    exit_code = 87
    default_solution = (
        "Give the container more memory (`podman run --memory`, `resources: {memory: …}` in the pipeline file), "
        "or build with fewer jobs (`%_smp_mflags`)."
    )


class KeptUnusable(HermeticError):
    """There is no kept buildroot to enter, or it is damaged."""

    exit_code = 88
    default_solution = "Build again with `hermetic-rpm run --keep-failed DIR`, and name that directory."


# -- a new project ------------------------------------------------------------------------


class StarterInTheWay(HermeticError):
    """A starter project would overwrite what is there."""

    exit_code = 100
    default_solution = "Name an empty directory, or move what is in the way."


# -- what is not run again ------------------------------------------------------------------


class NotLocked(HermeticError):
    """With --locked, there is no lock of the source RPM, target and options that were given."""

    exit_code = 96
    default_solution = "Run once without --locked: then the resolver writes a lock of what you gave."


class WorkspaceBusy(HermeticError):
    """Another run of the pipeline uses the same directory."""

    exit_code = 97
    default_solution = "Wait until it has ended, or name another workspace and output: -p workspace=DIR -p output=DIR."


# -- many source RPMs -----------------------------------------------------------------------


class SomeFailed(HermeticError):
    """Of many source RPMs at least one was not built."""

    exit_code = 101
    default_solution = "The table names stage, exit code and log of each; run the same command again to go on."


class SrpmsCollide(HermeticError):
    """Two of the source RPMs would have the same workspace."""

    exit_code = 102
    default_solution = "Give each name-version-release once, whatever its epoch; another one needs another workspace."


class ChainUnsettled(HermeticError):
    """The packages of a chain change the buildroots of each other again and again."""

    exit_code = 103
    default_solution = "Make those packages reproducible (`hermetic-rpm reproduce`), or build them without --chain."


# -- exports ------------------------------------------------------------------------------


class ExportRefused(HermeticError):
    """The pipeline cannot be said in the words of the system that it is exported for."""

    exit_code = 98
    default_solution = "Change what is named above in the pipeline file."


class PinMissing(HermeticError):
    """An image of the pipeline is not pinned by digest, or the file of the pins is not valid."""

    exit_code = 99
    default_solution = "Run `hermetic-rpm images push REGISTRY`, and name the file that it writes with --pins."


# -- the user -----------------------------------------------------------------------------


class Interrupted(HermeticError):
    """The user pressed Ctrl-C or the process was asked to end."""

    exit_code = 130
    default_solution = "Run the same command again; it continues from what was complete."


def every_error() -> tuple[type[HermeticError], ...]:
    """All classes of error, by exit code."""
    return tuple(sorted(HermeticError.__subclasses__(), key=lambda cls: cls.exit_code))
