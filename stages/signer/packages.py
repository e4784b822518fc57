"""The packages of a build: what its ``result.json`` says, copies that are just that, and signatures on them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hermetic_rpm import rpmdiff
from hermetic_rpm.document import checked, parse_json, read_bytes
from hermetic_rpm.errors import CommandFailed, LockMismatch, ResultsAltered, ResultsUnusable, SigningFailed
from hermetic_rpm.files import is_safe_name, sha256_of
from hermetic_rpm.process import SCRUBBED, run
from hermetic_rpm.result import RESULT_NAME
from stages.signer.gnupg import MEMORY, Key

BUILDER = "builder"


def said(results: Path, expected: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The sha256 of each package by its file name, and that of the ``result.json`` that says so.

    Raises `ResultsUnusable`, or `LockMismatch` for another ``result.json`` than the expected one.
    """
    path = results / RESULT_NAME
    content = read_bytes(path, ResultsUnusable)
    digest = hashlib.sha256(content).hexdigest()
    if expected.get("result", digest) != digest:
        raise LockMismatch(f"{path} has the sha256 {digest}, but {expected['result']} was expected.")
    data = checked(parse_json(content, str(path), ResultsUnusable), "result", ResultsUnusable)
    if (data["stage"], data["status"]) != (BUILDER, "ok"):
        raise ResultsUnusable(f"{path} tells of no build that succeeded.")
    packages = {output["path"]: output["sha256"] for output in data["outputs"]}
    return {name: sha256 for name, sha256 in packages.items() if name.endswith(".rpm") and is_safe_name(name)}, digest


def copy(results: Path, packages: Mapping[str, str], waiting: Path) -> tuple[Path, ...]:
    """Copies of packages (sha256 by file name) in ``waiting``; raises `ResultsAltered` if one is another."""
    for name, sha256 in packages.items():
        try:
            shutil.copyfile(results / name, waiting / name)
        except OSError as error:
            raise ResultsAltered(f"{name} cannot be read: {error.strerror}.") from error
        if (found := sha256_of(waiting / name)) != sha256:
            raise ResultsAltered(f"{name} has the sha256 {found}, but the build wrote {sha256}.")
    return tuple(waiting / name for name in packages)


def sign_command(key: Key, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """rpmsign, which replaces whatever signature there is: pure."""
    macros = {
        "__gpg": "/usr/bin/gpg",
        "_gpg_name": key.fingerprint,
        "_gpg_digest_algo": "sha256",
        "_gpg_sign_cmd_extra_args": " ".join(("--batch", *key.options)),
    }
    defines = (part for name, value in macros.items() for part in ("--define", f"{name} {value}"))
    return ("rpmsign", *defines, "--resign", *map(str, paths))


def sign(key: Key, paths: tuple[Path, ...]) -> None:
    """Sign packages in place; raises `SigningFailed`."""
    try:
        run(sign_command(key, paths), env=key.environment)
    except CommandFailed as error:
        raise SigningFailed("rpmsign cannot sign the packages.", log_tail=error.log_tail) from error


def verify(certificate: Path, paths: tuple[Path, ...], results: Path) -> None:
    """Raise `SigningFailed` unless each package has a sound signature of that key, and differs in nothing else."""
    database = Path(tempfile.mkdtemp(dir=MEMORY, prefix="rpmdb-"))
    keys = ("rpmkeys", "--dbpath", str(database))
    try:
        run((*keys, "--import", str(certificate)), env=SCRUBBED)
        run((*keys, "--define", "_pkgverify_level all", "--checksig", "--verbose", *map(str, paths)), env=SCRUBBED)
    except CommandFailed as error:
        raise SigningFailed("A signature does not hold.", log_tail=error.log_tail) from error
    finally:
        shutil.rmtree(database, ignore_errors=True)
    for path in paths:
        differences, _ = rpmdiff.compare(results / path.name, path)
        other = [found for found in differences if found.kind != rpmdiff.SIGNATURE]
        if other:
            raise SigningFailed(f"Signing changed more of {path.name} than its signature: {other[0].name}.")
