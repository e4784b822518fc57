"""Our order of versions against the one of the host's own rpm."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess

import pytest

from hermetic_rpm.lock.evr import rpmvercmp

pytestmark = pytest.mark.integration

PIECES = ("0", "1", "01", "10", "9", "a", "b", "A", "rc", ".", "_", "+", "~", "^", "")


@pytest.mark.promise("3.9", "versions are compared as rpm compares them")
def test_the_order_is_that_of_rpm() -> None:
    if shutil.which("rpm") is None:
        pytest.skip("not run here: no rpm on this host")
    source = random.Random(1)
    versions = ["x" + "".join(source.choices(PIECES, k=source.randint(0, 6))) for _ in range(90)]
    pairs = list(itertools.product(versions, versions))
    listed = ",".join(json.dumps(version) for version in versions)
    loop = "for _, a in ipairs(v) do for _, b in ipairs(v) do print(rpm.vercmp(a, b) .. ' ') end end"
    script = f"local v = {{{listed}}} {loop}"
    done = subprocess.run(["rpm", "--eval", f"%{{lua: {script}}}"], capture_output=True, text=True, check=True)
    expected = [int(line) for line in done.stdout.split()]
    assert len(expected) == len(pairs)
    assert [(a, b, rpmvercmp(a, b)) for a, b in pairs] == [(a, b, n) for (a, b), n in zip(pairs, expected, strict=True)]
