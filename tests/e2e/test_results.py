"""What a build leaves beside its packages: bills of materials, a repository, signed copies, the record of the run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from containers import DEMO, QUICK, ROOT, Engine, Workspace, commands, runner, sample, with_runner
from hermetic_rpm import errors, rpmdiff, rpmfile
from hermetic_rpm.files import sha256_of
from hermetic_rpm.lock.offline import CYCLONEDX, SPDX
from tests.support import storage

HOW_TO = "sign-and-publish.md"
PASSPHRASE = "a passphrase with 'quotes' and %{macros}"
RESULTS = pytest.mark.promise("5.7", "an SBOM of the outputs, createrepo and a signing hook")
RECORDED = pytest.mark.promise("5.6", "`hermetic-rpm reproduce` tells when another builder image made the first build")


# -- bills of materials -------------------------------------------------------------------


@RESULTS
def test_the_bills_of_materials_are_valid_and_name_what_is_there(hello: Workspace) -> None:
    results = hello.path / "results"
    text = (results / CYCLONEDX).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    named = {c["bom-ref"]: c["hashes"][0]["content"] for c in document["components"] if c["bom-ref"].endswith(".rpm")}
    assert named == {path.name: sha256_of(path) for path in hello.rpms()}
    (link,) = document["components"][-1]["externalReferences"]
    assert link["hashes"][0]["content"] == sha256_of(hello.path / "repo" / CYCLONEDX)

    spdx = parse_file(str(results / SPDX))
    assert [message.validation_message for message in validate_full_spdx_document(spdx)] == []
    (external,) = spdx.creation_info.external_document_refs
    assert external.checksum.value == sha256_of(hello.path / "repo" / SPDX)
    assert {output["path"] for output in hello.result("results")["outputs"]} >= {CYCLONEDX, SPDX, *named}


# -- a repository -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dnf(rootful: Engine) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The demo's dnf5 in podman with a storage of its own, on a directory that is /repo."""
    with storage.own_podman(rootful.environment) as podman:
        found = rootful.run(*podman, "pull", "--quiet", f"oci:{DEMO}/images/dnf5:latest", check=True)
        image = found.stdout.split()[-1]

        def run(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
            return rootful.run(
                *podman, "run", "--rm", "--network=none", "-v", f"{repository}:/repo:ro",
                "-v", f"{DEMO}:/distribution:ro", image, "sh", "-euc", *words,
            )  # fmt: skip

        yield run


INSTALL = """
cat > /etc/mine.conf <<'EOF'
[main]
plugins=0
[demo]
name=demo
baseurl=file:///distribution/repo
gpgcheck=0
[mine]
name=mine
baseurl=file:///repo
gpgkey=file:///repo/RPM-GPG-KEY
gpgcheck=GPGCHECK
repo_gpgcheck=GPGCHECK
EOF
dnf="dnf5 --config=/etc/mine.conf --assumeyes --installroot=/var/tmp/root --releasever=1 --setopt=reposdir=/none"
$dnf list --available --repo=mine | cat
$dnf install hello
/var/tmp/root/usr/bin/hello
"""


@RESULTS
def test_dnf_installs_from_the_results(
    rootful: Engine, hello: Workspace, hello_copy: Workspace, dnf: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    metadata = []
    for _ in range(2):
        done = hello_copy.build(sample("hello"), "--createrepo")
        assert done.returncode == 0, done.stderr[-3000:]
        repodata = hello_copy.path / "results/repodata"
        metadata.append({path.name: sha256_of(path) for path in repodata.iterdir()})
    assert metadata[0] == metadata[1]
    for name in (CYCLONEDX, SPDX):
        assert (hello_copy.path / "results" / name).read_bytes() == (hello.path / "results" / name).read_bytes()
    found = dnf(hello_copy.path / "results", INSTALL.replace("GPGCHECK", "0"))
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.endswith("Hello, world!\n")
    assert "hello-debuginfo" in found.stdout

    done = hello_copy.build(sample("hello"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert not repodata.exists()


# -- signed copies ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A secret key with a passphrase, made for this session."""

    exported: Path
    home: Path
    passphrase: Path
    fingerprint: str


@pytest.fixture(scope="session")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secret]:
    place = tmp_path_factory.mktemp("k")
    home, passphrase, exported = place / "home", place / "passphrase", place / "key.asc"
    home.mkdir(mode=0o700)
    passphrase.write_text(PASSPHRASE)
    gpg = (
        "gpg", "--homedir", str(home), "--batch", "--pinentry-mode=loopback", f"--passphrase-file={passphrase}",
    )  # fmt: skip
    subprocess.run((*gpg, "--quick-gen-key", "a@example.com", "rsa3072", "sign", "never"), check=True)
    subprocess.run((*gpg, "--armor", "--output", exported, "--export-secret-keys"), check=True)
    listed = subprocess.run((*gpg, "--with-colons", "--list-keys"), check=True, text=True, stdout=subprocess.PIPE)
    (fingerprint,) = [line.split(":")[9].lower() for line in listed.stdout.splitlines() if line.startswith("fpr:")]
    exported.chmod(0o600)
    yield Secret(exported=exported, home=home, passphrase=passphrase, fingerprint=fingerprint)
    subprocess.run(("gpgconf", "--homedir", home, "--kill", "all"), check=False)


def prepare(place: Path, workspace: Workspace, secret: Secret) -> None:
    """A directory as the how-to has it: the results of a build, a key and a passphrase."""
    (place / "workspace").mkdir(parents=True)
    shutil.copytree(workspace.path / "results", place / "workspace/results")
    shutil.copy(secret.exported, place / "key.asc")
    shutil.copy(secret.passphrase, place / "passphrase")


def assert_signed(signed: Path, results: Path, secret: Secret) -> None:
    """Every package of the results has a signature that holds, and nothing else is different."""
    told = json.loads((signed / "result.json").read_text())
    assert (told["stage"], told["facts"]["signing_key"]) == ("signer", secret.fingerprint)
    assert told["facts"]["packages"] == {
        path.name: {"unsigned": sha256_of(path), "signed": sha256_of(signed / path.name)}
        for path in results.glob("*.rpm")
    }
    headers = rpmfile.inspect(sorted(signed.glob("*.rpm")), certificates=[signed / "RPM-GPG-KEY"])
    assert [header.problem for header in headers] == [None] * 3
    assert all(header.verified_by for header in headers)
    for path in signed.glob("*.rpm"):
        differences, _ = rpmdiff.compare(results / path.name, path)
        assert {difference.kind for difference in differences} == {rpmdiff.SIGNATURE}


@RESULTS
def test_signed_packages_are_made_and_installed_as_the_how_to_says(
    rootful: Engine, hello: Workspace, secret: Secret, tmp_path: Path,
    dnf: Callable[..., subprocess.CompletedProcess[str]],
) -> None:  # fmt: skip
    here = with_runner(rootful, tmp_path / "here")
    prepare(here.home, hello, secret)
    done = here.run("bash", "-euc", commands(HOW_TO, "sign"), check=True)
    signed = here.home / "workspace/results-signed"
    assert sorted(done.stdout.splitlines()) == [str(path) for path in sorted(signed.glob("*.rpm"))]
    assert_signed(signed, hello.path / "results", secret)
    for path in hello.rpms():
        assert (here.home / "workspace/results" / path.name).read_bytes() == path.read_bytes()
    for said in (done.stdout, done.stderr, *(path.read_text() for path in signed.glob("*.json"))):
        assert PASSPHRASE not in said
        assert "PRIVATE KEY" not in said
    assert not list((here.home / "workspace").glob(".incomplete*"))
    found = dnf(signed, INSTALL.replace("GPGCHECK", "1"))
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.endswith("Hello, world!\n")


@RESULTS
def test_an_ordinary_user_signs_with_podman_alone_and_anybody_checks_it(
    rootless: Engine, hello: Workspace, secret: Secret
) -> None:
    home = rootless.home / "signing"
    prepare(home, hello, secret)
    owner = rootless.home.stat()
    for path in (home, *home.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    rootless.run("bash", "-euc", commands(HOW_TO, "by hand"), cwd=home, check=True)
    assert_signed(home / "signed", hello.path / "results", secret)
    shutil.copy(home / "signed/RPM-GPG-KEY", home)
    rootless.run("bash", "-euc", commands(HOW_TO, "check"), cwd=home, check=True)
    shutil.rmtree(home / "keyring")
    shutil.copy(hello.rpms()[0], home / "signed")  # the unsigned one in its place
    assert rootless.run("bash", "-euc", commands(HOW_TO, "check"), cwd=home).returncode != 0


def sign(workspace: Workspace, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return runner("sign", workspace.path / "results", *words, environment=workspace.engine.environment)


@RESULTS
def test_a_gnupg_home_signs_too(hello_copy: Workspace, secret: Secret) -> None:
    done = sign(
        hello_copy, "--key", secret.home, "--passphrase-file", secret.passphrase, "--fingerprint", secret.fingerprint
    )
    assert done.returncode == 0, done.stderr
    assert_signed(hello_copy.path / "results-signed", hello_copy.path / "results", secret)


@RESULTS
def test_a_package_that_changed_since_is_not_signed(hello_copy: Workspace, secret: Secret) -> None:
    package = hello_copy.rpms()[0]
    content = bytearray(package.read_bytes())
    content[-1] ^= 1
    package.write_bytes(content)
    done = sign(hello_copy, "--key", secret.exported, "--passphrase-file", secret.passphrase)
    assert done.returncode == errors.ResultsAltered.exit_code, done.stderr
    assert package.name in done.stderr
    assert not (hello_copy.path / "results-signed").exists()


@RESULTS
@pytest.mark.parametrize("passphrase", ["wrong", None])
def test_a_key_that_cannot_sign_is_told(
    hello_copy: Workspace, secret: Secret, tmp_path: Path, passphrase: str | None
) -> None:
    (tmp_path / "passphrase").write_text(passphrase or "")
    words = () if passphrase is None else ("--passphrase-file", tmp_path / "passphrase")
    done = sign(hello_copy, "--key", secret.exported, *words)
    assert done.returncode == errors.SigningKeyUnusable.exit_code, done.stderr
    assert not (hello_copy.path / "results-signed").exists()
    assert not list(hello_copy.path.glob(".incomplete*"))


# -- the record of the run ----------------------------------------------------------------


@RESULTS
@RECORDED
def test_a_run_makes_a_repository_and_records_its_images(rootful: Engine, quick: Workspace, tmp_path: Path) -> None:
    here = with_runner(rootful, tmp_path / "here")
    (here.home / "srpms").mkdir(parents=True)
    srpm = Path(shutil.copy(quick.path / QUICK, here.home / "srpms" / sample("hello").name))
    for name in ("pipeline.yaml", "targets", "build/demo"):
        (here.home / name).parent.mkdir(exist_ok=True)
        (here.home / name).symlink_to(ROOT / name)
    here.run("bash", "-euc", commands(HOW_TO, "createrepo"), check=True)
    results = here.home / "workspace/results"
    assert (results / "repodata/repomd.xml").is_file()
    record = json.loads((here.home / "workspace/results.run.json").read_text())
    for stage in record["stages"]:
        reference = f"localhost/hermetic-rpm/{stage['kind']}:latest"
        found = here.run("podman", "image", "inspect", "--format={{.Id}} {{.Digest}}", reference, check=True)
        identity, digest = found.stdout.split()
        assert stage["image"] == {"reference": reference, "id": f"sha256:{identity}", "digest": digest}
    left = {"resolver": "lock", "fetcher": "repo", "builder": "results"}
    assert {stage["kind"]: stage["result"] for stage in record["stages"]} == {
        stage: hashlib.sha256((here.home / "workspace" / place / "result.json").read_bytes()).hexdigest()
        for stage, place in left.items()
    }

    again = ("reproduce", results, "--srpm", srpm)
    done = runner(*again, environment=rootful.environment)
    assert done.returncode == 0, done.stderr
    assert "builder image" not in done.stderr
    assert "the first build was made by" not in done.stderr
    other = f"sha256:{'0' * 64}"
    record["stages"][-1]["image"]["id"] = other
    (here.home / "workspace/results.run.json").write_text(json.dumps(record))
    done = runner(*again, environment=rootful.environment)
    assert done.returncode == 0, done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if "the first build was made by" in line]
    assert other in warning
    assert f"sha256:{identity}" in warning
