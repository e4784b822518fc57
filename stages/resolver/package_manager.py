"""The target's own dnf, driven from the bootstrap: its configuration, commands and answers.

The functions down to `explain` are pure; `install` runs dnf in the sandbox of the bootstrap.
It downloads with a network, where it runs nothing of a package, and installs without one.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import files
from hermetic_rpm.buildroot import bootstrap, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.sandbox import Mount, Sandbox
from hermetic_rpm.errors import (
    DiskFull,
    HermeticError,
    ModuleUnknown,
    PackageManagerFailed,
    RepositoryUnavailable,
    RequirementRefused,
    UnsatisfiedRequirement,
)
from hermetic_rpm.target.keys import key_name
from hermetic_rpm.target.model import Option, Repository, Target
from stages.resolver import access
from stages.resolver.access import Access

CONFIG = "/hermetic-rpm-config"
CACHE = "/var/cache/dnf"
"""dnf 4 leaves a file below this path in the installroot too: it should be where dnf would do so by itself."""
MAX_REQUIREMENT = 1000

PROGRAMS = {"dnf5": ("dnf5", "dnf", "yum"), "dnf4": ("dnf-3", "dnf4", "dnf", "yum"), "yum": ("yum",)}
"""Under what names a package manager may be in the image, by what a target calls it; yum is dnf 4 by that name."""

FLAVOURS = {"dnf5": "dnf5", "dnf4": "dnf4", "yum": "dnf4"}
VERSIONS = {"dnf5": re.compile(r"dnf5 version 5\."), "dnf4": re.compile(r"4\.[0-9]")}
"""How the answer to ``--version`` begins."""

FLAVOUR_OPTIONS = {"dnf5": (), "dnf4": ("--disableplugin=local,spacewalk,versionlock", "--allowerasing")}
"""dnf 4's plugins that would change what is installed; dnf5 has --allowerasing per command."""
COMMAND_OPTIONS = {"dnf5": ("--allowerasing",), "dnf4": ()}
DOWNLOAD, OFFLINE = "--downloadonly", "--cacheonly"
NOTHING = "Nothing to do."
METADATA_SUFFIXES = (".solv", ".solvx")
"""What dnf 4 keeps of metadata beside the directories of the repositories."""

ADDRESS = re.compile(r"(?i)://|^(https?|ftp|file):")
"""What dnf takes for an address; dnf 4 needs no slashes for that."""

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~^:-]*( (<|<=|=|>=|>) [^\s()]+)?")
"""A name, with a version or without."""

NO_MODULE = re.compile(r"(?:No match for argument|missing groups or modules): (.+)$")
NO_MATCH = re.compile(r"(?:No match|All matches were filtered out by \w+ filtering) for argument: (.+)$")
NOTHING_PROVIDES = re.compile(r"nothing provides (?:requested )?(.+?)(?: needed by (.+))?$")
UNINSTALLABLE = re.compile(r"(package \S+.* (?:requires|conflicts with) .+)")
UNAVAILABLE = re.compile(r"(?i)(cannot download|failed to download metadata|cannot prepare internal mirrorlist"
                         r"|curl error|status code: [45]\d\d|no more mirrors|repomd\.xml)")  # fmt: skip
UNAVAILABLE_ID = re.compile(r"""for repo(?:sitory)? ["']([A-Za-z0-9._:+-]+)["']""")
BAD_SIGNATURE = re.compile(r"(?i)(gpg|signature|openpgp).*(fail|not|invalid|missing|wrong|incorrect)|is not signed")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageManager:
    """The package manager of a target as found in its bootstrap, and the cache it fills.

    ``mounts`` are its configuration and local repositories, ``online`` the same with what lets it
    into servers: packages, which run their scriptlets in a transaction, never see those.
    ``timeout`` (seconds) is for a transaction.
    """

    flavour: str
    program: str
    cache: Path
    mounts: tuple[Mount, ...]
    online: tuple[Mount, ...] = ()
    timeout: int | None = None


