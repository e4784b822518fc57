"""A secret key in a GnuPG home in memory, which is gone when the work is done."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.errors import CommandFailed, SigningKeyUnusable
from hermetic_rpm.process import SCRUBBED, Completed, run

MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs in every container
NOT_COPIED = ("S.*", "*.lock", ".#*", "random_seed")
"""What a running agent leaves in a GnuPG home."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A secret key that can sign; ``home`` is the GnuPG home, ``fingerprint`` of the primary key, in capitals."""

    home: Path
    fingerprint: str
    options: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which gpg finds the key."""
        return _environment(self.home)

    def certificate(self) -> str:
        """The armored public key."""
        return _gpg(self.home, "--armor", "--export-options=export-minimal", "--export", self.fingerprint).stdout

    def sign_detached(self, path: Path) -> None:
        """Write the armored signature of a file beside it."""
        _gpg(self.home, *self.options, f"--local-user={self.fingerprint}", "--armor", "--detach-sign", str(path))


@contextlib.contextmanager
def opened(given: Path, *, fingerprint: str | None, passphrase_file: Path | None) -> Iterator[Key]:
    """The key in ``given``, an exported one or a GnuPG home; raises `SigningKeyUnusable`."""
    home = Path(tempfile.mkdtemp(dir=MEMORY, prefix="gnupg-"))
    try:
        options = ("--pinentry-mode=loopback", *_passphrase(home, passphrase_file))
        bring(given, home, options)
        key = Key(home=home, fingerprint=choose(secret_keys(_list(home)), fingerprint), options=options)
        _try(key)
        yield key
    finally:
        run(("gpgconf", "--kill", "all"), env=_environment(home), check=False)
        shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    return {**SCRUBBED, "GNUPGHOME": str(home), "HOME": str(home)}


def _gpg(home: Path, *arguments: str, stdin: bytes | None = None) -> Completed:
    return run(("gpg", "--batch", *arguments), env=_environment(home), stdin=stdin)


def _passphrase(home: Path, file: Path | None) -> tuple[str, ...]:
    """The option that names the passphrase, in a place without odd characters: it becomes part of a macro."""
    if file is None:
        return ()
    copy = home / "passphrase"
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise SigningKeyUnusable(f"The passphrase {file} cannot be read: {error.strerror}.") from error
    return (f"--passphrase-file={copy}",)


def bring(given: Path, home: Path, options: tuple[str, ...]) -> None:
    """Import an exported key into a GnuPG home, or copy another home there; raises `SigningKeyUnusable`."""
    try:
        if given.is_dir():
            shutil.copytree(given, home, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
            home.chmod(0o700)
        else:
            given.open("rb").close()  # its error says more than gpg's
            _gpg(home, *options, "--import", "--", str(given))  # not as stdin, which would be a file for a while
    except (OSError, shutil.Error) as error:
        raise SigningKeyUnusable(f"The key {given} cannot be read: {error}.") from error
    except CommandFailed as error:
        raise SigningKeyUnusable(f"gpg cannot import {given}.", log_tail=error.log_tail) from error


def _list(home: Path) -> str:
    return _gpg(home, "--with-colons", "--list-secret-keys").stdout


def secret_keys(listing: str) -> tuple[str, ...]:
    """The fingerprints of the primary keys in what ``gpg --with-colons`` lists: pure."""
    found, after_primary = [], False
    for fields in (line.split(":") for line in listing.splitlines()):
        if fields[0] == "fpr" and after_primary:
            found.append(fields[9])
        after_primary = fields[0] == "sec"
    return tuple(found)


def choose(found: tuple[str, ...], wanted: str | None) -> str:
    """The key to sign with: the wanted one, or the only one; raises `SigningKeyUnusable`."""
    if wanted is not None:
        if wanted.upper() not in found:
            raise SigningKeyUnusable(f"There is no secret key {wanted}, but {', '.join(found) or 'none'}.")
        return wanted.upper()
    if not found:
        raise SigningKeyUnusable("There is no secret key in what was given as key.")
    if len(found) > 1:
        raise SigningKeyUnusable(
            f"There are several secret keys: {', '.join(found)}.", solution="Name one by --fingerprint."
        )
    return found[0]


def _try(key: Key) -> None:
    """Sign nothing at all, so that an expired key or a wrong passphrase is told before any package is touched."""
    try:
        _gpg(key.home, *key.options, f"--local-user={key.fingerprint}", "--armor", "--detach-sign", stdin=b"")
    except CommandFailed as error:
        raise SigningKeyUnusable(f"gpg cannot sign with {key.fingerprint}.", log_tail=error.log_tail) from error
