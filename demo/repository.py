"""The repositories: signed packages, metadata that every dnf reads, the group of a minimal buildroot, a module."""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

from demo.recipe import SOURCE_DATE_EPOCH
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


def index(repository: Path, *, groups: str | None = None, modules: Path | None = None) -> None:
    """Write ``repodata/`` for the packages below ``repository``: gzip, no database, nothing of the clock.

    ``groups`` is the text of a comps.xml, ``modules`` a file of module documents.
    """
    touch_all(repository.rglob("*.rpm"))
    comps = repository / "comps.xml"
    command: tuple[str | Path, ...] = (
        "createrepo_c", "--quiet", "--no-database", "--compress-type=gz", "--general-compress-type=gz", "--workers=2",
        f"--revision={SOURCE_DATE_EPOCH}", "--set-timestamp-to-revision",
    )  # fmt: skip
    if groups is not None:
        write_atomically(comps, groups)
        command = (*command, f"--groupfile={comps}")
    run((*command, repository))
    comps.unlink(missing_ok=True)
    if modules is not None:
        _add(repository, modules)


def _add(repository: Path, modules: Path) -> None:
    """Add the module documents; modifyrepo_c puts the time of the clock into the index."""
    run(("modifyrepo_c", "--mdtype=modules", "--compress-type=gz", modules, repository / "repodata"))
    repomd = repository / "repodata" / "repomd.xml"
    fixed = f"<timestamp>{SOURCE_DATE_EPOCH}</timestamp>"
    write_atomically(repomd, re.sub(r"<timestamp>\d+</timestamp>", fixed, repomd.read_text()))
