"""Bootstrap images: minimal Debians with a package manager for RPMs, made by mmdebstrap."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from demo.apt import KEYRING, acquire_settings, debian_mirror
from demo.oci import write_layout
from demo.recipe import RPM_MACROS, SOURCE_DATE_EPOCH, ImageRecipe
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import SCRUBBED, run

_EMPTIED = (
    "etc/apt", "usr/share/doc", "usr/share/i18n", "usr/share/info", "usr/share/lintian", "usr/share/locale",
    "usr/share/man", "usr/share/zoneinfo", "var/cache", "var/lib/apt", "var/lib/dpkg/info", "var/log",
)  # fmt: skip
_REMOVED = re.compile(r"etc/(machine-id|hostname|resolv\.conf|.*-)|etc/yum\.repos\.d/.*|var/lib/dbus/machine-id")


def make_image(recipe: ImageRecipe, *, layout: Path, work: Path) -> None:
    """Make the OCI layout of a bootstrap image; ``work`` is a directory for what is in between."""
    work.mkdir(parents=True, exist_ok=True)
    rootfs = work / f"{recipe.name}.tar"
    settings = work / f"{recipe.name}.apt.conf"
    macros = work / "macros.demo"
    write_atomically(settings, acquire_settings() + 'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n')
    write_atomically(macros, RPM_MACROS)
    run(mmdebstrap(recipe, rootfs=rootfs, settings=settings, macros=macros, mirror=debian_mirror()),
        env={**SCRUBBED, "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "TMPDIR": str(work)},
        on_line=lambda _line: None)  # fmt: skip
    shutil.rmtree(layout, ignore_errors=True)
    write_layout(layout, rootfs=rootfs, keep=is_kept)
    rootfs.unlink()


def mmdebstrap(recipe: ImageRecipe, *, rootfs: Path, settings: Path, macros: Path, mirror: str) -> tuple[str, ...]:
    """The command that makes the tar of the root file system."""
    hook = f'mkdir -p "$1"/usr/lib/rpm/macros.d && cp {macros} "$1"/usr/lib/rpm/macros.d/macros.demo'
    return (
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(recipe.packages)}", f"--aptopt={settings}",
        f"--keyring={KEYRING}", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--customize-hook={hook}",
        recipe.suite, str(rootfs), f"deb {mirror} {recipe.suite} main",
    )  # fmt: skip


def is_kept(path: str) -> bool:
    """Whether an image keeps the file: no documentation, no caches, logs or lists, no identity of a machine."""
    emptied = any(path.startswith(f"{tree}/") for tree in _EMPTIED)
    return not emptied and _REMOVED.fullmatch(path) is None
