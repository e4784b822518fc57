"""What the demo distribution is made of: pure data, whose hash decides whether a tree is up to date."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_DATE_EPOCH = 1_750_000_000
"""The time of everything made here (June 2025): build times, and the newest modification time of a file."""

DIST = "demo1"
DBPATH = "/usr/lib/sysimage/rpm"
REPACKAGED_SUITE = "trixie"

RPM_MACROS = f"""\
%dist .{DIST}
%demo 1
%vendor Demo Distribution
%_dbpath {DBPATH}
%_db_backend sqlite
"""
"""Macros that the buildroot (through demo-release) and the bootstrap images must share."""

MINIMAL_GROUP = (
    "bash", "binutils", "bzip2", "coreutils", "cpio", "debianutils", "demo-filesystem", "demo-release", "diffutils",
    "elfutils", "file", "findutils", "g++", "gawk", "gcc", "grep", "gzip", "hostname", "libc-bin", "libc6-dev", "make",
    "passwd", "patch", "rpm", "sed", "tar", "unzip", "util-linux", "xz-utils", "zstd",
)  # fmt: skip
"""The mandatory packages of the group ``buildsys-build``."""

WANTED = (
    *(name for name in MINIMAL_GROUP if not name.startswith("demo-")),
    "autoconf", "automake", "base-passwd", "bison", "cmake", "dnf", "ed", "flex", "gettext", "help2man", "less",
    "libbz2-dev", "libcap-dev", "libcap2-bin", "libexpat1-dev", "libtool", "m4", "ncurses-base", "ncurses-bin",
    "ninja-build", "perl", "pkgconf", "procps", "python3", "python3-build", "python3-dev", "python3-installer",
    "python3-setuptools", "python3-wheel", "zlib1g-dev",
)  # fmt: skip
"""Debian packages to repackage; what they depend on comes along."""

LEFT_OUT = frozenset(
    {"adduser", "base-files", "base-passwd", "cdebconf", "dash", "debconf", "debconf-2.0", "dirmngr", "dpkg",
     "dpkg-dev", "gdb", "gnupg", "gnupg-l10n", "gpg-agent", "gpgsm", "init-system-helpers", "install-info",
     "libdebconfclient0", "libksba8", "media-types", "pinentry-curses", "sensible-utils", "sqlite3"}
)  # fmt: skip
"""Packages that only Debian's maintainer scripts need, that ours replace, or that dnf needs no part of;
dependencies on them are dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Amendment:
    """What an RPM gets beyond what its deb says: links that Debian's alternatives would make, and names."""

    links: tuple[tuple[str, str], ...] = ()
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


AMENDMENTS: dict[str, Amendment] = {
    "automake": Amendment(links=(("/usr/bin/automake", "automake-1.17"), ("/usr/bin/aclocal", "aclocal-1.17"))),
    "bash": Amendment(links=(("/usr/bin/sh", "bash"),), provides=("/bin/sh", "/bin/bash")),
    "bison": Amendment(links=(("/usr/bin/yacc", "bison.yacc"),)),
    "cmake": Amendment(requires=("cmake-rpm-macros",)),
    "coreutils": Amendment(provides=("/bin/mkdir", "/bin/rm", "/bin/ls", "/bin/true")),
    "debianutils": Amendment(links=(("/usr/bin/which", "which.debianutils"),), provides=("which",)),
    "dnf": Amendment(links=(("/usr/bin/yum", "dnf-3"),)),
    "g++": Amendment(links=(("/usr/bin/c++", "g++"),), provides=("gcc-c++",)),
    "gawk": Amendment(links=(("/usr/bin/awk", "gawk"), ("/usr/bin/nawk", "gawk"))),
    "gcc": Amendment(links=(("/usr/bin/cc", "gcc"),)),
    "gettext": Amendment(provides=("gettext-devel",)),
    "libbz2-dev": Amendment(provides=("bzip2-devel",)),
    "libc-bin": Amendment(provides=("glibc-common", "glibc-langpack-en")),
    "libc6": Amendment(provides=("glibc", "rtld(GNU_HASH)")),
    "libc6-dev": Amendment(provides=("glibc-devel",)),
    "libcap-dev": Amendment(provides=("libcap-devel",)),
    "libexpat1-dev": Amendment(provides=("expat-devel",)),
    "libstdc++-14-dev": Amendment(provides=("libstdc++-devel",)),
    "ninja-build": Amendment(provides=("ninja",)),
    "passwd": Amendment(provides=("shadow-utils",)),
    "perl": Amendment(provides=("perl-interpreter", "perl(strict)", "perl(warnings)", "perl(ExtUtils::MakeMaker)")),
    "procps": Amendment(provides=("procps-ng",)),
    "python3-dev": Amendment(provides=("python3-devel",), requires=("python3-rpm-macros",)),
    "python3-gpg": Amendment(requires=("gpg",)),
    "rpm": Amendment(provides=("rpm-build",)),
    "xz-utils": Amendment(provides=("xz",)),
    "zlib1g-dev": Amendment(provides=("zlib-devel",)),
}  # fmt: skip

DROPPED_TREES = (
    "usr/share/bug", "usr/share/doc-base", "usr/share/gtk-doc", "usr/share/info", "usr/share/lintian",
    "usr/share/locale", "usr/share/man", "usr/share/menu",
)  # fmt: skip
"""Directories of a deb that no build reads."""

OWNED_BY_FILESYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv",
     "sys", "tmp", "usr", "usr/bin", "usr/games", "usr/include", "usr/lib", "usr/lib64", "usr/local", "usr/sbin",
     "usr/share", "usr/src", "var", "var/cache", "var/lib", "var/lock", "var/log", "var/mail", "var/run",
     "var/spool", "var/tmp", "var/local", "var/opt", "var/backups"}
)  # fmt: skip
"""Directories and links of the tree's top, which belong to demo-filesystem alone."""

HEADER_SIGNED = ("demo-header-signed-",)
"""How the file names begin of packages whose header alone is signed."""

SAMPLE_SOURCES = ("hello", "tinyxml2", "markupsafe")
"""Debian source packages whose upstream tarballs become sample source RPMs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecipe:
    """A bootstrap image: a minimal Debian of ``suite`` with a package manager for RPMs."""

    name: str
    suite: str
    packages: tuple[str, ...]


_TOOLS = ("bash", "bzip2", "ca-certificates", "gzip", "passwd", "rpm", "xz-utils", "zstd")

IMAGES = (
    ImageRecipe(name="dnf5", suite="sid", packages=("dnf5", *_TOOLS)),
    ImageRecipe(name="dnf4", suite="bookworm", packages=("dnf", "dnf-plugins-core", *_TOOLS)),
)
