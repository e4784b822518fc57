"""The subprocess of `outdated`: what a repository's metadata says, which may be hostile input."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

MEMORY_BYTES = 4 << 30
CPU_SECONDS = 300


def primary(index: str) -> dict[str, Any]:
    """Where an index says that the list of packages is: location, sha256 and size."""
    import createrepo_c  # noqa: PLC0415 - a native parser, under limits

    record = next(record for record in createrepo_c.Repomd(index).records if record.type == "primary")
    if record.checksum_type != "sha256" or record.size <= 0:
        raise ValueError("its index names no sha256 and size")
    return {"location": record.location_href, "sha256": record.checksum, "size": record.size}


def packages(path: str, wanted: frozenset[tuple[str, str]]) -> list[tuple[str, str, str, str, str]]:
    """Each version of the wanted packages (name, architecture): name, architecture, epoch, version, release."""
    import createrepo_c  # noqa: PLC0415 - see above

    found: list[tuple[str, str, str, str, str]] = []

    def take(package: createrepo_c.Package) -> None:
        if (package.name, package.arch) in wanted:
            found.append((package.name, package.arch, package.epoch or "0", package.version, package.release))

    createrepo_c.xml_parse_primary(path, pkgcb=take, do_files=False)
    return found


def main() -> None:
    """Answer one question."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    request = json.load(sys.stdin)
    if "index" in request:
        answer: Any = primary(request["index"])
    else:
        answer = packages(request["primary"], frozenset((name, arch) for name, arch in request["wanted"]))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
