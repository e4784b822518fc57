"""The subprocess of `metadata`: reads what repositories say of their packages, and answers each line of JSON by one.

``{"primaries": [[repository, path], ...]}`` has it read these, and is answered by the comps and modules
that their indexes name; ``{"package": "name-version-release.arch"}`` by every place of that package.
An answer ``{"problem": ...}`` says why there is none.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 << 30
RECORDS = {"group": ("group_gz", "group"), "modules": ("modules",)}
"""The kinds of other files that are locked, each with the types under which an index may name it, best first."""

SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^:%{}@=,-]{0,230}\.(no)?src\.rpm")

Row = dict[str, Any]


def packages(primaries: list[tuple[str, str]]) -> dict[str, list[Row]]:
    """Every place of every package, by ``name-version-release.arch``, in the given order."""
    import createrepo_c  # noqa: PLC0415 - a native parser of what came from the network, under limits

    found: dict[str, list[Row]] = {}
    for repository, primary in primaries:

        def take(package: createrepo_c.Package, repository: str = repository) -> None:
            source = package.rpm_sourcerpm or ""
            row = {
                "nevra": (package.name, package.epoch or "0", package.version, package.release, package.arch),
                "repository": repository, "location": package.location_href,
                "sha256": package.pkgId if package.checksum_type == "sha256" else None,
                "size": package.size_package, "source": source if SOURCE_NAME.fullmatch(source) else None,
            }  # fmt: skip
            found.setdefault(f"{package.name}-{package.version}-{package.release}.{package.arch}", []).append(row)

        createrepo_c.xml_parse_primary(primary, pkgcb=take, do_files=False)
    return found


def files(primaries: list[tuple[str, str]]) -> list[Row]:
    """Which comps and modules the indexes beside ``primaries`` name with sha256 and size."""
    import createrepo_c  # noqa: PLC0415 - see above

    found = []
    for repository, primary in primaries:
        index = Path(primary).with_name("repomd.xml")
        records = {record.type: record for record in createrepo_c.Repomd(str(index)).records}
        for kind, types in RECORDS.items():
            record = next((records[name] for name in types if name in records), None)
            if record is not None and record.checksum_type == "sha256" and record.size > 0:
                row = {
                    "kind": kind, "repository": repository, "location": record.location_href,
                    "sha256": record.checksum, "size": record.size,
                }  # fmt: skip
                found.append(row)
    return found


def main() -> None:
    """Answer until there are no more questions."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import createrepo_c  # noqa: F401, PLC0415 - now, while nobody waits for an answer

    known: dict[str, list[Row]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: object
        try:
            if request is None:
                continue
            if "package" in request:
                answer = known.get(request["package"], [])
            else:
                known = packages(request["primaries"])
                answer = files(request["primaries"])
        except Exception as error:  # noqa: BLE001 - createrepo_c raises Exception itself
            answer = {"problem": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
