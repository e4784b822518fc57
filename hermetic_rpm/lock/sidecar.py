"""Reading and writing ``buildroot_lock.sources.json``, the sidecar of a lockfile."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from hermetic_rpm.document import checked, parse_json
from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.files import canonical_json
from hermetic_rpm.lock import options
from hermetic_rpm.lock.model import (
    Blob,
    BootstrapPackage,
    BuildOptions,
    BuildrootEntry,
    ImageSource,
    KeyFile,
    LockedRpm,
    LockedSrpm,
    MetadataFile,
    ModuleStreams,
    RepositorySource,
    RequirementEdges,
    Rows,
    RpmSource,
    Sidecar,
    SourceRpm,
    TargetIdentity,
)

SIDECAR_NAME = "buildroot_lock.sources.json"
KEYS_DIRECTORY = "keys"
SCHEMA_VERSION = "1.4.0"
"""What is written.

Read too are 1.3.0, which named neither certificates nor module streams, 1.2.0, which had no packages of the bootstrap
and no build options either, 1.1.0, which had no metadata and sources either, and 1.0.0, which had no edges.
"""

BOOTSTRAP = "bootstrap_packages"


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
            _repository_document(repository)
            for repository in sidecar.repositories
        ],
        "keys": [{"path": key.path, "sha256": key.sha256} for key in sidecar.keys],
        "rpms": [dataclasses.asdict(rpm) for rpm in sidecar.rpms],
        **_bootstrap_document(sidecar.bootstrap_packages),
        "metadata": [dataclasses.asdict(file) for file in sidecar.metadata],
        **({} if sidecar.sources is None else {"sources": [dataclasses.asdict(entry) for entry in sidecar.sources]}),
        **_options_document(sidecar.build_options),
        **_modules_document(sidecar.modules),
        "requirements": {
            "static": list(sidecar.static_requirements),
            "dynamic": list(sidecar.dynamic_requirements),
            **({} if sidecar.edges is None else {"edges": _edges_document(sidecar.edges)}),
        },
    }  # fmt: skip
    return canonical_json(document).encode()


def _repository_document(repository: RepositorySource) -> dict[str, Any]:
    name = repository.client_certificate
    return {
        "id": repository.id, "base_urls": list(repository.base_urls), "gpgcheck": repository.gpgcheck,
        **({} if name is None else {"client_certificate": name}),
    }  # fmt: skip


def _bootstrap_document(packages: tuple[BootstrapPackage, ...]) -> dict[str, Any]:
    rows = [{**dataclasses.asdict(package.rpm), **dataclasses.asdict(package.source)} for package in packages]
    for row in rows:
        del row["url"]
    return {BOOTSTRAP: rows} if rows else {}


def _options_document(found: BuildOptions) -> dict[str, dict[str, list[str]]]:
    """The field ``build_options``, which is there only where there are any."""
    given = {"with": found.with_, "without": found.without, "define": found.define, "requires": found.requires}
    recorded = {name: list(values) for name, values in given.items() if values}
    return {"build_options": recorded} if recorded else {}


def _modules_document(found: ModuleStreams) -> dict[str, dict[str, list[str]]]:
    """The field ``modules``, which is there only where the target chose something."""
    chosen = {"enabled": found.enabled, "disabled": found.disabled}
    recorded = {name: list(values) for name, values in chosen.items() if values}
    return {"modules": recorded} if recorded else {}


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
        RepositorySource(
            id=entry["id"],
            base_urls=tuple(entry["base_urls"]),
            gpgcheck=entry["gpgcheck"],
            client_certificate=entry.get("client_certificate"),
        )
        for entry in data["repositories"]
    )
    if found := (*_unknown_repositories(data), *inner_problems(data)):
        raise LockInvalid("\n".join((f"{name} is not valid:", *(f"  {name}: {problem}" for problem in found))))
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
        rpms=tuple(RpmSource(**entry) for entry in data["rpms"]),
        static_requirements=tuple(data["requirements"]["static"]),
        dynamic_requirements=tuple(data["requirements"]["dynamic"]),
        edges=_edges(data),
        metadata=tuple(MetadataFile(**entry) for entry in data.get("metadata", ())),
        sources=tuple(SourceRpm(**entry) for entry in data["sources"]) if "sources" in data else None,
        bootstrap_packages=_bootstrap_packages(data, {entry.id: entry.base_urls[0] for entry in repositories}),
        build_options=_options(data),
        modules=ModuleStreams(**{name: tuple(values) for name, values in data.get("modules", {}).items()}),
    )


def canonical_url(base_url: str, location: str) -> str:
    """The package's address below the target's first base URL, whichever mirror served it."""
    return f"{base_url.rstrip('/')}/{location}"


def _bootstrap_packages(data: Any, base_urls: dict[str, str]) -> tuple[BootstrapPackage, ...]:
    facts = {field.name for field in dataclasses.fields(RpmSource)}
    found = []
    for entry in data.get(BOOTSTRAP, ()):
        source = RpmSource(**{name: value for name, value in entry.items() if name in facts})
        row = {name: value for name, value in entry.items() if name not in facts}
        url = canonical_url(base_urls[source.repository], source.location)
        found.append(BootstrapPackage(rpm=LockedRpm(**row, url=url), source=source))
    return tuple(found)


def _options(data: Any) -> BuildOptions:
    given = data.get("build_options", {})
    return options.options(**{{"with": "with_"}.get(name, name): values for name, values in given.items()})


def _edges(data: Any) -> RequirementEdges | None:
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


PARTS_OF_REPOSITORIES = ("rpms", BOOTSTRAP, "metadata", "sources")
"""The lists whose entries name a repository."""


def _unknown_repositories(data: Any) -> Iterator[str]:
    known = {repository["id"] for repository in data["repositories"]}
    for part in PARTS_OF_REPOSITORIES:
        for index, entry in enumerate(data.get(part, ())):
            if entry["repository"] not in known:
                yield f"{part}[{index}].repository: no repository {entry['repository']!r} is described"


def inner_problems(data: Any) -> tuple[str, ...]:
    """Where the parts of a document that conforms to the schema do not fit each other, repositories aside."""
    return (*_double_problems(data), *_source_problems(data), *_edge_problems(data), *_option_problems(data))


def _double_problems(data: Any) -> Iterator[str]:
    files = [f"{entry['kind']} of {entry['repository']}" for entry in data.get("metadata", ())]
    sources = [entry["name"] for entry in data.get("sources", ())]
    bootstrap = [
        # To rpm, no epoch is epoch 0.
        f"{entry['name']}-{entry['epoch'] or '0'}:{entry['version']}-{entry['release']}.{entry['arch']}"
        for entry in data.get(BOOTSTRAP, ())
    ]
    for part, names in (("metadata", files), ("sources", sources), (BOOTSTRAP, bootstrap)):
        seen: dict[str, int] = {}
        for index, name in enumerate(names):
            if (first := seen.setdefault(name, index)) != index:
                yield f"{part}[{index}]: {name} is already {part}[{first}]"


def _source_problems(data: Any) -> Iterator[str]:
    wanted = {rpm.get("source") for rpm in (*data["rpms"], *data.get(BOOTSTRAP, ()))}
    for index, entry in enumerate(data.get("sources", ())):
        if entry["name"] not in wanted:
            yield f"sources[{index}]: no package was built from {entry['name']}"


def _option_problems(data: Any) -> Iterator[str]:
    given = data.get("build_options", {})
    for problem in options.contradictions(*(given.get(name, ()) for name in ("with", "without", "define"))):
        yield f"build_options: {problem}"


def _edge_problems(data: Any) -> tuple[str, ...]:
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
