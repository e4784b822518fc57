"""The subprocess of `rpmfile` and `rpmdiff`: reads RPM files and prints one JSON line for each, or for a pair.

The request, the first line of JSON on stdin, names two files to compare, or certificate files; then
each further line is a path.  Memory is limited before the parser is loaded; a payload is hashed in
pieces and never held.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermetic_rpm.rpmdiff import Dump, Value

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 300
CHUNK_BYTES = 1 << 20
EPOCH_TAG, SOURCE_RPM_TAG, PAYLOAD_SHA256_TAG, SIGNATURE_MD5_TAG, SIGNATURE_PGP_TAG = 1003, 1044, 5092, 1004, 1002
BUILD_TIME_TAG, CHANGELOG_TIME_TAG = 1006, 1080


def describe(path: str, verifiers: list[tuple[str, Any]], *, payload: bool) -> dict[str, Any]:
    """The facts of one file as `rpmfile.Header` names them, or its problem."""
    import rpm_rs  # noqa: PLC0415 - loaded under the limits that main() sets

    try:
        metadata = rpm_rs.PackageMetadata.open(path)
        header = metadata.header
        facts: dict[str, Any] = {
            "path": path,
            "name": metadata.name,
            "epoch": str(metadata.epoch) if header.entry_is_present(EPOCH_TAG) else None,
            "version": metadata.version,
            "release": metadata.release,
            "arch": metadata.arch,
            "source": metadata.is_source_package(),
            "license": metadata.license,
            "source_rpm": metadata.source_rpm if header.entry_is_present(SOURCE_RPM_TAG) else None,
            "sigmd5": _sigmd5(metadata),
            "signed_whole": metadata.signature.entry_is_present(SIGNATURE_PGP_TAG),
            "signers": sorted(
                {(info.fingerprint or info.key_id or "").lower() for info in metadata.signatures()} - {""}
            ),
        }
        if facts["source"]:
            facts |= {"files": [Path(entry.path).name for entry in metadata.file_entries()], "date": _date(header)}
            facts["requires"] = sorted({entry.name for entry in metadata.requires()})
        if not metadata.check_digests().is_ok():
            facts["problem"] = "the digest of its header does not match"
        elif payload:
            facts["problem"] = _payload_problem(path, metadata, facts["sigmd5"])
        facts["verified_by"] = next((name for name, verifier in verifiers if _holds(metadata, verifier)), None)
    except (RuntimeError, OSError, ValueError, MemoryError) as error:
        return {"path": path, "problem": str(error) or type(error).__name__}
    return facts


def _sigmd5(metadata: Any) -> str | None:
    signature = metadata.signature
    if not signature.entry_is_present(SIGNATURE_MD5_TAG):
        return None
    return bytes(signature.entry(SIGNATURE_MD5_TAG)).hex()


def _date(header: Any) -> int | None:
    """When a package was made, if it has no changelog that tells a date."""
    if header.entry_is_present(CHANGELOG_TIME_TAG) or not header.entry_is_present(BUILD_TIME_TAG):
        return None
    made = header.entry(BUILD_TIME_TAG)
    return int(made[0] if isinstance(made, list) else made)


def _payload_problem(path: str, metadata: Any, sigmd5: str | None) -> str | None:
    """Compare MD5 over header and payload, and SHA-256 over the payload, with what the headers say."""
    offsets = metadata.package_segment_offsets()
    whole, payload = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with Path(path).open("rb") as stream:
        stream.seek(offsets.header)
        whole.update(stream.read(offsets.payload - offsets.header))
        while piece := stream.read(CHUNK_BYTES):
            whole.update(piece)
            payload.update(piece)
    if sigmd5 is not None and whole.hexdigest() != sigmd5:
        return "header and payload do not have the MD5 that the package says (truncated or altered)"
    if metadata.header.entry_is_present(PAYLOAD_SHA256_TAG):
        said = metadata.header.entry(PAYLOAD_SHA256_TAG)
        if payload.hexdigest() != (said[0] if isinstance(said, list) else said):
            return "the payload does not have the SHA-256 that the header says (truncated or altered)"
    elif sigmd5 is None:
        return "the package has no digest over its payload"
    return None


def _holds(metadata: Any, verifier: Any) -> bool:
    return any(check.is_verified() for check in metadata.check_signatures(verifier).signatures)


def compare(before: str, after: str) -> str:
    """What `rpmdiff.answer` says of two files, or a problem."""
    from hermetic_rpm import rpmdiff  # noqa: PLC0415 - the other requests do without

    try:
        return rpmdiff.answer(dump(before), dump(after))
    except (RuntimeError, OSError, ValueError, MemoryError) as error:
        return json.dumps({"problem": str(error) or type(error).__name__})


def dump(path: str) -> Dump:
    """Every tag and file of an RPM as text."""
    import rpm_rs  # noqa: PLC0415 - loaded under the limits that main() sets

    from hermetic_rpm.rpmdiff import Dump  # noqa: PLC0415 - the other requests do without

    metadata = rpm_rs.PackageMetadata.open(path)
    header = _tags(metadata.header, rpm_rs.Tag)
    archive = header.get("PAYLOADSHA256ALT")
    return Dump(
        header=header,
        signature=_tags(metadata.signature, rpm_rs.SignatureTag),
        files={entry.path: _attributes(entry) for entry in metadata.file_entries()},
        payload=_sha256_from(path, metadata.package_segment_offsets().payload),
        archive=archive[0] if isinstance(archive, tuple) and archive else None,
    )


def _tags(header: Any, names: Any) -> dict[str, Value]:
    known = {int(tag): tag.name for tag in names}
    return {known.get(tag, f"TAG{tag}"): _value(value) for tag, value in header.get_all_entries().items()}


def _value(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _attributes(entry: Any) -> dict[str, str]:
    """What `rpm -qp --dump` tells of a file, and its capabilities."""
    return {
        "digest": "" if entry.digest is None else str(entry.digest.digest),
        "size": str(entry.size),
        "mode": f"{entry.mode.raw_mode:o}",
        "owner": f"{entry.user}:{entry.group}",
        "mtime": str(entry.modified_at),
        "link": entry.linkto or "",
        "device": str(entry.rdev),
        "flags": str(int(entry.flags)),
        "capabilities": entry.caps or "",
    }


def _sha256_from(path: str, offset: int) -> str:
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Answer one request, or one for each path."""
    request = json.loads(sys.stdin.readline())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "compare" in request:
        sys.stdout.write(compare(*request["compare"]) + "\n")
        return
    import rpm_rs  # noqa: PLC0415

    verifiers = []
    for name in request["certificates"]:
        verifier = rpm_rs.Verifier()
        verifier.load_from_asc_bytes(Path(name).read_bytes())
        verifiers.append((name, verifier))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(describe(json.loads(line), verifiers, payload=request["payload"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
