"""The repository: signed packages, metadata that every dnf reads, and the group of a minimal buildroot."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from demo.recipe import MINIMAL_GROUP, SOURCE_DATE_EPOCH
from demo.rpmbuild import touch_all
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import run

GROUP_ID = "buildsys-build"


def comps_xml(packages: tuple[str, ...]) -> str:
    """A comps.xml with the one group ``buildsys-build`` whose packages are all mandatory."""
    rows = "".join(f'      <packagereq type="mandatory">{escape(name)}</packagereq>\n' for name in sorted(packages))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">\n'
        "<comps>\n  <group>\n"
        f"    <id>{GROUP_ID}</id>\n    <name>Buildsystem building group</name>\n"
        "    <description>The minimal buildroot of the demo distribution</description>\n"
        "    <default>false</default>\n    <uservisible>false</uservisible>\n"
        f"    <packagelist>\n{rows}    </packagelist>\n"
        "  </group>\n</comps>\n"
    )


def index(repository: Path) -> None:
    """Write ``repodata/`` for the packages below ``repository``: gzip, no database, nothing of the clock."""
    touch_all(repository.rglob("*.rpm"))
    comps = repository / "comps.xml"
    write_atomically(comps, comps_xml(MINIMAL_GROUP))
    command = (
        "createrepo_c", "--quiet", "--no-database", "--compress-type=gz", "--general-compress-type=gz", "--workers=2",
        f"--revision={SOURCE_DATE_EPOCH}", "--set-timestamp-to-revision", f"--groupfile={comps}", repository,
    )  # fmt: skip
    run(command)
    comps.unlink()
