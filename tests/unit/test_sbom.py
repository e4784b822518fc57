"""The bills of materials: what they tell, with and without a sidecar; the same lock, the same bytes."""

from __future__ import annotations

import hashlib
import json
import time
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
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX, expected_names
from tests.support import buildroots
from tests.support.buildroots import BASE, CERTIFICATE_KEY, MANIFEST, row

VALID = pytest.mark.promise("4.7", "the SBOMs are valid for the formats' own tools")
FACTS = pytest.mark.promise("4.7", "each package has purl, licence, sha256, signing key and relations in both SBOMs")
ODD = (
    row("g++", epoch="4", version="14.2~rc1^git+1", release="1.fc40", license="GPLv3+ and GPLv3+ with exceptions"),
    row("glibc", license="LGPL-2.1-or-later AND LicenseRef-Fedora-Public-Domain"),
    row("glibc", arch="i686", license="LGPL-2.1-or-later AND LicenseRef-Fedora-Public-Domain"),
    row("unsigned", key=None, signature=None, license=""),
    row("local", url="file:///distribution/local-5.2-1.fc40.x86_64.rpm", license="Public Domain"),
    row("zero", epoch="0", license="GPL-2.0+"),
    row("quoted", url=f"{BASE}/a^b/50%/c%2Bd/x-5.2-1.fc40.x86_64.rpm"),
    row("plus", license="Apache-2.0+"),
)


def documents(lock: Lock) -> tuple[Any, Any]:
    made = sbom.documents(lock)
    return json.loads(made[CYCLONEDX]), json.loads(made[SPDX])


def assert_valid(lock: Lock) -> None:
    made = sbom.documents(lock)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made[CYCLONEDX].decode()) is None
    found = validate_full_spdx_document(JsonLikeDictParser().parse(json.loads(made[SPDX])))
    assert [message.validation_message for message in found] == []


@VALID
@pytest.mark.parametrize("sidecar", [True, False])
def test_the_formats_own_tools_accept_them(tmp_path: Path, *, sidecar: bool) -> None:
    assert_valid(buildroots.lock(tmp_path, *ODD, sidecar=sidecar))


@FACTS
def test_what_cyclonedx_tells_of_a_package(tmp_path: Path) -> None:
    document, _ = documents(buildroots.lock(tmp_path, row("g++", epoch="4", license="mit")))
    (package, image, srpm) = document["components"]
    assert package["purl"] == "pkg:rpm/g%2B%2B@5.2-1.fc40?arch=x86_64&distro=fc40&epoch=4&repository_id=os"
    assert package["version"] == "4:5.2-1.fc40"
    assert package["licenses"] == [{"acknowledgement": "declared", "expression": "MIT"}]
    assert package["hashes"][0]["content"] == hashlib.sha256(b"g++").hexdigest()
    properties = {entry["name"]: entry["value"] for entry in package["properties"]}
    assert properties["hermetic-rpm:signing-key"] == CERTIFICATE_KEY
    assert properties["hermetic-rpm:repository"] == "os"
    assert image["purl"].startswith(f"pkg:oci/bootstrap@{MANIFEST}?")
    assert "repository_url=registry.example.com/base/bootstrap&tag=40" in image["purl"]
    assert (image["type"], image["hashes"][0]["content"]) == ("container", "a" * 64)
    assert srpm["purl"] == "pkg:rpm/hello@2.10-1.fc40?arch=src&distro=fc40"
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert depends["buildroot"] == sorted((package["purl"], image["purl"]))
    assert depends[srpm["purl"]] == ["buildroot"]


@FACTS
def test_what_spdx_tells_of_a_package(tmp_path: Path) -> None:
    _, document = documents(buildroots.lock(tmp_path, row("bash", license="GPLv3+")))
    (root, package, image, srpm) = document["packages"]
    assert package["checksums"][0]["checksumValue"] == hashlib.sha256(b"bash").hexdigest()
    assert (package["supplier"], package["originator"]) == ("NOASSERTION", "NOASSERTION")
    assert package["annotations"][0]["comment"].startswith(f"signed by {CERTIFICATE_KEY}; sigmd5 ")
    assert package["downloadLocation"] == f"{BASE}/Packages/bash-5.2-1.fc40.x86_64.rpm"
    (extracted,) = document["hasExtractedLicensingInfos"]
    assert package["licenseDeclared"] == extracted["licenseId"]
    assert extracted["extractedText"] == "GPLv3+"
    assert image["checksums"][0]["checksumValue"] == "a" * 64
    relations = {
        (entry["spdxElementId"], entry["relationshipType"], entry["relatedSpdxElement"])
        for entry in document["relationships"]
    }
    assert relations == {
        ("SPDXRef-DOCUMENT", "DESCRIBES", root["SPDXID"]),
        (image["SPDXID"], "BUILD_TOOL_OF", root["SPDXID"]),
        (root["SPDXID"], "BUILD_DEPENDENCY_OF", srpm["SPDXID"]),
        (root["SPDXID"], "DEPENDS_ON", package["SPDXID"]),
    }