def configuration(target: Target, given: Access | None = None) -> str:
    """dnf's configuration file: what Mock sets for a hermetic resolve, and the repositories.

    ``given`` is how these are reached; without it the file is for dnf without a network.
    """
    lines = [
        "[main]", "keepcache=1", "assumeyes=1", "best=1", "install_weak_deps=0", "deltarpm=0",
        "allow_vendor_change=1", "protected_packages=", "gpgcheck=1", "localpkg_gpgcheck=1", "plugins=1",
        f"reposdir={CONFIG}/none", "varsdir=" + f"{CONFIG}/none", "logdir=/var/log", "debuglevel=2",
        "obsoletes=1", "clean_requirements_on_remove=0", "skip_if_unavailable=0", "metadata_expire=0",
        f"cachedir={CACHE}", f"system_cachedir={CACHE}",
    ]  # fmt: skip
    if target.module_platform_id is not None:
        lines.append(f"module_platform_id={target.module_platform_id}")
    own = dict(target.options)
    lines = [line for line in lines if line.partition("=")[0] not in own] + _option_lines(target.options)
    for repository in target.repositories:
        lines += ["", *_repository_lines(repository, given)]
    for repository in target.source_repositories:
        lines += ["", *_repository_lines(repository, given, enabled=False)]
    return "\n".join(lines) + "\n"


def _repository_lines(repository: Repository, given: Access | None, *, enabled: bool = True) -> list[str]:
    lines = [
        f"[{repository.id}]",
        f"name={repository.name}",
        f"enabled={int(enabled)}",
        _source_line(repository),
        f"gpgcheck={int(repository.gpgcheck)}",
        f"repo_gpgcheck={int(repository.repo_gpgcheck)}",
    ]
    if repository.gpgkey:
        lines.append(f"gpgkey={' '.join(key_url(repository, index) for index in range(len(repository.gpgkey)))}")
    if repository.priority is not None:
        lines.append(f"priority={repository.priority}")
    if repository.cost is not None:
        lines.append(f"cost={repository.cost}")
    if repository.exclude:
        lines.append(f"excludepkgs={' '.join(repository.exclude)}")
    if given is not None:
        lines += given.lines(repository, f"{CONFIG}/{access.DIRECTORY}")
    return [*lines, *_option_lines(repository.options)]


def _source_line(repository: Repository) -> str:
    """Where dnf reads: base URLs, or the resolver's own metalink of those that are of a list.

    Its address stays the same whichever mirrors are in it: by that dnf names the directory in its cache.
    """
    if repository.metalink is None and repository.mirrorlist is None:
        return f"baseurl={' '.join(repository.baseurl)}"
    return f"metalink=file://{CONFIG}/{metalink_name(repository)}"


def metalink_name(repository: Repository) -> str:
    """The file of that metalink."""
    return f"metalink-{hashlib.sha256(repository.id.encode()).hexdigest()[:16]}"


def _option_lines(options: tuple[Option, ...]) -> list[str]:
    """Options of the target in dnf's words."""
    return [f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in options]


def key_url(repository: Repository, index: int) -> str:
    """Where dnf finds a key: the copy that the resolver took and records."""
    return f"file://{CONFIG}/keys/{key_name(repository, index)}"


def escape(requirement: str) -> str:
    """A requirement as dnf's argument, so that it means itself and not a pattern.

    Raises `RequirementRefused` for what dnf would take for a file, a URL, a group or an option.
    """
    text = requirement.strip()
    if not text or len(text) > MAX_REQUIREMENT or not text.isprintable():
        raise RequirementRefused(f"The build requirement {requirement[:80]!r} is malformed.")
    if text.startswith(("-", "@")) or text.endswith(".rpm") or ADDRESS.search(text):
        raise RequirementRefused(f"The build requirement {text!r} is no capability: dnf would read it otherwise.")
    if PLAIN.fullmatch(text):
        # As a rich dependency it is a capability only.  Bare, dnf5 5.4 also takes a name for that of a program in
        # /usr/bin, and then for satisfied whatever the version; both take name-version for a package.
        return f"({text})"
    return re.sub(r"([*?\[])", r"[\1]", text)


