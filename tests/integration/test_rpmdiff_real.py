"""Two packages of the host's rpmbuild that differ in one thing each, and what is told of them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from demo import signing
from hermetic_rpm import rpmdiff

SPEC = """
Name: twin
Version: 1
Release: 1
Summary: %{?summary}%{!?summary:A twin}
License: MIT
BuildArch: noarch
%description
Twin.
%install
install -d %{buildroot}/usr/share/twin
cd %{buildroot}/usr/share/twin
echo %{?content}%{!?content:one} > file
chmod %{?mode}%{!?mode:644} file
ln -s %{?link}%{!?link:file} link
%{?more}
%files
/usr/share/twin
%{?attributes}
"""
FIXED = {
    "use_source_date_epoch_as_buildtime": "1", "clamp_mtime_to_source_date_epoch": "1", "_buildhost": "here",
    "_binary_payload": "w9.gzdio",
}  # fmt: skip


def built(place: Path, **macros: str) -> Path:
    """The package that the host's rpmbuild makes with these macros; without any it is always the same."""
    place.mkdir()
    spec = place / "twin.spec"
    spec.write_text(SPEC)
    definitions = {**FIXED, "_topdir": str(place), **macros}
    options = [part for name, value in definitions.items() for part in ("--define", f"{name} {value}")]
    environment = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1750000000", "HOME": str(place)}
    subprocess.run(["rpmbuild", "-bb", "--quiet", *options, spec], check=True, capture_output=True, env=environment)
    return next((place / "RPMS").rglob("*.rpm"))


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("twin") / "top")


def told(before: Path, after: Path) -> list[tuple[str, str]]:
    assert before.read_bytes() != after.read_bytes()
    found, more = rpmdiff.compare(before, after)
    assert more == 0
    return [(difference.kind, difference.name) for difference in found]


def test_the_twin_is_a_twin(twin: Path, tmp_path: Path) -> None:
    assert built(tmp_path / "top").read_bytes() == twin.read_bytes()


@pytest.mark.parametrize(
    ("macros", "expected"),
    [
        ({"content": "two"}, [("file", "/usr/share/twin/file: digest")]),
        ({"mode": "755"}, [("file", "/usr/share/twin/file: mode")]),
        ({"link": "fill"}, [("file", "/usr/share/twin/link: link")]),
        ({"attributes": "%attr(-,adm,-) /usr/share/twin/file"}, [("file", "/usr/share/twin/file: owner")]),
        ({"more": "touch -d @5 file"}, [("file", "/usr/share/twin/file: mtime")]),
        ({"more": "touch other"}, [("file", "/usr/share/twin/other")]),
        ({"attributes": "%doc /usr/share/twin/file"}, [("file", "/usr/share/twin/file: flags")]),
        ({"summary": "Another"}, [("tag", "SUMMARY")]),
        ({"vendor": "Somebody"}, [("tag", "VENDOR")]),
        (
            {"_binary_payload": "w1.gzdio"},
            [("tag", "PAYLOADFLAGS"), ("payload", "the same archive, compressed differently")],
        ),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_one_difference_is_named(
    twin: Path, tmp_path: Path, macros: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert told(twin, built(tmp_path / "top", **macros)) == expected


def test_a_signature_is_all_that_is_told_of_a_signed_package(twin: Path, tmp_path: Path) -> None:
    signed = Path(shutil.copy(twin, tmp_path))
    with signing.opened_key(tmp_path / "secret.asc") as key:
        key.sign((signed,))
    found = told(twin, signed)
    assert found
    assert {kind for kind, _ in found} == {"signature"}


def test_what_is_no_sound_package_is_told(twin: Path, tmp_path: Path) -> None:
    content = twin.read_bytes()
    bad = tmp_path / "bad.rpm"
    for damaged in (b"", b"no package", content[:50], content[:200]):
        bad.write_bytes(damaged)
        ((kind, name),) = told(twin, bad)
        assert kind == "bytes"
        assert name.startswith(rpmdiff.UNREADABLE)


def test_flipped_bits_are_answered_whatever_they_hit(twin: Path, tmp_path: Path) -> None:
    content = twin.read_bytes()
    dice = random.Random(1)
    bad = tmp_path / "bad.rpm"
    for _ in range(20):
        damaged = bytearray(content)
        damaged[dice.randrange(96, 3000)] ^= 1 << dice.randrange(8)
        bad.write_bytes(damaged)
        found, _ = rpmdiff.compare(twin, bad)
        assert found
        assert all(len(difference.name) < 400 for difference in found)
