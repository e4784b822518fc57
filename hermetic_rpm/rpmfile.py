"""RPM files, read by a parser that may be attacked: in a subprocess with limits.

Facts measured with rpm-rs 0.30: a flipped bit can make it panic or ask for gigabytes, so
nothing is parsed in this process, and a crash of the other is an answer ("damaged").
"""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hermetic_rpm.errors import BinaryRpm, DamagedRpm, NotAnRpm, SrpmMissing
from hermetic_rpm.process import Worker

WORKER = Path(__file__).with_name("rpmfile_worker.py")
LEAD_MAGIC = b"\xed\xab\xee\xdb"


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the header of an RPM says; ``problem`` is set where the file is not sound.

    ``signers`` are issuer key ids or fingerprints in lower case hex; ``verified_by`` is the
    path of the certificate file under which a signature holds, if certificates were given.
    ``source_rpm`` is the file name of the source RPM it was built from, as the header has it.
    ``signed_whole`` tells that there is a signature over header and payload (rpm's SIGPGP).
    Of a source RPM there are the names of its ``files``, and as ``date`` when it was made (seconds
    since 1970) if it has no changelog from which rpmbuild would take a date; ``requires`` are the names
    (or the whole rich text) of its build requirements where it was made.
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
    files: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    date: int | None = None
    problem: str | None = None


class Readers:
    """Subprocesses with limits that read RPM files, one for each processor.

    Each is started when it is needed, and reads file after file.  Without ``payload`` only the
    digest of the header itself is checked (for files whose sha256 is known).
    """

    def __init__(self, certificates: Sequence[Path] = (), *, payload: bool = True) -> None:
        self._request = {"certificates": [str(path) for path in certificates], "payload": payload}
        self._started: list[Worker] = []
        self._ended = False
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)
        for _ in range(os.cpu_count() or 1):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for worker in self._started:
            worker.end()
        self._pool.shutdown(cancel_futures=True)

    def warm(self) -> None:
        """Start one of them now, beside other work, rather than when a file waits for it."""
        self._pool.submit(self._warm)

    def read(self, path: Path) -> Future[Header]:
        """The header of a file, as soon as one has time for it; what kills one of its own is unreadable."""
        return self._pool.submit(self._read, path)

    def inspect(self, paths: Sequence[Path]) -> tuple[Header, ...]:
        """The headers of the files in the given order."""
        return tuple(found.result() for found in [self.read(path) for path in paths])

    def _warm(self) -> None:
        self._idle.put(self._idle.get() or self._start())

    def _read(self, path: Path) -> Header:
        worker = self._idle.get()
        try:
            answer = None if worker is None else worker.ask(str(path))
            if answer is None:
                worker = self._start()
                answer = worker.ask(str(path))
        finally:
            self._idle.put(worker)
        if answer is None:
            return Header(path=str(path), problem="unreadable")
        row = json.loads(answer)
        return Header(**{**row, **{name: tuple(row.get(name, ())) for name in ("signers", "files", "requires")}})

    def _start(self) -> Worker:
        worker = Worker(WORKER, self._request)
        self._started.append(worker)
        if self._ended:  # too late for __exit__ to see it
            worker.end()
        return worker


def inspect(paths: Sequence[Path], *, certificates: Sequence[Path] = (), payload: bool = True) -> tuple[Header, ...]:
    """The headers of RPM files in the given order, their digests checked as `Readers` does."""
    with Readers(certificates, payload=payload) as readers:
        return readers.inspect(paths)


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
