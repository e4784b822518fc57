"""The subprocess of `repodata`: describes packages with createrepo_c, memory and time limited before it is loaded.

It imports nothing of the project, which would take it longer than its work for a small buildroot.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
from pathlib import Path

MEMORY_BYTES = 4 << 30
CPU_SECONDS = 3600


def _work(repository: Path, destination: Path, names: list[str], identity: str, more: dict[str, list[str]]) -> None:
    import createrepo_c  # noqa: PLC0415 - a native parser, loaded under the limits only

    writer = createrepo_c.RepositoryWriter(
        str(destination), num_packages=len(names), compression=createrepo_c.GZ_COMPRESSION, changelog_limit=0
    )
    for name in names:
        package = createrepo_c.package_from_rpm(str(repository / name), location_href=name, changelog_limit=0)
        package.time_file = package.time_build
        writer.add_pkg(package)
    writer.finish()
    index = writer.repodata_dir / "repomd.xml"
    repomd = createrepo_c.Repomd()
    for record in createrepo_c.Repomd(str(index)).records:
        record.timestamp = 0  # of a copy: the document itself does not change with its records
        repomd.set_record(record)
    for kind, (path, name) in sorted(more.items()):
        packed = writer.repodata_dir / name
        packed.write_bytes(gzip.compress(Path(path).read_bytes(), mtime=0))
        record = createrepo_c.RepomdRecord(kind, str(packed))
        record.fill(createrepo_c.SHA256)
        record.rename_file()
        record.timestamp = 0
        repomd.set_record(record)
    if identity:
        repomd.add_content_tag(identity)
    repomd.set_revision("0")
    index.write_text(repomd.xml_dump())


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _work(Path(request.pop("repository")), Path(request.pop("destination")), **request)


if __name__ == "__main__":
    main()
