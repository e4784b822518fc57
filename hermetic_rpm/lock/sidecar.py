"""Reading and writing ``buildroot_lock.sources.json``, the sidecar of a lockfile."""

from __future__ import annotations

from typing import Any

from hermetic_rpm.document import checked, parse_json
from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock.model import (
    Blob,
    BuildrootEntry,
    ImageSource,
    KeyFile,
    LockedSrpm,
    RepositorySource,
    RequirementEdges,
    Rows,
    RpmSource,
    Sidecar,
    TargetIdentity,
)

SIDECAR_NAME = "buildroot_lock.sources.json"
KEYS_DIRECTORY = "keys"
SCHEMA_VERSION = "1.1.0"
"""What is written; 1.0.0, which had no edges, is read too."""


def render(sidecar: Sidecar) -> bytes:
    """The bytes of the sidecar."""
    image = sidecar.image
    document = {
        "schema_version": SCHEMA_VERSION,
        "lockfile_sha256": sidecar.lockfile_sha256,
        "srpm": {"name": sidecar.srpm.name, "sha256": sidecar.srpm.sha256, "size": sidecar.srpm.size},
        "target": {"name": sidecar.target.name, "sha256": sidecar.target.sha256},
        "image": {
            "reference": image.reference,
            "locations": list(image.locations),
            "manifest": _blob_document(image.manifest),
            "config": _blob_document(image.config),
            "layers": [_blob_document(layer) for layer in image.layers],
        },
        "repositories": [
            {"id": repository.id, "base_urls": list(repository.base_urls), "gpgcheck": repository.gpgcheck}
            for repository in sidecar.repositories
        ],
        "keys": [{"path": key.path, "sha256": key.sha256} for key in sidecar.keys],
        "rpms": [
            {
                "sha256": rpm.sha256, "size": rpm.size, "repository": rpm.repository, "location": rpm.location,
                "key": rpm.key,
            }
            for rpm in sidecar.rpms
        ],
        "requirements": {
            "static": list(sidecar.static_requirements),
            "dynamic": list(sidecar.dynamic_requirements),
            **({} if sidecar.edges is None else {"edges": _edges_document(sidecar.edges)}),
        },
    }  # fmt: skip
    return canonical_json(document).encode()


def _blob_document(blob: Blob) -> dict[str, str | int]:
    return {"digest": blob.digest, "size": blob.size, "media_type": blob.media_type}


def _edges_document(edges: RequirementEdges) -> dict[str, Any]:
    return {
        "buildroot": [{"name": entry.name, "rows": _rows_text(entry.rows)} for entry in edges.buildroot],
        "static": [_rows_text(rows) for rows in edges.static],
        "dynamic": [_rows_text(rows) for rows in edges.dynamic],
        "packages": [_rows_text(rows) for rows in edges.packages],
    }


def _rows_text(rows: Rows) -> str:
    return " ".join(map(str, rows))


def parse(content: bytes, name: str = SIDECAR_NAME) -> Sidecar:
    """A sidecar from its bytes; raises `LockInvalid` with every problem."""
    data: Any = checked(parse_json(content, name, LockInvalid), "sidecar", LockInvalid)
    image = data["image"]
    repositories = tuple(
        RepositorySource(id=entry["id"], base_urls=tuple(entry["base_urls"]), gpgcheck=entry["gpgcheck"])
        for entry in data["repositories"]
    )
    rpms = tuple(RpmSource(**entry) for entry in data["rpms"])
    known = {repository.id for repository in repositories}
    if unknown := sorted({rpm.repository for rpm in rpms} - known):
        raise LockInvalid(f"{name} takes packages from repositories that it does not describe: {', '.join(unknown)}.")
    return Sidecar(
        lockfile_sha256=data["lockfile_sha256"],
        srpm=LockedSrpm(**data["srpm"]),
        target=TargetIdentity(**data["target"]),
        image=ImageSource(
            reference=image["reference"],
            locations=tuple(image["locations"]),
            manifest=Blob(**image["manifest"]),
            config=Blob(**image["config"]),
            layers=tuple(Blob(**layer) for layer in image["layers"]),
        ),
        repositories=repositories,
        keys=tuple(KeyFile(**entry) for entry in data["keys"]),
        rpms=rpms,
        static_requirements=tuple(data["requirements"]["static"]),
        dynamic_requirements=tuple(data["requirements"]["dynamic"]),
        edges=_edges(data, name),
    )


def _edges(data: Any, name: str) -> RequirementEdges | None:
    if found := edge_problems(data):
        raise LockInvalid("\n".join((f"{name} is not valid:", *(f"  {name}: {problem}" for problem in found))))
    if "edges" not in data["requirements"]:
        return None
    edges = data["requirements"]["edges"]
    return RequirementEdges(
        buildroot=tuple(BuildrootEntry(name=e["name"], rows=_rows(e["rows"])) for e in edges["buildroot"]),
        static=tuple(_rows(text) for text in edges["static"]),
        dynamic=tuple(_rows(text) for text in edges["dynamic"]),
        packages=tuple(_rows(text) for text in edges["packages"]),
    )


def _rows(text: str) -> Rows:
    return tuple(map(int, text.split()))


def edge_problems(data: Any) -> tuple[str, ...]:
    """Where the requirement edges of a document that conforms to the schema do not fit the rest of it."""
    requirements, count = data["requirements"], len(data["rpms"])
    edges = requirements.get("edges")
    if edges is None:
        return ()
    lengths = {"dynamic": len(requirements["dynamic"]), "packages": count, "static": len(requirements["static"])}
    found = [
        f"requirements.edges.{part}: has {len(edges[part])} entries for {length}"
        for part, length in lengths.items()
        if len(edges[part]) != length
    ]
    lists = {"buildroot": [entry["rows"] for entry in edges["buildroot"]], **{part: edges[part] for part in lengths}}
    for part, texts in lists.items():
        for index, text in enumerate(texts):
            if any(row >= count for row in _rows(text)):
                found.append(f"requirements.edges.{part}[{index}]: names a row that the lockfile has not")
    return tuple(found)
