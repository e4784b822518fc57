"""A lock against a policy: each rule by itself, and all violations at once."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hermetic_rpm.errors import LockMismatch, PolicyViolated
from hermetic_rpm.lock import join
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import parse
from hermetic_rpm.runner.cli import cli
from tests.support import buildroots
from tests.support.buildroots import BASE, CERTIFICATE_KEY, IMAGE, KEY, MANIFEST, row

GATE = pytest.mark.promise("4.8", "a lock that breaks a rule of the policy is refused, with the rule and the package")


def refused(path: Path, policy: str, **given: Any) -> list[str]:
    """What the gate says of a lock: its lines without the head, none if it lets it pass."""
    try:
        gate.enforce(parse(f"version: 1\n{policy}\n".encode(), "policy.yaml"), join.load(path), path, **given)
    except PolicyViolated as error:
        return [line.strip() for line in error.reason.splitlines()[1:]]
    return []


@pytest.fixture
def lockfile(tmp_path: Path) -> Path:
    return buildroots.write(tmp_path, (row("bash"), row("make")))


# -- sidecar and age ----------------------------------------------------------------------


@GATE
def test_a_lock_without_sidecar(tmp_path: Path, lockfile: Path) -> None:
    assert refused(lockfile, "sidecar: required") == []
    (tmp_path / "bare").mkdir()
    bare = buildroots.write(tmp_path / "bare", (row(),), sidecar=False)
    assert refused(bare, "sidecar: required") == ["sidecar: it has no sidecar: the lock"]
    assert refused(bare, "sidecar: optional") == []


@GATE
@pytest.mark.parametrize(
    ("policy", "days", "said"),
    [
        ("age: {maximum_days: 10}", 9, ""),
        ("age: {maximum_days: 10}", 11, "11 days old; 10 are allowed"),
        ("age: {maximum_days: 10}", -2, "in the future"),
        ("age: {maximum_days: 10}", None, "nobody says how old it is"),
        ("age: {maximum_days: 10, date: modified}", None, ""),
        ("age: {maximum_days: 10, date: modified}", 11, "11 days old"),
    ],
)
def test_the_age_of_a_lock(lockfile: Path, policy: str, days: int | None, said: str) -> None:
    now = datetime.now(UTC)
    dated = None if days is None else datetime.fromtimestamp(now.timestamp() - days * 86400, UTC)
    found = refused(lockfile, policy, dated=dated)
    assert len(found) == bool(said)
    assert said in "".join(found)


@GATE
def test_an_old_file_is_an_old_lock_where_its_date_counts(lockfile: Path) -> None:
    os.utime(lockfile, (1_000_000_000, 1_000_000_000))
    (line,) = refused(lockfile, "age: {maximum_days: 10, date: modified}")
    assert "it is of 2001-09-09" in line


# -- origins ------------------------------------------------------------------------------


@GATE
@pytest.mark.parametrize(
    "origin",
    [BASE, f"{BASE}/", "https://mirror.example.com", "https://MIRROR.example.com:443/distribution"],
)
def test_what_lies_below_an_allowed_origin_passes(lockfile: Path, origin: str) -> None:
    assert refused(lockfile, f"origins: ['{origin}']") == []


@GATE
@pytest.mark.parametrize(
    "origin",
    ["http://mirror.example.com", "https://mirror.example.com:8443", "https://example.com", f"{BASE}2", f"{BASE[:-1]}",
     "https://mirror.example.com.evil.example", "file:///distribution"],
)  # fmt: skip
def test_what_lies_elsewhere_is_refused_with_repository_and_packages(lockfile: Path, origin: str) -> None:
    assert refused(lockfile, f"origins: ['{origin}']") == [
        f"origins: {BASE} is not allowed: repository os",
        f"origins: {BASE}/Packages/ is not allowed:",
        "bash-5.2-1.fc40.x86_64, make-5.2-1.fc40.x86_64",
    ]


@GATE
@pytest.mark.parametrize("path", ["../x", "%2e%2e/x", "a%2f..%2f..%2fx", ".%2e/x"])
def test_no_path_climbs_out_of_an_allowed_origin(tmp_path: Path, path: str) -> None:
    rows = (row(url=f"{BASE}/{path}/bash.rpm"),)
    assert refused(buildroots.write(tmp_path, rows), f"origins: ['{BASE}']")


@GATE
def test_every_mirror_and_the_users_own_origins_count(tmp_path: Path) -> None:
    def more(_lock: Any, side: Any) -> None:
        side["repositories"][0]["base_urls"].append("https://other.example/os")

    path = buildroots.write(tmp_path, (row(),), edit=more)
    assert refused(path, f"origins: ['{BASE}']", origins=("https://third.example",)) == [
        "origins: https://third.example is not allowed: --allow-origin",
        "origins: https://other.example/os is not allowed: repository os",
    ]


# -- images -------------------------------------------------------------------------------


@GATE
@pytest.mark.parametrize(
    ("images", "count"),
    [
        ("registries: [registry.example.com]", 0),
        ("registries: [registry.example.com/base]", 0),
        ("registries: [registry.example.com/base/bootstrap]", 0),
        ("registries: [registry.example.com/bas]", 2),
        ("registries: ['registry.example.com:5000']", 2),
        ("registries: [example.com]", 2),
        ("registries: []", 2),
        (f"digests: ['{MANIFEST}']", 0),
        (f"digests: ['sha256:{'b' * 64}']", 1),
        (f"registries: [docker.io], digests: ['sha256:{'b' * 64}']", 3),
    ],
)
def test_registries_and_digests_of_the_bootstrap_image(lockfile: Path, images: str, count: int) -> None:
    found = refused(lockfile, f"images: {{{images}}}")
    assert len(found) == count
    assert all(line.startswith("images: ") and line.endswith(IMAGE) for line in found)


@GATE
@pytest.mark.parametrize(
    ("location", "allowed"),
    [
        ("oci:/images/dnf5:latest", True),
        ("dir:/images/dnf5", True),
        ("oci:/images/../etc/dnf5:latest", False),
        ("oci:/imagesx/dnf5:latest", False),
        ("oci-archive:images/dnf5.tar", False),
        ("docker://other.example/dnf5", False),
    ],
)
def test_places_of_the_bootstrap_image(tmp_path: Path, location: str, allowed: bool) -> None:
    def place(_lock: Any, side: Any) -> None:
        side["image"]["locations"] = [location]

    path = buildroots.write(tmp_path, (row(),), edit=place)
    found = refused(path, "images: {registries: [registry.example.com], directories: [/images]}")
    assert len(found) == (not allowed)


# -- signing keys -------------------------------------------------------------------------


@GATE
def test_packages_signed_by_allowed_keys_pass(tmp_path: Path) -> None:
    rows = (row("a"), row("b", key=CERTIFICATE_KEY[-16:]))
    assert refused(buildroots.write(tmp_path, rows), f"signing_keys: ['{CERTIFICATE_KEY.upper()}']") == []


@GATE
def test_unsigned_and_strangers_packages_and_keys_are_refused(tmp_path: Path) -> None:
    rows = (row("signed"), row("unsigned", key=None), row("other", key="1" * 40), row("short", key="2" * 16))
    path = buildroots.write(tmp_path, rows, certificate=buildroots.CERTIFICATE + b"\x99\x00\x03\x04cd")
    found = refused(path, f"signing_keys: ['{CERTIFICATE_KEY}']")
    assert len(found) == 4
    assert found[0].endswith("which is not allowed: keys/one.asc")
    assert found[1:] == [
        "signing_keys: unsigned: unsigned-5.2-1.fc40.x86_64",
        f"signing_keys: signed by {'1' * 40}, which is not allowed: other-5.2-1.fc40.x86_64",
        f"signing_keys: signed by {'2' * 16}, which is not allowed: short-5.2-1.fc40.x86_64",
    ]


@GATE
def test_a_key_that_nobody_verifies_is_no_key(tmp_path: Path) -> None:
    def off(_lock: Any, side: Any) -> None:
        side["repositories"][0]["gpgcheck"] = False

    (line,) = refused(buildroots.write(tmp_path, (row(),), edit=off), f"signing_keys: ['{CERTIFICATE_KEY}']")
    assert "has gpgcheck off" in line


@GATE
@pytest.mark.parametrize("certificate", [b"", b"not a key", b"\x99\x00\xff\x04ab", b"\x95\x00\x03\x04ab"])
def test_a_key_file_that_holds_something_else_is_refused(tmp_path: Path, certificate: bytes) -> None:
    path = buildroots.write(tmp_path, (row(),), certificate=certificate)
    (line,) = refused(path, f"signing_keys: ['{CERTIFICATE_KEY}']")
    assert line.startswith("signing_keys: it ")
    assert line.endswith(": keys/one.asc")


@GATE
def test_a_key_file_of_another_lock_is_refused(lockfile: Path) -> None:
    (lockfile.parent / "keys/one.asc").write_bytes(b"another")
    with pytest.raises(LockMismatch, match=r"one\.asc is not the one that was locked"):
        refused(lockfile, f"signing_keys: ['{KEY}']")


@GATE
def test_without_a_sidecar_nobody_knows_the_keys(tmp_path: Path) -> None:
    (line,) = refused(buildroots.write(tmp_path, (row(),), sidecar=False), f"signing_keys: ['{KEY}']")
    assert "without a sidecar" in line


# -- licences -----------------------------------------------------------------------------

LICENCES = """
licences:
  allow: [MIT, BSD-*, GPL-2.0-or-later, GPL-3.0-or-later WITH GCC-exception-3.1, LicenseRef-ours]
  deny: [BSD-4-Clause, GPL-2.0-or-later WITH Bison-exception-2.2]
  texts: [Public Domain]
