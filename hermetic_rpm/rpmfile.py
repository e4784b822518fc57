"""RPM files, read by a parser that may be attacked: in a subprocess with limits.

Facts measured with rpm-rs 0.30: a flipped bit can make it panic or ask for gigabytes, so
nothing is parsed in this process, and a crash of the other is an answer ("damaged").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import BinaryRpm, DamagedRpm, NotAnRpm, SrpmMissing

WORKER = Path(__file__).with_name("rpmfile_worker.py")
LEAD_MAGIC = b"\xed\xab\xee\xdb"
FILES_PER_WORKER = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the header of an RPM says; ``problem`` is set where the file is not sound.

    ``signers`` are issuer key ids or fingerprints in lower case hex; ``verified_by`` is the
    path of the certificate file under which a signature holds, if certificates were given.
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
    sigmd5: str | None = None
    signed_whole: bool = False
    signers: tuple[str, ...] = ()
    verified_by: str | None = None
    problem: str | None = None


def inspect(paths: Sequence[Path], *, certificates: Sequence[Path] = (), payload: bool = True) -> tuple[Header, ...]:
    """The headers of RPM files in the given order, their digests checked.

    Without ``payload`` only the header's own digest is (for files whose sha256 is known).
    """
    found: dict[str, Header] = {}
    for start in range(0, len(paths), FILES_PER_WORKER):
        batch = paths[start : start + FILES_PER_WORKER]
        found |= _work(batch, certificates, payload=payload)
        for path in batch:
            if str(path) not in found:
                found |= _work((path,), certificates, payload=payload) or {
                    str(path): Header(path=str(path), problem="unreadable")
                }
    return tuple(found[str(path)] for path in paths)


def _work(paths: Sequence[Path], certificates: Iterable[Path], *, payload: bool) -> dict[str, Header]:
    request = {
        "paths": [str(path) for path in paths],
        "certificates": [str(path) for path in certificates],
        "payload": payload,
    }
    done = process.run_worker(WORKER, request)
    headers: dict[str, Header] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        headers[row["path"]] = Header(**{**row, "signers": tuple(row.get("signers", ()))})
    return headers


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
