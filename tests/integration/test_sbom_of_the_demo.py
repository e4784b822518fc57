"""The fetcher over every package of the demo distribution, with a policy; what it says of them in SBOMs."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from hermetic_rpm import rpmfile, sbom
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image import copy, manifest
from hermetic_rpm.lock import join, lockfile
from hermetic_rpm.policy import certificates
from tests.support import buildroots

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "build/demo"
PACKAGES = DEMO / "repo/Packages"
KEY = DEMO / "keys/RPM-GPG-KEY-demo"

pytestmark = pytest.mark.integration


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """The directories of a finished run, and the fingerprint of the demo's key."""

    lockfile: Path
    repo: Path
    key: str
    policy: Path


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    if not (DEMO / "stamp").is_file():
        pytest.skip("not run here: build/demo is missing (`make distribution`)")
    for tool in ("rpm", "skopeo"):
        if shutil.which(tool) is None:
            pytest.skip(f"not run here: no {tool} on this host")
    place = tmp_path_factory.mktemp("demo")
    path = write_lock(place)
    (key,) = certificates.read("key", KEY.read_bytes()).fingerprints
    policy = place / "policy.yaml"
    policy.write_text(
        f"version: 1\nsidecar: required\nsigning_keys: ['{key}']\norigins: ['file://{PACKAGES}']\n"
        f"images: {{registries: [registry.example.com], directories: ['{DEMO}/images']}}\n"
        "licences: {deny: [SSPL-1.0], not_spdx: accept}\ndenied: [{package: xz*, versions: '>= 5.6.0, < 5.6.2'}]\n"
    )
    (place / "repo").mkdir()
    command = (
        sys.executable, "-m", "stages.fetcher", "--lockfile", str(path), "--output", str(place / "repo"),
        "--policy", str(policy),
    )  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return Fetched(lockfile=path, repo=place / "repo", key=key, policy=policy)


def write_lock(place: Path) -> Path:
    """A lock of all packages of the demo distribution, one of each NEVRA."""
    paths = sorted(PACKAGES.glob("*.rpm"))
    command = ("rpm", "-qp", "--nosignature", "--qf", lockfile.QUERY_FORMAT, *paths)
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    headers = rpmfile.inspect(paths, payload=False)
    rows = []
    for path, line, header in zip(paths, lines, headers, strict=True):
        rpm = lockfile.locked_rpm(lockfile.installed_rows(line)[0], url=f"file://{path}")
        rows.append(
            {name: getattr(rpm, name) for name in rpm.__slots__}
            | {"key": max(header.signers, key=len, default=None), "repository": "demo", "location": path.name}
        )
    (place / "image").mkdir()
    location = f"oci:{DEMO}/images/dnf5:latest"
    subprocess.run(copy.copy_command(location, place / "image", architecture="amd64"), check=True, capture_output=True)
    image = manifest.read(place / "image")
    blobs = {
        name: {"digest": blob.digest, "size": blob.size, "media_type": blob.media_type}
        for name, blob in (("manifest", image.manifest), ("config", image.config))
    }

    def real(lock: Any, side: Any) -> None:
        lock["bootstrap"] = {name: getattr(image.identity, name) for name in image.identity.__slots__}
        side["image"] |= blobs | {
            "locations": [location],
            "layers": [{name: getattr(blob, name) for name in blob.__slots__} for blob in image.layers],
        }
        side["repositories"] = [{"id": "demo", "base_urls": [f"file://{PACKAGES}"], "gpgcheck": True}]
        for path, entry in zip(paths, side["rpms"], strict=True):
            entry |= {"sha256": sha256_of(path), "size": path.stat().st_size}

    return buildroots.write(place, rows, certificate=KEY.read_bytes(), edit=real)


@pytest.mark.promise("4.8", "a lock of real signed packages passes a policy that names their key")
def test_the_policy_passed_and_is_in_the_result(fetched: Fetched) -> None:
    result = json.loads((fetched.repo / "result.json").read_text())
    assert result["inputs"]["policy"] == hashlib.sha256(fetched.policy.read_bytes()).hexdigest()


def test_fingerprints_are_those_of_gnupg(fetched: Fetched, tmp_path: Path) -> None:
    if shutil.which("gpg") is None:
        pytest.skip("not run here: no gpg on this host")
    command = ("gpg", "--homedir", str(tmp_path), "--with-colons", "--show-keys", str(KEY))
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split(":")[9].lower() for line in lines if line.startswith("fpr:")] == [fetched.key]


@pytest.mark.promise("4.7", "the SBOMs of a real lock are valid for the formats' own tools")
def test_the_formats_own_tools_accept_the_sboms(fetched: Fetched) -> None:
    text = (fetched.repo / sbom.CYCLONEDX).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    count = len(join.load(fetched.lockfile).packages)
    document = json.loads(text)
    assert len(Bom.from_json(document).components) == count + 2
    for component in document["components"]:
        assert PackageURL.from_string(component["purl"]).to_string() == component["purl"]
    spdx = parse_file(str(fetched.repo / sbom.SPDX))
    assert [message.validation_message for message in validate_full_spdx_document(spdx)] == []
    assert len(spdx.packages) == count + 3


def test_the_sboms_name_the_files_that_are_there(fetched: Fetched) -> None:
    named = {}
    for component in json.loads((fetched.repo / sbom.CYCLONEDX).read_text())["components"]:
        facts = {entry["name"]: entry["value"] for entry in component["properties"]}
        if component["type"] == "library":
            named[facts["hermetic-rpm:file-name"]] = component["hashes"][0]["content"]
            assert facts["hermetic-rpm:signing-key"] == fetched.key
    assert named == {path.name: sha256_of(path) for path in fetched.repo.glob("*.rpm")}


@pytest.mark.promise("4.7", "making the SBOMs takes well under 0.2 s for 300 packages")
def test_sboms_cost_little(fetched: Fetched) -> None:
    lock = join.load(fetched.lockfile)
    began = time.process_time()
    sbom.documents(lock)
    assert (time.process_time() - began) * 300 / len(lock.packages) < 0.2
