"""Debian packages and sources through a private apt root: the host's own state stays as it is.

Mirrors and proxies are those of the host's apt; signatures are verified with Debian's archive keyring.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demo.recipe import REPACKAGED_SUITE
from hermetic_rpm.errors import CommandFailed, ToolMissing, VerificationFailed
from hermetic_rpm.files import sha256_of, write_atomically
from hermetic_rpm.process import SCRUBBED, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_SETTINGS = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "{root}/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::ForceHash "SHA256";
APT::Install-Recommends "false";
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file as apt announces it: its name on the disk and its sha256."""

    name: str
    sha256: str


def debian_mirror() -> str:
    """The base URL of the Debian archive in the host's apt configuration.

    Raises `ToolMissing` if apt has none (the machine is no Debian).
    """
    listing = run(("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)")).stdout
    for line in listing.splitlines():
        origin, label, uri = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian"):
            return uri
    raise ToolMissing(
        "apt's configuration names no Debian mirror.",
        solution="The demo distribution is made on Debian; run `apt-get update` there first.",
    )


def acquire_settings() -> str:
    """The host's apt settings about downloading (proxies, certificates) as lines of an apt.conf."""
    dump = run(("apt-config", "dump", "Acquire")).stdout
    wanted = ("Acquire::http", "Acquire::https", "Acquire::ftp", "Acquire::Retries")
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(wanted))


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateApt:
    """An apt with lists, caches and an empty installation of its own below ``root``."""

    root: Path

    @property
    def archives(self) -> Path:
        """Where the debs arrive."""
        return self.root / "cache" / "archives"

    @property
    def _empty(self) -> Path:
        """A directory without downloads: apt announces only what it has not got yet."""
        return self.root / "empty"

    def update(self) -> None:
        """Write the configuration and fetch the lists of packages and sources."""
        for directory in (
            self._empty / "partial",
            self.archives / "partial",
            self.root / "state/lists/partial",
            self.root / "parts",
        ):
            directory.mkdir(parents=True, exist_ok=True)
        place = f"[signed-by={KEYRING}] {debian_mirror()} {REPACKAGED_SUITE} main\n"
        write_atomically(self.root / "sources.list", f"deb {place}deb-src {place}")
        write_atomically(self.root / "status", "")
        write_atomically(self.root / "apt.conf", acquire_settings() + _SETTINGS.format(root=self.root))
        self._apt("apt-get", "update")

    def debs(self, names: tuple[str, ...]) -> tuple[Path, ...]:
        """Download the packages and all they depend on; the debs, verified, sorted by name."""
        install = ("apt-get", "install", "--yes", *names)
        wanted = downloads_of(self._apt(*install, "--print-uris", "-o", f"Dir::Cache::archives={self._empty}"))
        self._apt(*install, "--download-only")
        return tuple(_verified(self.archives / one.name, one.sha256) for one in wanted)

    def upstream_tarballs(self, names: tuple[str, ...], directory: Path) -> tuple[Path, ...]:
        """Download the upstream tarballs of source packages into ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        source = ("apt-get", "source", "--tar-only", "--download-only", *names)
        wanted = downloads_of(self._apt(*source, "--print-uris", cwd=self._empty))
        self._apt(*source, cwd=directory)
        tarballs = tuple(one for one in wanted if ".orig." in one.name and not one.name.endswith(".asc"))
        return tuple(_verified(directory / one.name, one.sha256) for one in tarballs)

    def _apt(self, *argv: str, cwd: Path | None = None) -> str:
        return run(argv, env={**SCRUBBED, "APT_CONFIG": str(self.root / "apt.conf")}, cwd=cwd).stdout


def downloads_of(listing: str) -> tuple[Download, ...]:
    """The files of ``apt-get --print-uris``: lines of 'URI' NAME SIZE SHA256:HEX."""
    rows = (line.split() for line in listing.splitlines() if line.startswith("'"))
    files = {row[1]: Download(name=row[1], sha256=row[3].removeprefix("SHA256:")) for row in rows}
    return tuple(files[name] for name in sorted(files))


def _verified(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise CommandFailed(f"apt did not download {path.name}.")
    if sha256_of(path) != sha256:
        path.unlink()
        raise VerificationFailed(f"{path.name} is not what Debian's index says.", solution="Run the same again.")
    return path
