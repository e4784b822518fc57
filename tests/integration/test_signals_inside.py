"""No signal is ignored in a sandbox, not even one that the C library keeps and that only posix_spawn ignores."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from hermetic_rpm.buildroot import inside
def ignored():
    return next(line for line in open("/proc/self/status") if line.startswith("SigIgn"))
before = ignored()
inside.reset_signals(os.uname().machine)
open(sys.argv[1], "w").write(before + ignored())
"""


@pytest.mark.promise(
    "5.2", "environment, descriptors, keyrings, time zone, locale, umask and user are the same whoever starts a build"
)
def test_what_posix_spawn_leaves_ignored_is_reset(tmp_path: Path) -> None:
    said = tmp_path / "said"
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", SCRIPT, str(said)], os.environ)
    assert os.waitpid(child, 0)[1] == 0
    before, after = (int(line.split()[1], 16) for line in said.read_text().splitlines())
    assert before != 0
    assert after == 0
