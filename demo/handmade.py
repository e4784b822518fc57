"""Hand-made packages: what real distributions have and repackaged debs lack."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from demo.recipe import RPM_MACROS
from demo.repackage import Names
from demo.rpmbuild import Rpmbuild, touch_all
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import run

HANDMADE = Path(__file__).parent / "handmade"
SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, kw_only=True, slots=True)
class Masters:
    """Debian's static users and groups, as the lines of /etc/passwd and /etc/group."""

    passwd: str
    group: str

    def names(self) -> Names:
        """Names by number."""
        return Names(users=_by_number(self.passwd), groups=_by_number(self.group))


def _by_number(table: str) -> dict[int, str]:
    rows = (line.split(":") for line in table.splitlines() if line)
    return {int(row[2]): row[0] for row in rows}


def masters_of(debs: tuple[Path, ...], work: Path) -> Masters:
    """The masters in the deb of base-passwd, with passwords in the shadow files."""
    deb = next((deb for deb in debs if deb.name.startswith("base-passwd_")), None)
    if deb is None:
        raise CommandFailed("base-passwd is not among the downloaded packages.")
    run(("dpkg-deb", "--extract", deb, work))
    masters = work / "usr/share/base-passwd"
    passwd = (masters / "passwd.master").read_text().replace(":*:", ":x:")
    group = (masters / "group.master").read_text().replace(":*:", ":x:")
    shutil.rmtree(work)
    return Masters(passwd=passwd, group=group)


def build_handmade(rpmbuild: Rpmbuild, masters: Masters) -> None:
    """Make every RPM of demo/handmade."""
    sources = rpmbuild.home / "handmade"
    shutil.copytree(HANDMADE, sources)
    write_atomically(sources / "passwd", masters.passwd)
    write_atomically(sources / "group", masters.group)
    write_atomically(sources / "macros.dist", RPM_MACROS)
    touch_all(path for path in sources.rglob("*"))
    for spec in sorted(sources.glob("*.spec")):
        for arguments in variants_of(spec.read_text()):
            rpmbuild.build(spec, *arguments, sources=sources)


def variants_of(spec: str) -> tuple[tuple[str, ...], ...]:
    """The arguments of each build of a spec: those of its lines ``# build: ARGUMENTS``, else one build without any."""
    lines = (line.removeprefix("# build:") for line in spec.splitlines() if line.startswith("# build:"))
    return tuple(tuple(shlex.split(line)) for line in lines) or ((),)


def build_samples(rpmbuild: Rpmbuild, tarballs: tuple[Path, ...]) -> None:
    """Make the source RPM of every spec in demo/samples, from Debian's upstream tarballs and files beside the specs."""
    sources = rpmbuild.home / "samples"
    shutil.copytree(SAMPLES, sources)
    for tarball in tarballs:
        shutil.copy(tarball, sources / tarball.name)
    touch_all(path for path in sources.rglob("*"))
    for spec in sorted(sources.glob("*.spec")):
        rpmbuild.source(spec, sources=sources)
