"""An OpenPGP key that is nobody's."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class OtherKey:
    """An OpenPGP key that signed nothing of the demo distribution."""

    home: Path

    @property
    def certificate(self) -> str:
        return self.gpg("--armor", "--export")

    def sign(self, path: Path) -> None:
        self.gpg("--armor", "--detach-sign", str(path))

    def gpg(self, *argv: str) -> str:
        command = ("gpg", "--homedir", str(self.home), "--batch", "--passphrase", "", *argv)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