def download_command(
    manager: PackageManager, target: Target, specs: tuple[str, ...], *, without: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The dnf command that fills the cache with metadata and with what `install_command` will need."""
    return (*_command(manager, target), *_install(manager, without), DOWNLOAD, "--", *specs)


def install_command(
    manager: PackageManager, target: Target, specs: tuple[str, ...], *, without: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The dnf command that installs ``specs`` (escaped) from the cache alone, and never the packages ``without``."""
    return (*_command(manager, target), OFFLINE, *_install(manager, without), "--", *specs)


def _install(manager: PackageManager, without: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"--exclude={package}" for package in without), "install", *COMMAND_OPTIONS[manager.flavour])


def modules_commands(manager: PackageManager, target: Target) -> tuple[tuple[str, ...], ...]:
    """The dnf commands that choose the module streams of a target, for the buildroot."""
    chosen = (("disable", target.disabled_modules), ("enable", target.module_streams))
    return tuple((*_command(manager, target), "module", action, *names) for action, names in chosen if names)


def providers_command(manager: PackageManager, target: Target, spec: str, *options: str) -> tuple[str, ...]:
    """The dnf command that lists the packages which provide ``spec`` (escaped)."""
    return (*_command(manager, target), "--quiet", "repoquery", *options, f"--whatprovides={spec}")


def read_sources_command(manager: PackageManager, target: Target) -> tuple[str, ...]:
    """The dnf command that fetches the metadata of the source repositories and nothing else."""
    names = (f"--repo={repository.id}" for repository in target.source_repositories)
    return (*_command(manager, target), *names, "makecache")


def _command(manager: PackageManager, target: Target) -> tuple[str, ...]:
    releasever = (f"--releasever={target.releasever}",) if target.releasever else ("--releasever=1",)
    return (
        manager.program, f"--config={CONFIG}/dnf.conf", f"--installroot={bootstrap.BUILDROOT}", *releasever,
        f"--setopt=cachedir={CACHE}", f"--setopt=reposdir={CONFIG}/none", "--assumeyes",
        f"--forcearch={target.architecture}", *FLAVOUR_OPTIONS[manager.flavour],
    )  # fmt: skip


def explain(tail: tuple[str, ...], requirements: tuple[str, ...], *, wanted_by: str | None = None) -> HermeticError:
    """The error that dnf's last lines mean; ``wanted_by`` says who asked for ``requirements``."""
    asker = "" if wanted_by is None else f", wanted by {wanted_by}"
    if any(files.NO_SPACE.search(line) for line in tail):
        return DiskFull("No space left for the buildroot.", log_tail=tail)
    missing: list[str] = []
    for line in tail:
        text = line.strip(" |")
        if found := NO_MATCH.search(text):
            missing.append(_unescaped(found[1].strip()))
        elif (found := NOTHING_PROVIDES.search(text)) and found[2] is None:
            missing.append(found[1].strip())
        elif found:
            missing.append(f"{found[1].strip()} (needed by {found[2].strip()})")
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        return UnsatisfiedRequirement(f"No repository of the target provides {names}{asker}.", log_tail=tail)
    if any(BAD_SIGNATURE.search(line) for line in tail):
        return PackageManagerFailed(
            "A package is not signed as the target demands.", log_tail=tail,
            solution="Name the right key under gpgkey of its repository in the target.",
        )  # fmt: skip
    if any(UNAVAILABLE.search(line) for line in tail):
        named = next((found[1] for line in tail if (found := UNAVAILABLE_ID.search(line))), None)
        which = "A repository of the target" if named is None else f"The repository {named}"
        return RepositoryUnavailable(f"{which} cannot be read.", log_tail=tail)
    what = f" for {', '.join(map(_unescaped, requirements[:5]))}" if requirements else ""
    why = next((f": {found[1]}" for line in tail if (found := UNINSTALLABLE.search(line))), "")
    return PackageManagerFailed(f"The package manager found no set of packages{what}{asker}{why}.", log_tail=tail)


