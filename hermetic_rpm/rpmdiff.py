"""What differs between two RPM files: header tags, files, payload or signature.

The pure half works on dumps, in which tags have rpm's names; `compare` has them made by the
subprocess that may be attacked (`rpmfile`), which hands back differences only: few and short.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from hermetic_rpm import process
from hermetic_rpm.progress import printable
from hermetic_rpm.rpmfile import WORKER

TAG, FILE, PAYLOAD, SIGNATURE, BYTES = "tag", "file", "payload", "signature", "bytes"
ABSENT = "(absent)"
MAX_DIFFERENCES = 100
MAX_VALUE = 64
BEFORE_THE_DIFFERENCE = 20
"""Of a long value as many characters are shown, and as many of them before the first that differs."""

MAX_NAME, MAX_PROBLEM = 300, 120
UNREADABLE = "one of the two cannot be read as an RPM"
ROOM = "padding, or room for signatures"

DERIVED = frozenset({
    "HEADERIMMUTABLE", "SIZE", "LONGSIZE", "ARCHIVESIZE", "LONGARCHIVESIZE", "PAYLOADSHA256", "PAYLOADSHA256ALT",
    "PAYLOADSIZE", "PAYLOADSIZEALT", "PAYLOAD_SHA512", "PAYLOAD_SHA512_ALT", "PAYLOAD_SHA3_256",
    "PAYLOAD_SHA3_256_ALT",
})  # fmt: skip
"""Header tags that follow from the files and the payload."""

FILE_TAGS = frozenset({
    "BASENAMES", "CLASSDICT", "DEPENDSDICT", "DIRINDEXES", "DIRNAMES", "FILECAPS", "FILECLASS", "FILECOLORS",
    "FILEDEPENDSN", "FILEDEPENDSX", "FILEDEVICES", "FILEDIGESTALGO", "FILEDIGESTS", "FILEFLAGS", "FILEGROUPNAME",
    "FILEINODES", "FILELANGS", "FILELINKTOS", "FILEMIMEINDEX", "FILEMODES", "FILEMTIMES", "FILERDEVS", "FILESIZES",
    "FILEUSERNAME", "FILEVERIFYFLAGS", "LONGFILESIZES", "MIMEDICT",
})  # fmt: skip
"""Header tags that describe files: told only where the list of files does not tell the difference."""

UNSIGNED = frozenset({
    "HEADER_SIGNATURES", "SIZE", "LONGSIZE", "PAYLOADSIZE", "LONGARCHIVESIZE", "MD5", "SHA1", "SHA256", "SHA3_256",
    "RESERVED", "RESERVEDSPACE",
})  # fmt: skip
"""Tags of the signature header that are no signatures: sizes, digests, room for signatures to come."""

Value: TypeAlias = str | tuple[str, ...]
"""A tag's value as text, or one text for each of several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dump:
    """An RPM file: values by tag, attributes by path of a file, and sha256 of its payload as it lies there.

    ``archive`` is the sha256 of the payload before it was compressed, where the header has it.
    """

    header: Mapping[str, Value]
    signature: Mapping[str, Value]
    files: Mapping[str, Mapping[str, str]]
    payload: str
    archive: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that differs: what ``kind`` it is, its name, and both values, shortened and printable."""

    kind: str
    name: str
    before: str = ""
    after: str = ""


def differences(before: Dump, after: Dump) -> Iterator[Difference]:
    """Everything that differs, once: what only follows from another difference is not told."""
    files = tuple(_files(before.files, after.files))
    ignored = DERIVED | FILE_TAGS if files else DERIVED
    tags = tuple(_values(TAG, before.header, after.header, ignored))
    yield from tags
    yield from files
    if before.payload != after.payload and not files:
        yield _payload(before, after)
    yield from _values(SIGNATURE, before.signature, after.signature, UNSIGNED)


def _values(
    kind: str, before: Mapping[str, Value], after: Mapping[str, Value], ignored: frozenset[str]
) -> Iterator[Difference]:
    for name in sorted((before.keys() | after.keys()) - ignored):
        if before.get(name) != after.get(name):
            yield _value(kind, name, before.get(name), after.get(name))


def _value(kind: str, name: str, before: Value | None, after: Value | None) -> Difference:
    """Of several values the first that differs."""
    if isinstance(before, tuple) and isinstance(after, tuple) and max(len(before), len(after)) > 1:
        index = next(i for i in range(len(before) + 1) if before[i : i + 1] != after[i : i + 1])
        name = f"{name}[{index}]"
        before, after = before[index : index + 1], after[index : index + 1]
    return _difference(kind, name, _text(before), _text(after))


def _text(value: Value | None) -> str | None:
    if isinstance(value, tuple):
        return ", ".join(value) if value else None
    return value


def _files(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> Iterator[Difference]:
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            yield _difference(FILE, path, None if old is None else "there", None if new is None else "there")
            continue
        for name in old:
            if old[name] != new[name]:
                yield _difference(FILE, f"{path}: {name}", old[name], new[name])


def _payload(before: Dump, after: Dump) -> Difference:
    same = before.archive is not None and before.archive == after.archive
    how = "the same archive, compressed differently" if same else "the same files, archived or compressed differently"
    return _difference(PAYLOAD, how, before.payload, after.payload)


def _difference(kind: str, name: str, before: str | None, after: str | None) -> Difference:
    return Difference(
        kind=kind, name=printable(name)[:MAX_NAME], before=_shown(before, after), after=_shown(after, before)
    )


def _shown(value: str | None, other: str | None) -> str:
    """A value, or of a long one the piece around the first character in which it differs from the other."""
    if value is None:
        return ABSENT
    if len(value) <= MAX_VALUE:
        return printable(value)
    pairs = zip(value, other or "", strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(value), len(other or "")))
    start = max(0, min(first - BEFORE_THE_DIFFERENCE, len(value) - MAX_VALUE))
    end = start + MAX_VALUE
    return printable(f"{'…' if start else ''}{value[start:end]}{'…' if end < len(value) else ''}")


def answer(before: Dump, after: Dump) -> str:
    """The differences as one line of JSON, no more than `MAX_DIFFERENCES` of them: what the subprocess says."""
    found = list(differences(before, after))
    rows = [asdict(difference) for difference in found[:MAX_DIFFERENCES]]
    return json.dumps({"differences": rows, "more": max(0, len(found) - MAX_DIFFERENCES)})


def compare(before: Path, after: Path) -> tuple[tuple[Difference, ...], int]:
    """The differences of two files whose bytes differ, and how many there are beyond those.

    Never empty: where nobody can read a file, or the headers tell nothing, it names that.
    """
    done = process.run_worker(WORKER, {"compare": [str(before), str(after)]})
    if done.returncode != 0:
        return (Difference(kind=BYTES, name=UNREADABLE),), 0
    said = json.loads(done.stdout)
    if "problem" in said:
        return (Difference(kind=BYTES, name=f"{UNREADABLE}: {printable(said['problem'])[:MAX_PROBLEM]}"),), 0
    found = tuple(Difference(**row) for row in said["differences"])
    return found or (Difference(kind=BYTES, name=ROOM),), int(said["more"])