@FACTS
def test_package_urls_are_canonical(tmp_path: Path) -> None:
    document, _ = documents(buildroots.lock(tmp_path, *ODD))
    for component in document["components"]:
        assert PackageURL.from_string(component["purl"]).to_string() == component["purl"]
    assert len({component["bom-ref"] for component in document["components"]}) == len(ODD) + 2


def test_without_a_sidecar_less_is_known_and_nothing_invented(tmp_path: Path) -> None:
    cyclonedx, spdx = documents(buildroots.lock(tmp_path, row(), sidecar=False))
    assert [component["name"] for component in cyclonedx["components"]] == ["bash", buildroots.IMAGE]
    assert "hashes" not in cyclonedx["components"][0]
    assert "checksums" not in spdx["packages"][1]
    assert "sourceInfo" not in spdx["packages"][1]


@pytest.mark.promise("4.7", "the same lock gives the same SBOMs, byte by byte; another lock another identity")
def test_the_same_lock_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    one = sbom.documents(buildroots.lock(tmp_path / "one", *ODD))
    time.sleep(0.01)
    assert sbom.documents(buildroots.lock(tmp_path / "two", *ODD)) == one
    other = sbom.documents(buildroots.lock(tmp_path / "three", *ODD[1:]))
    assert json.loads(other[CYCLONEDX])["serialNumber"] != json.loads(one[CYCLONEDX])["serialNumber"]
    assert json.loads(other[SPDX])["documentNamespace"] != json.loads(one[SPDX])["documentNamespace"]
    assert json.loads(one[SPDX])["creationInfo"]["created"] == "1970-01-01T00:00:00Z"


def test_files_are_written_once_and_belong_to_the_repository(tmp_path: Path) -> None:
    lock = buildroots.lock(tmp_path)
    sbom.write(sbom.documents(lock), tmp_path)
    first = {name: (tmp_path / name).stat() for name in (SPDX, CYCLONEDX)}
    sbom.write(sbom.documents(lock), tmp_path)
    assert {name: (tmp_path / name).stat() for name in first} == first
    (tmp_path / SPDX).write_bytes(b"spoilt")
    sbom.write(sbom.documents(lock), tmp_path)
    assert (tmp_path / SPDX).read_bytes() == sbom.documents(lock)[SPDX]
    assert {SPDX, CYCLONEDX} <= expected_names(lock)


def test_the_cost_is_linear(tmp_path: Path) -> None:
    rows = [row(f"package-{index}", license=f"MIT OR LicenseRef-{index % 40}") for index in range(1500)]
    lock = buildroots.lock(tmp_path, *rows)
    began = time.process_time()
    sbom.documents(lock)
    assert time.process_time() - began < 1.0  # 300 packages in a fifth of it


def with_sources(_lock: Any, side: Any) -> None:
    """Two packages of one source RPM, which a source repository has, and one whose source RPM none has."""
    name = "gcc-14-1.fc40.src.rpm"
    side["sources"] = [
        {"name": name, "repository": "os", "location": f"Packages/{name}", "sha256": "5" * 64, "size": 9}
    ]
    for rpm, source in zip(side["rpms"], (name, name, "bash-5.2-1.fc40.src.rpm"), strict=True):
        rpm["source"] = source


@FACTS
def test_the_source_rpm_of_a_package_is_told_where_it_is_known(tmp_path: Path) -> None:
    lock = buildroots.lock(tmp_path, row("gcc"), row("gcc-c++"), row("bash"), edit=with_sources)
    assert_valid(lock)
    cyclonedx, spdx = documents(lock)
    ancestors = [entry.get("pedigree", {}).get("ancestors", []) for entry in cyclonedx["components"][:3]]
    assert [[found["purl"] for found in entries] for entries in ancestors] == [
        ["pkg:rpm/gcc@14-1.fc40?arch=src&distro=fc40"], ["pkg:rpm/gcc@14-1.fc40?arch=src&distro=fc40"], [],
    ]  # fmt: skip
    (source,) = [package for package in spdx["packages"] if package.get("packageFileName") == "gcc-14-1.fc40.src.rpm"]
    assert source["checksums"][0]["checksumValue"] == "5" * 64
    generated = [entry for entry in spdx["relationships"] if entry["relationshipType"] == "GENERATED_FROM"]
    assert [entry["relatedSpdxElement"] for entry in generated] == [source["SPDXID"]] * 2
