"""The host's rpmbuild, rpmsign and createrepo_c with all their whims set by us."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.recipe import DIST, SOURCE_DATE_EPOCH
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import SCRUBBED, run

_MACROS = f"""\
%dist .{DIST}
%demo 1
%vendor Demo Distribution
%_buildshell /bin/bash
%_buildhost demo.invalid
%_binary_payload w3.zstdio
%_source_payload w6.gzdio
%_source_filedigest_algorithm 8
%_binary_filedigest_algorithm 8
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%_binaries_in_noarch_packages_terminate_build 0
%_missing_build_ids_terminate_build 0
%_build_id_links none
%debug_package %{{nil}}
%__os_install_post %{{nil}}
%__check_files %{{nil}}
%_rpmfilename %%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpmbuild:
    """rpmbuild with ``home`` as HOME and top directory, whose only dependency generator is the one for ELF files."""

    home: Path

    def prepare(self) -> None:
        """Make the directories and the macros."""
        for name in ("attrs", "BUILD", "BUILDROOT", "RPMS", "SAMPLES", "SOURCES", "SPECS", "SRPMS", "tmp"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        generator = Path("/usr/lib/rpm/fileattrs/elf.attr")
        write_atomically(self.home / "attrs" / generator.name, generator.read_bytes())
        places = {"_topdir": self.home, "_tmppath": self.home / "tmp", "_fileattrsdir": self.home / "attrs"}
        lines = "".join(f"%{name} {place}\n" for name, place in places.items())
        write_atomically(self.home / ".rpmmacros", _MACROS + lines)

    def pack(self, spec: Path, buildroot: Path) -> None:
        """Make RPM and source RPM of a spec without %install from a build root that is already filled."""
        self._run("-ba", "--noclean", "--buildroot", str(buildroot), str(spec))

    def build(self, spec: Path, *arguments: str, sources: Path) -> None:
        """Make the RPMs of a hand-made spec, the source RPM too."""
        self._run("-ba", *arguments, "--define", f"_sourcedir {sources}", str(spec))

    def source(self, spec: Path, *, sources: Path) -> None:
        """Make the source RPM of a sample, without its build requirements being there."""
        places = ("--define", f"_sourcedir {sources}", "--define", f"_srcrpmdir {self.home / 'SAMPLES'}")
        self._run("-bs", "--nodeps", *places, str(spec))

    def made(self, directory: str = "RPMS") -> tuple[Path, ...]:
        """The packages made so far, sorted: below ``RPMS``, ``SRPMS`` (their source RPMs) or ``SAMPLES``."""
        return tuple(sorted((self.home / directory).glob("*.rpm")))

    def _run(self, *argv: str) -> None:
        environment = {**SCRUBBED, "HOME": str(self.home), "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "TZ": "UTC"}
        run(("rpmbuild", "--quiet", *argv), env=environment, on_line=lambda _line: None)


def touch_all(paths: Iterable[Path]) -> None:
    """Give files the recipe's time, so that packages of them are always the same."""
    for path in paths:
        os.utime(path, (SOURCE_DATE_EPOCH, SOURCE_DATE_EPOCH))
