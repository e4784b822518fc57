"""The lockfile and its sidecar: the same bytes, and nothing in them that only a forger would write."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import LockInvalid, LockMismatch
from hermetic_rpm.lock import join, lockfile, offline, sidecar
from hermetic_rpm.lock.compare import differences, installed_differences
from tests.support import locks

FORGED = pytest.mark.promise("2.4", "what only a forged lockfile can say is refused")
STABLE = pytest.mark.promise("2.4", "the same lock gives the same bytes of lockfile and sidecar")


def row(name: str, epoch: str = "(none)", signature: str = "(none)") -> str:
    return "|/@".join((name, "x86_64", "MIT", "1", "1", epoch, "0" * 32, signature))


@STABLE
def test_a_lockfile_is_the_same_bytes_after_reading_it() -> None:
    lock = locks.locked(locks.rpm("bash", epoch="1"), locks.rpm("zlib", signature=None))
    content = lockfile.render(lock)
    assert lockfile.parse(content) == lock
    assert lockfile.render(lockfile.parse(content)) == content


@STABLE
def test_a_lockfile_looks_as_mock_writes_it() -> None:
    content = lockfile.render(locks.locked())
    document = json.loads(content)
    assert content.decode() == json.dumps(document, indent=4, sort_keys=True) + "\n"
    assert document["buildroot"]["rpms"][0]["epoch"] is None


@STABLE
def test_a_sidecar_is_the_same_bytes_after_reading_it() -> None:
    side = locks.beside(locks.locked())
    content = sidecar.render(side)
    assert sidecar.parse(content) == side
    assert sidecar.render(sidecar.parse(content)) == content


@pytest.mark.promise("2.done", "the lockfile's rows equal what `rpm -qa` in Mock's format gives, in the same order")
def test_rows_are_sorted_as_whole_lines() -> None:
    rows = lockfile.installed_rows("\n".join((row("zlib"), row("bash"), row("bash-completion"), row("Xorg"))) + "\n")
    assert [entry[0] for entry in rows] == ["Xorg", "bash-completion", "bash", "zlib"]


def test_public_keys_are_no_packages() -> None:
    rows = lockfile.installed_rows("\n".join((row("gpg-pubkey"), row("gpg-pubkey-tools"))))
    assert [entry[0] for entry in rows] == ["gpg-pubkey-tools"]


def test_what_rpm_calls_none_is_null() -> None:
    locked = lockfile.locked_rpm(lockfile.installed_rows(row("bash"))[0], url="file:///x.rpm")
    assert (locked.epoch, locked.signature) == (None, None)


def test_epoch_zero_is_not_the_same_as_no_epoch() -> None:
    assert lockfile.locked_rpm(lockfile.installed_rows(row("bash", "0"))[0], url="u").epoch == "0"


def test_a_signature_is_the_last_eight_digits_of_its_key_id() -> None:
    signature = "RSA/SHA256, Mon Nov 23 10:22:42 2026, Key ID cbc39a413991c178"
    assert lockfile.locked_rpm(lockfile.installed_rows(row("a", "1", signature))[0], url="u").signature == "3991c178"


def test_a_licence_with_the_separator_in_it_is_refused() -> None:
    with pytest.raises(LockInvalid, match="nobody can read"):
        lockfile.installed_rows(row("bash") + "|/@more")


def change(path: str, value: Any) -> Callable[[Any], None]:
    """An edit of the document at a dotted path."""

    def edit(document: Any) -> None:
        *parents, last = path.split(".")
        for part in parents:
            document = document[int(part) if part.isdigit() else part]
        document[last] = value

    return edit


RPM = "buildroot.rpms.0"


@FORGED
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("config.plugin_conf", {"mount_enable": True}),
        ("config.root", "../../etc"),
        ("config.bootstrap_image", "--authfile=/etc/shadow"),
        ("config.bootstrap_image", "../escape:latest"),
        ("config.bootstrap_image", "registry.example.com/a/../../b:latest"),
        ("config.bootstrap_image", "registry.example.com/a:latest\n"),
        ("config.target_arch", "x86_64; id"),
        ("config.macros", {"%x": "a\n%y b"}),
        ("config.macros", {"%x y": "a"}),
        ("config.macros", {"%x\n": "a"}),
        ("config.macros", {"%x": ["a"]}),
        ("config.legal_host_arches", []),
        ("extra", 1),
        ("version", "1.0.0"),
        ("version", "2.0.0"),
        ("version", None),
        ("buildroot.rpms", []),
        ("buildroot.repositories", []),
        (f"{RPM}.name", "../bash"),
        (f"{RPM}.name", "-bash"),
        (f"{RPM}.name", ".bash"),
        (f"{RPM}.name", "bash\n"),
        (f"{RPM}.name", "ba sh"),
        (f"{RPM}.name", "ba/sh"),
        (f"{RPM}.name", "b\u00e4sh"),
        (f"{RPM}.name", ""),
        (f"{RPM}.name", 7),
        (f"{RPM}.version", "1/../../2"),
        (f"{RPM}.release", "1\n"),
        (f"{RPM}.arch", "../x86_64"),
        (f"{RPM}.epoch", "-1"),
        (f"{RPM}.epoch", 1),
        (f"{RPM}.sigmd5", "0" * 31),
        (f"{RPM}.sigmd5", "0" * 32 + "\n"),
        (f"{RPM}.signature", "not hex!"),
        (f"{RPM}.url", "gopher://example.com/bash.rpm"),
        (f"{RPM}.url", "/etc/shadow"),
        (f"{RPM}.url", "https://example.com/ba sh.rpm"),
        (f"{RPM}.url", "https://example.com/bash.rpm\n"),
        (f"{RPM}.sha256", "0" * 64),
        ("bootstrap.pull_digest", "sha256:" + "A" * 64),
        ("bootstrap.pull_digest", "md5:" + "a" * 32),
        ("bootstrap.id", "../" + "c" * 61),
        ("bootstrap.mounts", []),
    ],
)
def test_a_forged_lockfile_is_refused(path: str, value: Any) -> None:
    content = locks.edited(lockfile.render(locks.locked()), change(path, value))
    with pytest.raises(LockInvalid):
        lockfile.parse(content)


def test_every_problem_of_a_lockfile_is_told_at_once() -> None:
    def edit(document: Any) -> None:
        document["config"]["plugin"] = 1
        document["buildroot"]["rpms"][0]["name"] = "../x"
        del document["bootstrap"]["id"]

    with pytest.raises(LockInvalid) as caught:
        lockfile.parse(locks.edited(lockfile.render(locks.locked()), edit))
    assert all(word in caught.value.reason for word in ("'plugin'", "buildroot.rpms[0].name", "'id'"))


@FORGED
def test_a_package_named_twice_is_refused() -> None:
    content = lockfile.render(locks.locked(locks.rpm(), locks.rpm(sigmd5="1" * 32)))
    with pytest.raises(LockInvalid, match=r"bash-5\.2-1\.demo1\.x86_64 twice"):
        lockfile.parse(content)


def test_two_versions_of_one_package_are_no_duplicates() -> None:
    lock = locks.locked(locks.rpm(), locks.rpm(version="5.3"))
    assert lockfile.parse(lockfile.render(lock)) == lock


@FORGED
@pytest.mark.parametrize(
    "content",
    [
        b'{"version": "1.1.0", "version": "1.1.0"}',
        b'{"version": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"",
        b"null",
        b"[]",
        b'"1.1.0"',
        b'{"version": "1.1.0"} trailing',
    ],
)
def test_what_is_no_proper_json_document_is_refused(content: bytes) -> None:
    with pytest.raises(LockInvalid):
        lockfile.parse(content)


@FORGED
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rpms.0.location", "../bash.rpm"),
        ("rpms.0.location", "a/../../bash.rpm"),
        ("rpms.0.location", "a/./bash.rpm"),
        ("rpms.0.location", "/etc/bash.rpm"),
        ("rpms.0.location", "-bash.rpm"),
        ("rpms.0.location", "bash.rpm?x"),
        ("rpms.0.location", "bash.rpm#x"),
        ("rpms.0.location", "a\\..\\bash.rpm"),
        ("rpms.0.location", "bash\n.rpm"),
        ("rpms.0.sha256", "D" * 64),
        ("rpms.0.sha256", "d" * 64 + "\n"),
        ("rpms.0.size", 0),
        ("rpms.0.size", -1),
        ("rpms.0.size", "10"),
        ("rpms.0.key", "x"),
        ("rpms.0.repository", "another"),
        ("keys", [{"path": "keys/../../etc/shadow", "sha256": "0" * 64}]),
        ("keys", [{"path": "/etc/shadow", "sha256": "0" * 64}]),
        ("srpm.name", "../hello.src.rpm"),
        ("image.locations", ["containers-storage:x"]),
        ("image.locations", ["dir:/a b"]),
        ("image.locations", []),
        ("repositories.0.base_urls", ["gopher://x"]),
        ("repositories.0.base_urls", []),
        ("repositories.0.id", "../x"),
        ("schema_version", "2.0.0"),
        ("lockfile_sha256", "0" * 63),
        ("surprise", 1),
    ],
)
def test_a_forged_sidecar_is_refused(path: str, value: Any) -> None:
    content = locks.edited(sidecar.render(locks.beside(locks.locked())), change(path, value))
    with pytest.raises(LockInvalid):
        sidecar.parse(content)


def test_a_repository_that_no_sidecar_describes_is_named() -> None:
    side = locks.beside(locks.locked(), locks.source(repository="elsewhere"))
    with pytest.raises(LockInvalid, match="elsewhere"):
        sidecar.parse(sidecar.render(side))


def test_lockfile_and_sidecar_become_one_lock(tmp_path: Path) -> None:
    lock = locks.locked(locks.rpm("bash"), locks.rpm("zlib"))
    found = join.load(locks.write(tmp_path, lock, locks.beside(lock)))
    assert [(package.rpm.name, package.file_name) for package in found.packages] == [
        ("bash", "bash.rpm"), ("zlib", "zlib.rpm"),
    ]  # fmt: skip
    assert found.sidecar_sha256 is not None


def test_a_lockfile_alone_is_a_lock_without_sources(tmp_path: Path) -> None:
    found = join.load(locks.write(tmp_path, locks.locked(), None))
    assert found.sidecar is None
    assert found.packages[0].source is None


@FORGED
def test_the_sidecar_of_another_lockfile_is_refused(tmp_path: Path) -> None:
    lock = locks.locked()
    path = locks.write(tmp_path, lock, locks.beside(locks.locked(locks.rpm("zlib"))))
    with pytest.raises(LockMismatch, match="belongs to the lockfile"):
        join.load(path)


@FORGED
@pytest.mark.parametrize("count", [1, 3])
def test_a_sidecar_with_another_number_of_packages_is_refused(tmp_path: Path, count: int) -> None:
    lock = locks.locked(locks.rpm("bash"), locks.rpm("zlib"))
    side = locks.beside(lock, *(locks.source(f"p/{number}.rpm") for number in range(count)))
    with pytest.raises(LockMismatch, match=f"describes {count} packages, the lockfile 2"):
        join.load(locks.write(tmp_path, lock, side))


@FORGED
def test_a_sidecar_with_another_image_is_refused(tmp_path: Path) -> None:
    lock = locks.locked()
    image = dataclasses.replace(locks.beside(lock).image, manifest=locks.blob("7"))
    with pytest.raises(LockMismatch, match="describes the image"):
        join.load(locks.write(tmp_path, lock, locks.beside(lock, image=image)))


def test_a_missing_lockfile_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LockInvalid, match="cannot be read"):
        join.load(tmp_path / "buildroot_lock.json")


def test_the_caller_can_expect_a_lockfile_and_its_sidecar(tmp_path: Path) -> None:
    lock = locks.locked()
    found = join.load(locks.write(tmp_path, lock, locks.beside(lock)))
    join.expect(found, {"lockfile": found.lockfile_sha256, "sidecar": str(found.sidecar_sha256), "srpm": "x"})
    with pytest.raises(LockMismatch, match="The lockfile has the sha256"):
        join.expect(found, {"lockfile": "0" * 64})
    with pytest.raises(LockMismatch, match="The sidecar has the sha256"):
        join.expect(found, {"sidecar": "0" * 64})


def test_an_expected_sidecar_cannot_just_be_left_out(tmp_path: Path) -> None:
    found = join.load(locks.write(tmp_path, locks.locked(), None))
    with pytest.raises(LockMismatch, match="sidecar"):
        join.expect(found, {"sidecar": "0" * 64})


# -- file names ---------------------------------------------------------------------------


def names(*locations: str, **first: Any) -> list[str]:
    rpms = [locks.rpm(f"p{number}", sigmd5=f"{number}" * 32) for number in range(len(locations))]
    lock = locks.locked(*rpms)
    side = locks.beside(lock, *(locks.source(location) for location in locations))
    return [package.file_name for package in join.packages(lock, side)]


def test_percent_signs_of_a_location_are_decoded_once() -> None:
    assert names("Packages/g/g%2B%2B-14%7Erc1.rpm") == ["g++-14~rc1.rpm"]
    assert names("Packages/a%252Bb.rpm") == ["a%2Bb.rpm"]


def test_files_of_one_name_are_told_apart() -> None:
    assert names("a/bash.rpm", "b/bash.rpm", "zlib.rpm") == [
        "000000000000-bash.rpm", "111111111111-bash.rpm", "zlib.rpm",
    ]  # fmt: skip


@FORGED
@pytest.mark.parametrize(
    "location",
    ["Packages/%2e%2e%2fbash.rpm", "Packages/%2Dbash.rpm", "Packages/.bash.rpm", "Packages/bash", "Packages/",
     "Packages/a%00.rpm", "Packages/a%0a.rpm", "Packages/repodata", "Packages/--root=x.rpm"],
)  # fmt: skip
def test_a_location_that_ends_in_no_package_name_is_refused(location: str) -> None:
    with pytest.raises(LockInvalid, match="no usable file name"):
        names(location)


@FORGED
def test_no_package_takes_the_name_of_another_by_its_prefix() -> None:
    with pytest.raises(LockInvalid, match=r"both be the file 000000000000-bash\.rpm"):
        names("a/bash.rpm", "b/bash.rpm", "c/000000000000-bash.rpm")


def test_without_a_sidecar_the_address_gives_the_name() -> None:
    lock = locks.locked(locks.rpm(url="https://example.com/a%2Bb/bash-5%2B1.rpm?token=x"))
    assert [package.file_name for package in join.packages(lock, None)] == ["bash-5+1.rpm"]


def test_an_offline_repository_holds_packages_image_metadata_keys_and_notes(tmp_path: Path) -> None:
    lock = locks.locked()
    found = join.load(locks.write(tmp_path, lock, locks.beside(lock)))
    assert offline.expected_names(found) == {
        "bash.rpm", "registry.example.com", "repodata", "keys", "result.json", ".made.json",
        "sbom.cdx.json", "sbom.spdx.json",
    }  # fmt: skip


# -- comparisons --------------------------------------------------------------------------


def test_a_header_that_is_the_locked_one_differs_in_nothing() -> None:
    assert differences(locks.rpm(), locks.header()) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "zsh"), ("epoch", "0"), ("version", "5.3"), ("release", "2"), ("arch", "noarch"), ("sigmd5", "1" * 32),
     ("sigmd5", None)],
)  # fmt: skip
def test_a_header_differs_in_every_field_that_is_locked(field: str, value: str | None) -> None:
    (difference,) = differences(locks.rpm(), locks.header(**{field: value}))
    assert str(value) in difference


def test_an_installed_set_is_held_against_the_locked_one() -> None:
    rows = lockfile.installed_rows("\n".join((row("bash"), row("extra"), row("same"))))
    wanted = tuple(
        locks.rpm(name, version="1", release="1", license="MIT", signature=None, sigmd5=digest)
        for name, digest in (("bash", "1" * 32), ("missing", "0" * 32), ("same", "0" * 32))
    )
    found = installed_differences(wanted, rows)
    assert [line.split()[0] for line in found] == ["missing-1-1.x86_64", "extra-1-1.x86_64", "bash-1-1.x86_64"]
