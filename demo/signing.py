"""The key of the demo distribution, made on the spot, and signatures with it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from demo.parallel import run_all
from demo.recipe import SOURCE_DATE_EPOCH
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import SCRUBBED, run

ADDRESS = "demo@example.com"
BATCH = 40
_PARAMETERS = f"""\
%no-protection
Key-Type: RSA
Key-Length: 3072
Key-Usage: sign,cert
Name-Real: Demo Distribution
Name-Comment: made on the spot, for tests only
Name-Email: {ADDRESS}
Creation-Date: seconds={SOURCE_DATE_EPOCH}
Expire-Date: 0
%commit
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """An OpenPGP key in a GnuPG home that lives as long as `opened_key` does."""

    home: Path

    def export(self, path: Path) -> None:
        """Write the armored public key."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self.gpg("--armor", "--export-options", "export-minimal", "--export", ADDRESS))

    def sign(self, rpms: tuple[Path, ...], *, header_only: bool = False) -> None:
        """Sign packages in place: the header, and, as rpm 4 has always done, header and payload together.

        The signatures are dated by the recipe, so that the same key makes the same bytes.
        """
        definitions = {"__gpg": "/usr/bin/gpg", "_gpg_path": str(self.home), "_gpg_name": ADDRESS,
                       "_gpg_digest_algo": "sha256",
                       "_gpg_sign_cmd_extra_args": f"--faked-system-time {SOURCE_DATE_EPOCH}!"}  # fmt: skip
        options = tuple(part for name, value in definitions.items() for part in ("--define", f"{name} {value}"))
        both = () if header_only else ("--rpmv3",)
        run(("rpmsign", *both, *options, "--addsign", *rpms), env=self._environment(), on_line=lambda _line: None)

    def gpg(self, *argv: str, stdin: bytes | None = None) -> str:
        """Run gpg on the key's home; what it prints."""
        return run(("gpg", "--batch", "--homedir", self.home, *argv), env=self._environment(), stdin=stdin).stdout

    def _environment(self) -> dict[str, str]:
        return {**SCRUBBED, "GNUPGHOME": str(self.home), "HOME": str(self.home)}


@contextlib.contextmanager
def opened_key(secret: Path) -> Iterator[SigningKey]:
    """The key kept in the armored file ``secret``, which is made on first use.

    It is RSA, which every rpm since 4.0 verifies.  The GnuPG home is a new one with a short
    path, because the agent's socket allows no long one, and ends together with its agent.
    """
    with tempfile.TemporaryDirectory(prefix="demo-key-") as name:
        key = SigningKey(home=Path(name))
        try:
            if secret.is_file():
                key.gpg("--import", str(secret))
            else:
                key.gpg("--generate-key", stdin=_PARAMETERS.encode())
                write_atomically(secret, key.gpg("--armor", "--export-secret-keys", ADDRESS))
                secret.chmod(0o600)
            yield key
        finally:
            run(("gpgconf", "--homedir", key.home, "--kill", "all"), check=False)


def sign_all(key: SigningKey, rpms: tuple[Path, ...], *, header_only: tuple[str, ...]) -> None:
    """Sign packages in place, those whose file name begins with one of ``header_only`` in the header alone."""
    partly = tuple(path for path in rpms if path.name.startswith(header_only))
    wholly = tuple(path for path in rpms if path not in partly)
    run_all(
        partial(key.sign, paths[start : start + BATCH], header_only=paths is partly)
        for paths in (wholly, partly)
        for start in range(0, len(paths), BATCH)
    )
