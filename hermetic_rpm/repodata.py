"""The metadata of a repository (offline, or of what was built), made by createrepo_c in a subprocess with limits.

gzip, since old versions of dnf read nothing newer; the same packages give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hermetic_rpm import process
from hermetic_rpm.errors import CommandFailed
from hermetic_rpm.files import writing_errors
from hermetic_rpm.lock.offline import INDEX, METADATA_KINDS, REPODATA

MEMORY_BYTES = 4 << 30
INCOMPLETE = ".incomplete-repodata"


def content_tag(identity: str) -> str:
    """How the index tells what it was made from."""
    return f"<content>{identity}</content>"


def write(
    repository: Path, names: tuple[str, ...], *, identity: str = "", more: Mapping[str, Path] | None = None
) -> None:
    """Make ``repodata/`` for the packages ``names`` (sorted), replacing the one that was there.

    ``identity`` is kept as a tag of the index; ``more`` are files to describe by their kind.
    """
    fresh = repository / INCOMPLETE
    with writing_errors(repository):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
    request = {
        "repository": str(repository), "destination": str(fresh), "names": names, "identity": identity,
        "more": {kind: str(path) for kind, path in (more or {}).items()},
    }  # fmt: skip
    done = process.run_worker(__file__, request)
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise CommandFailed("createrepo_c cannot describe the packages.", log_tail=done.tail)
    with writing_errors(repository):
        shutil.rmtree(repository / REPODATA, ignore_errors=True)
        (fresh / REPODATA).replace(repository / REPODATA)
        fresh.rmdir()


def _work(repository: Path, destination: Path, names: list[str], identity: str, more: dict[str, str]) -> None:
    import createrepo_c  # noqa: PLC0415 - a native parser, loaded under the limits only

    index = destination / REPODATA / INDEX
    writer = createrepo_c.RepositoryWriter(
        str(destination), num_packages=len(names), compression=createrepo_c.GZ_COMPRESSION, changelog_limit=0
    )
    for name in names:
        package = createrepo_c.package_from_rpm(str(repository / name), location_href=name, changelog_limit=0)
        package.time_file = package.time_build
        writer.add_pkg(package)
    writer.finish()
    repomd = createrepo_c.Repomd()
    for record in createrepo_c.Repomd(str(index)).records:
        record.timestamp = 0  # of a copy: the document itself does not change with its records
        repomd.set_record(record)
    for kind, path in sorted(more.items()):
        packed = destination / REPODATA / f"{METADATA_KINDS[kind]}.gz"
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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _work(Path(request.pop("repository")), Path(request.pop("destination")), **request)


if __name__ == "__main__":
    main()
