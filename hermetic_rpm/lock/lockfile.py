"""Reading and writing ``buildroot_lock.json``, byte for byte as Mock would write it.

To Mock any key below ``config`` is configuration that it applies; to us a lockfile is data
from elsewhere, so that only the keys Mock itself writes are accepted, each with its type.
"""

from __future__ import annotations

import hashlib
from typing import Any

from hermetic_rpm.document import checked, parse_json
from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.model import BootstrapImage, BuildConfig, LockedRpm, Lockfile

LOCKFILE_NAME = "buildroot_lock.json"
VERSION = "1.1.0"

QUERY_SEPARATOR = "|/@"
QUERY_FIELDS = (
    "%{name}", "%{arch}", "%{license}", "%{version}", "%{release}", "%{epoch}", "%{sigmd5}", "%{sigpgp:pgpsig}",
)  # fmt: skip
QUERY_FORMAT = QUERY_SEPARATOR.join(QUERY_FIELDS) + "\\n"
"""The query format of `rpm -qa` whose sorted lines are the lockfile's rows."""

InstalledRow = tuple[str, ...]
"""name, arch, license, version, release, epoch, sigmd5, signature; each as rpm prints it."""


def installed_rows(query_output: str) -> tuple[InstalledRow, ...]:
    """The rows of ``rpm -qa --qf QUERY_FORMAT``, sorted as whole lines, public keys dropped."""
    lines = sorted(line for line in query_output.splitlines() if line)
    rows = tuple(tuple(line.split(QUERY_SEPARATOR)) for line in lines)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(QUERY_FIELDS):
            raise LockInvalid(f"rpm describes an installed package in a way nobody can read: {line!r}.")
    return tuple(row for row in rows if row[0] != "gpg-pubkey")


def locked_rpm(row: InstalledRow, *, url: str) -> LockedRpm:
    """A row of the lockfile from a row of the query."""
    name, arch, license_, version, release, epoch, sigmd5, signature = row
    return LockedRpm(
        name=name, arch=arch, license=license_, version=version, release=release, sigmd5=sigmd5, url=url,
        epoch=None if epoch == "(none)" else epoch,
        signature=None if signature == "(none)" else signature[-8:],
    )  # fmt: skip


def render(lockfile: Lockfile) -> bytes:
    """The bytes of the lockfile."""
    config, bootstrap = lockfile.config, lockfile.bootstrap
    document = {
        "version": VERSION,
        "buildroot": {"rpms": [_rpm_document(rpm) for rpm in lockfile.rpms]},
        "bootstrap": {
            "image_digest": bootstrap.image_digest,
            "pull_digest": bootstrap.pull_digest,
            "architecture": bootstrap.architecture,
            "id": bootstrap.id,
        },
        "config": {
            "target_arch": config.target_arch,
            "legal_host_arches": list(config.legal_host_arches),
            "dist": config.dist,
            "package_manager": config.package_manager,
            "bootstrap_image": config.bootstrap_image,
            "bootstrap_image_ready": config.bootstrap_image_ready,
            "macros": dict(config.macros),
        },
    }
    return canonical_json(document).encode()


def _rpm_document(rpm: LockedRpm) -> dict[str, str | None]:
    return {
        "name": rpm.name, "epoch": rpm.epoch, "version": rpm.version, "release": rpm.release, "arch": rpm.arch,
        "license": rpm.license, "sigmd5": rpm.sigmd5, "signature": rpm.signature, "url": rpm.url,
    }  # fmt: skip


def parse(content: bytes, name: str = LOCKFILE_NAME) -> Lockfile:
    """A lockfile from its bytes; raises `LockInvalid` with every problem."""
    data: Any = checked(parse_json(content, name, LockInvalid), "lockfile", LockInvalid)
    rpms = tuple(LockedRpm(**row) for row in data["buildroot"]["rpms"])
    _refuse_duplicates(rpms, name)
    config = data["config"]
    return Lockfile(
        rpms=rpms,
        bootstrap=BootstrapImage(**data["bootstrap"]),
        config=BuildConfig(
            target_arch=config["target_arch"],
            legal_host_arches=tuple(config["legal_host_arches"]),
            dist=config.get("dist", ""),
            package_manager=config["package_manager"],
            bootstrap_image=config["bootstrap_image"],
            bootstrap_image_ready=config["bootstrap_image_ready"],
            macros=tuple(sorted(config["macros"].items())),
        ),
    )


def _refuse_duplicates(rpms: tuple[LockedRpm, ...], name: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for rpm in rpms:
        # To rpm, no epoch is epoch 0.
        identity = (rpm.name, rpm.epoch or "0", rpm.version, rpm.release, rpm.arch)
        if identity in seen:
            raise LockInvalid(f"{name} names {rpm.nevra} twice.")
        seen.add(identity)


def sha256(content: bytes) -> str:
    """The hex sha256 by which a sidecar names its lockfile."""
    return hashlib.sha256(content).hexdigest()
