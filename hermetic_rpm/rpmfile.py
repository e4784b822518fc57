"""RPM files, read by a parser that may be attacked: in a subprocess with limits.

Facts measured with rpm-rs 0.30: a flipped bit can make it panic or ask for gigabytes, so
nothing is parsed in this process, and a crash of the other is an answer ("damaged").
"""

from __future__ import annotations

import concurrent.futures
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import BinaryRpm, DamagedRpm, NotAnRpm, SrpmMissing

WORKER = Path(__file__).with_name("rpmfile_worker.py")
LEAD_MAGIC = b"\xed\xab\xee\xdb"
FILES_PER_WORKER = 256
"""Each worker takes 50 ms to start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the header of an RPM says; ``problem`` is set where the file is not sound.

    ``signers`` are issuer key ids or fingerprints in lower case hex; ``verified_by`` is the
    path of the certificate file under which a signature holds, if certificates were given.
    ``source_rpm`` is the file name of the source RPM it was built from, as the header has it.
    ``signed_whole`` tells that there is a signature over header and payload (rpm's SIGPGP).
    """

    path: str
    name: str = ""
    epoch: str | None = None
    version: str = ""
    release: str = ""
    arch: str = ""
    source: bool = False
    license: str = ""
    source_rpm: str | None = None
    sigmd5: str | None = None
    signed_whole: bool = False
    signers: tuple[str, ...] = ()
    verified_by: str | None = None
    problem: str | None = None


def inspect(paths: Sequence[Path], *, certificates: Sequence[Path] = (), payload: bool = True) -> tuple[Header, ...]:
    """The headers of RPM files in the given order, their digests checked.

    Without ``payload`` only the header's own digest is (for files whose sha256 is known).
    """
    batches = [paths[start : start + FILES_PER_WORKER] for start in range(0, len(paths), FILES_PER_WORKER)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda batch: _headers(batch, certificates, payload=payload), batches)
        return tuple(header for headers in found for header in headers)


def _headers(paths: Sequence[Path], certificates: Sequence[Path], *, payload: bool) -> tuple[Header, ...]:
    """The headers of a batch; the file at which a worker dies gets one of its own, those after it the next."""
    found: list[Header] = []
    while len(found) < len(paths):
        found += _work(paths[len(found) :], certificates, payload=payload)
        if len(found) < len(paths):
            killer = paths[len(found)]
            found += _work((killer,), certificates, payload=payload) or [Header(path=str(killer), problem="unreadable")]
    return tuple(found)


def _work(paths: Sequence[Path], certificates: Sequence[Path], *, payload: bool) -> list[Header]:
    """The headers of files up to the first that kills the worker."""
    request = {
        "paths": [str(path) for path in paths],
        "certificates": [str(path) for path in certificates],
        "payload": payload,
    }
    done = process.run_worker(WORKER, request)
    rows = map(json.loads, done.stdout.splitlines())
    return [Header(**{**row, "signers": tuple(row.get("signers", ()))}) for _, row in zip(paths, rows, strict=False)]


def check_source_rpm(path: Path) -> Header:
    """The header of a sound source RPM.

    Raises `SrpmMissing`, `NotAnRpm`, `BinaryRpm` or `DamagedRpm`.
    """
    try:
        if not path.is_file():
            raise SrpmMissing(f"{path} is no file.")
        with path.open("rb") as stream:
            lead = stream.read(96)
    except OSError as error:
        raise SrpmMissing(f"{path} cannot be read: {error.strerror}.") from error
    if not lead.startswith(LEAD_MAGIC):
        raise NotAnRpm(f"{path} is not an RPM package.")
    header = inspect((path,))[0]
    if header.problem is not None:
        raise DamagedRpm(f"{path} is damaged: {header.problem}.")
    if not header.source:
        raise BinaryRpm(f"{path} is a binary RPM ({header.name}, {header.arch}), not a source RPM.")
    return header
