"""The bills of materials of a build: what they tell of hostile headers too, and how they refer to the buildroot's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from hermetic_rpm import sbom
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX
from hermetic_rpm.rpmfile import Header
from tests.support import buildroots

GIVEN, WRITTEN = "hello-2.10-1.fc40.src.rpm", "hello-2.10-1.fc41.src.rpm"
BUILT = (
    ("hello", {"license": "GPL-3.0-or-later", "epoch": "0"}),
    ("g++", {"license": "GPLv3+ and \x1b[2J\n\0"}),
    ("other", {"license": "", "source_rpm": "no-such-1-1.src.rpm"}),
    ("none", {"license": "MIT AND LicenseRef-x", "source_rpm": None}),
)
OF_BUILD = pytest.mark.promise("5.7", "an SBOM of the outputs, createrepo and a signing hook")


def header(name: str, **more: Any) -> Header:
    values = {"version": "2.10", "release": "1.fc41", "arch": "x86_64", "source_rpm": WRITTEN, **more}
    return Header(path=f"/results/.incomplete-results/{name}-2.10-1.fc41.x86_64.rpm", name=name, **values)


def made(lock: Lock, *, first: str = "1" * 64, given: str = GIVEN) -> dict[str, bytes]:
    packages = [(header(name, **more), first if name == "hello" else "2" * 64) for name, more in BUILT]
    srpm = Header(path=f"/results/{WRITTEN}", name="hello", source=True)
    return sbom.build_documents(lock, srpm=given, srpm_sha256="e" * 64, made=[*packages, (srpm, "3" * 64)])


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return buildroots.lock(tmp_path, buildroots.row())


@OF_BUILD
@pytest.mark.parametrize("sidecar", [True, False])
def test_the_formats_own_tools_accept_them(tmp_path: Path, *, sidecar: bool) -> None:
    documents = made(buildroots.lock(tmp_path, buildroots.row(), sidecar=sidecar))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(documents[CYCLONEDX].decode()) is None
    found = validate_full_spdx_document(JsonLikeDictParser().parse(json.loads(documents[SPDX])))
    assert [message.validation_message for message in found] == []


@OF_BUILD
def test_what_cyclonedx_tells(lock: Lock) -> None:
    document = json.loads(made(lock)[CYCLONEDX])
    components = {component["bom-ref"]: component for component in document["components"]}
    hello = components["hello-2.10-1.fc41.x86_64.rpm"]
    assert hello["purl"] == "pkg:rpm/hello@2.10-1.fc41?arch=x86_64&distro=fc40&epoch=0"
    assert (hello["version"], hello["hashes"][0]["content"]) == ("0:2.10-1.fc41", "1" * 64)
    assert hello["licenses"] == [{"acknowledgement": "declared", "expression": "GPL-3.0-or-later"}]
    ancestors = {
        ref: component["pedigree"]["ancestors"][0]["hashes"][0]["content"]
        for ref, component in components.items()
        if "pedigree" in component
    }
    assert ancestors == {
        "g++-2.10-1.fc41.x86_64.rpm": "3" * 64, "hello-2.10-1.fc41.x86_64.rpm": "3" * 64,
        "other-2.10-1.fc41.x86_64.rpm": "e" * 64, "none-2.10-1.fc41.x86_64.rpm": "e" * 64, WRITTEN: "e" * 64,
    }  # fmt: skip
    depends = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert depends == {"build": sorted(ancestors, key=lambda ref: (ref == WRITTEN, ref)), "source-rpm": ["buildroot"]}
    for component in components.values():
        if "purl" in component:
            assert PackageURL.from_string(component["purl"]).to_string() == component["purl"]


@OF_BUILD
def test_what_spdx_tells(lock: Lock) -> None:
    document = json.loads(made(lock)[SPDX])
    names = {package["SPDXID"]: package.get("packageFileName", "") for package in document["packages"]}
    relations = {
        (entry["relationshipType"], names.get(entry["spdxElementId"]), names.get(entry["relatedSpdxElement"]))
        for entry in document["relationships"]
        if entry["relationshipType"] == "GENERATED_FROM"
    }
    rpms = {name: f"{name}-2.10-1.fc41.x86_64.rpm" for name, _ in BUILT}
    assert relations == {
        ("GENERATED_FROM", rpms["hello"], WRITTEN), ("GENERATED_FROM", rpms["g++"], WRITTEN),
        ("GENERATED_FROM", rpms["other"], GIVEN), ("GENERATED_FROM", rpms["none"], GIVEN),
        ("GENERATED_FROM", WRITTEN, GIVEN),
    }  # fmt: skip
    tools = [entry for entry in document["relationships"] if entry["relationshipType"] == "BUILD_TOOL_OF"]
    assert [entry["spdxElementId"] for entry in tools] == ["DocumentRef-buildroot:SPDXRef-Buildroot"]


@OF_BUILD
def test_they_refer_to_the_documents_of_the_buildroot_by_name_and_checksum(lock: Lock) -> None:
    documents, buildroot = made(lock), sbom.documents(lock)
    (external,) = json.loads(documents[SPDX])["externalDocumentRefs"]
    assert external["spdxDocument"] == json.loads(buildroot[SPDX])["documentNamespace"]
    assert external["checksum"]["checksumValue"] == hashlib.sha256(buildroot[SPDX]).hexdigest()
    (component,) = [c for c in json.loads(documents[CYCLONEDX])["components"] if c["bom-ref"] == "buildroot"]
    (link,) = component["externalReferences"]
    serial = json.loads(buildroot[CYCLONEDX])["serialNumber"].removeprefix("urn:uuid:")
    assert link["url"] == f"urn:cdx:{serial}/1#buildroot"
    assert link["hashes"][0]["content"] == hashlib.sha256(buildroot[CYCLONEDX]).hexdigest()


def test_the_same_build_gives_the_same_bytes_and_another_one_another_identity(lock: Lock) -> None:
    documents = made(lock)
    assert made(lock) == documents
    assert made(lock, given="renamed.src.rpm") == documents
    other = made(lock, first="4" * 64)
    assert json.loads(other[CYCLONEDX])["serialNumber"] != json.loads(documents[CYCLONEDX])["serialNumber"]
    assert json.loads(other[SPDX])["documentNamespace"] != json.loads(documents[SPDX])["documentNamespace"]