def _unescaped(text: str) -> str:
    if text.startswith("(") and PLAIN.fullmatch(text[1:-1]):
        return text[1:-1]
    return re.sub(r"\[([*?\[])\]", r"\1", text)


def find(
    name: str, boot: Bootstrap, *, cache: Path, mounts: tuple[Mount, ...], online: tuple[Mount, ...],
    timeout: int | None = None,
) -> PackageManager | None:  # fmt: skip
    """The package manager that the target calls ``name`` as it answers in the image; None if it does not."""
    flavour = FLAVOURS[name]
    for program in PROGRAMS[name]:
        if VERSIONS[flavour].match(bootstrap.version(boot, program)):
            return PackageManager(
                flavour=flavour, program=program, cache=cache, mounts=mounts, online=online, timeout=timeout
            )
    return None


def install(
    manager: PackageManager,
    boot: Bootstrap,
    target: Target,
    specs: tuple[str, ...],
    *,
    without: tuple[str, ...] = (),
    wanted_by: str | None = None,
) -> bool:
    """Install ``specs`` and what they need into the buildroot; False if nothing was missing.

    Raises what `explain` says, or `BuildTimeout`.
    """
    download = download_command(manager, target, specs, without=without)
    outcome = bootstrap.run(boot, room(manager, boot), download)
    missing = NOTHING not in outcome.tail
    if outcome.returncode == 0 and missing:
        command = install_command(manager, target, specs, without=without)
        outcome = bootstrap.run(boot, _offline_room(manager, boot), command)
    if outcome.returncode != 0:
        raise explain(outcome.tail, specs, wanted_by=wanted_by)
    return missing


def choose_modules(manager: PackageManager, boot: Bootstrap, target: Target) -> None:
    """Enable and disable module streams in the empty buildroot; raises `ModuleUnknown`, or what `explain` says."""
    for command in modules_commands(manager, target):
        outcome = bootstrap.run(boot, room(manager, boot), command)
        if unknown := [found[1].strip() for line in outcome.tail if (found := NO_MODULE.search(line.strip(" |")))]:
            raise ModuleUnknown(
                f"No repository of the target has the module {', '.join(dict.fromkeys(unknown))}.",
                log_tail=outcome.tail,
            )
        if outcome.returncode != 0:
            raise explain(outcome.tail, ())


def read_sources(manager: PackageManager, boot: Bootstrap, target: Target) -> None:
    """Fetch the metadata of the source repositories into the cache; raises `RepositoryUnavailable`, or `DiskFull`."""
    outcome = bootstrap.run(boot, room(manager, boot), read_sources_command(manager, target))
    if outcome.returncode != 0:
        error = explain(outcome.tail, ())
        if isinstance(error, RepositoryUnavailable | DiskFull):
            raise error
        raise RepositoryUnavailable("A repository of source RPMs cannot be read.", log_tail=outcome.tail)


def room(manager: PackageManager, boot: Bootstrap) -> Sandbox:
    """The sandbox in which dnf runs, with a network."""
    return bootstrap.room(boot, network=True, mounts=(sandbox.bind(manager.cache, CACHE), *manager.online))


def _offline_room(manager: PackageManager, boot: Bootstrap) -> Sandbox:
    """Without a network, and with a cache that packages cannot change: dnf writes its own notes beside it."""
    scratch = tempfile.mkdtemp(dir=boot.root.parent, prefix="notes-")
    kept = tuple(
        sandbox.bind(path, f"{CACHE}/{path.name}", read_only=True)
        for path in sorted(manager.cache.iterdir())
        if path.is_dir() or path.suffix in METADATA_SUFFIXES
    )
    mounts = (sandbox.bind(scratch, CACHE), *kept, *manager.mounts)
    return bootstrap.room(boot, mounts=mounts, timeout=manager.timeout)