"""


@GATE
@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("MIT", None),
        ("mit AND BSD-2-Clause", None),
        ("GPL-2.0+", None),
        ("LicenseRef-ours", None),
        ("Public Domain", None),
        ("MIT OR Zlib", None),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", None),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", None),
        ("MIT AND (Zlib OR BSD-3-Clause)", None),
        ("Zlib", "Zlib is not allowed"),
        ("MIT AND Zlib", "MIT AND Zlib: Zlib is not allowed"),
        ("Zlib OR X11", "Zlib OR X11: Zlib is not allowed, X11 is not allowed"),
        ("BSD-4-Clause", "BSD-4-Clause is denied"),
        ("BSD-4-Clause OR MIT", None),
        ("BSD-4-Clause AND MIT", "BSD-4-Clause AND MIT: BSD-4-Clause is denied"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later is not allowed"),
        ("GPL-2.0-or-later WITH Bison-exception-2.2", "GPL-2.0-or-later WITH Bison-exception-2.2 is denied"),
        ("GPLv2+ and MIT", "'GPLv2+ and MIT' is no SPDX expression"),
        ("", "'' is no SPDX expression"),
    ],
)
def test_licences_over_the_whole_expression(tmp_path: Path, licence: str, said: str | None) -> None:
    found = refused(buildroots.write(tmp_path, (row(license=licence),)), LICENCES)
    assert found == ([] if said is None else [f"licences: {said}: bash-5.2-1.fc40.x86_64"])


@GATE
def test_denials_alone_allow_everything_else(tmp_path: Path) -> None:
    path = buildroots.write(tmp_path, (row("a", license="Zlib"), row("b", license="??"), row("c", license="ISC")))
    assert refused(path, "licences: {deny: [ISC], not_spdx: accept}") == [
        "licences: ISC is denied: c-5.2-1.fc40.x86_64"
    ]


# -- denied packages ----------------------------------------------------------------------


@GATE
@pytest.mark.parametrize(
    ("rule", "denied"),
    [
        ("package: xz", True),
        ("package: x?", True),
        ("package: xz-libs", False),
        ("package: xz-5.6.1*", True),
        ("package: xz-1:5.6.1-2.fc40.x86_64", True),
        ("package: '*.x86_64'", True),
        ("package: '*.i686'", False),
        ("package: XZ", False),
        ("package: xz, versions: '>= 1:5.6.0, < 1:5.6.2'", True),
        ("package: xz, versions: '>= 5.6.0, < 5.6.2'", False),  # epoch 1 is newer than any version of epoch 0
        ("package: xz, versions: '= 1:5.6.1'", True),
        ("package: xz, versions: '= 1:5.6.1-2.fc40'", True),
        ("package: xz, versions: '= 1:5.6.1-3.fc40'", False),
        ("package: xz, versions: '< 1:5.6.1'", False),
        ("package: xz, versions: '<= 1:5.6.1-1.fc40'", False),
        ("package: xz, versions: '> 1:5.6.1~rc1'", True),
        ("package: xz, versions: '< 1:5.6.1^git'", True),
        ("package: xz, versions: '< 1:5.10'", True),
        ("package: bash, versions: '> 0'", False),
    ],
)
def test_denied_packages_and_versions(tmp_path: Path, rule: str, denied: bool) -> None:
    path = buildroots.write(tmp_path, (row("xz", epoch="1", version="5.6.1", release="2.fc40"),))
    found = refused(path, f"denied: [{{{rule}, reason: because}}]")
    assert len(found) == denied
    assert not denied or found[0].endswith("is denied: because: xz-1:5.6.1-2.fc40.x86_64")


# -- all together -------------------------------------------------------------------------


@pytest.mark.promise("4.8", "all violations are listed at once")
def test_everything_is_listed_at_once(tmp_path: Path) -> None:
    rows = (row("bash", license="Zlib", key=None), row("make"))
    policy = f"""
sidecar: required
age: {{maximum_days: 1}}
origins: []
images: {{digests: []}}
signing_keys: ['{CERTIFICATE_KEY}']
licences: {{allow: [MIT]}}
denied: [{{package: make}}]
"""
    found = refused(buildroots.write(tmp_path, rows), policy)
    rules = [line.split(": ")[0] for line in found if not line.startswith("bash")]
    assert rules == ["age", "origins", "origins", "images", "signing_keys", "licences", "denied"]


@pytest.mark.promise("4.8", "hermetic-rpm policy check says what the fetcher would say")
def test_the_command_line(lockfile: Path) -> None:
    policy = lockfile.with_name("policy.yaml")
    arguments = ("policy", "check", "--policy", str(policy), "--lockfile", str(lockfile))
    policy.write_text("version: 1\nage: {maximum_days: 36500}\n")
    passed = CliRunner().invoke(cli, (*arguments, "--lock-date", "2026-01-01"))
    assert (passed.exit_code, passed.output) == (0, f"{lockfile} keeps {policy}: 2 packages.\n")
    refused_now = CliRunner().invoke(cli, arguments)
    assert isinstance(refused_now.exception, PolicyViolated)
    assert CliRunner().invoke(cli, (*arguments, "--lock-date", "yesterday")).exit_code == 2
