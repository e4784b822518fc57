"""Hermeto's rpms.lock.yaml: a lock written as one, and hostile ones read."""

from __future__ import annotations

from typing import Any

import pytest

from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import ChecksumsMissing, LockInvalid, OriginRefused
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.runner import hermeto, prefetched
from hermetic_rpm.runner.hermeto import Entry
from hermetic_rpm.target.model import Repository
from tests.support import locks

PROMISE = pytest.mark.promise("4.7", "`hermetic-rpm lock import` and `export` read and write Hermeto's rpms.lock.yaml")
DIGEST = "d" * 64
WHOLE = f"""---
lockfileVersion: 1
lockfileVendor: "redhat"
arches:
- arch: "x86_64"
  packages:
  - url: "https://mirror.example.com/os/Packages/bash-5.2-1.x86_64.rpm"
    repoid: "demo"
    size: 10
    checksum: "sha256:{DIGEST}"
    name: "bash"
    evr: "5.2-1.demo1"
  - url: "https://mirror.example.com/os/Packages/yes-1-1.x86_64.rpm"
    repoid: "demo"
    size: 10
    checksum: "sha256:{DIGEST}"
    name: "yes"
    evr: "2:5.2-1.demo1"
  source: []
  module_metadata: []
"""


def lock() -> Lock:
    base = f"{locks.BASE}/Packages"
    return locks.joined(
        (locks.rpm("yes", epoch="2", url=f"{base}/yes-1-1.x86_64.rpm"), locks.source()),
        (locks.rpm("bash", url=f"{base}/bash-5.2-1.x86_64.rpm"), locks.source()),
    )


@PROMISE
def test_a_lock_is_written_by_url_and_every_text_in_quotes() -> None:
    assert hermeto.export(lock()) == WHOLE


@PROMISE
def test_a_lock_without_sidecar_has_nothing_to_check_by() -> None:
    with pytest.raises(ChecksumsMissing, match="has no sidecar, so that nobody knows a sha256"):
        hermeto.export(locks.bare(locks.rpm()))


@PROMISE
def test_what_was_written_is_read_again() -> None:
    found = hermeto.parse(WHOLE.encode(), "rpms.lock.yaml", "x86_64")
    assert [entry.url.rpartition("/")[2] for entry in found] == ["bash-5.2-1.x86_64.rpm", "yes-1-1.x86_64.rpm"]
    assert found[0] == Entry(
        url="https://mirror.example.com/os/Packages/bash-5.2-1.x86_64.rpm", sha256=DIGEST, size=10,
        place="rpms.lock.yaml:7:5",
    )  # fmt: skip


def test_what_hermeto_does_not_demand_may_be_left_out_but_not_the_checksum() -> None:
    url = "https://mirror.example.com/a.rpm"
    text = (
        f"{{lockfileVersion: 1, lockfileVendor: redhat, more: 1, arches: [{{arch: a, packages: [{{url: '{url}'}}]}}]}}"
    )
    with pytest.raises(LockInvalid, match="'checksum' is a required property"):
        hermeto.parse(text.encode(), "f", "a")
    text = text.replace("'}]", f"', checksum: 'sha256:{DIGEST}'}}]")
    assert hermeto.parse(text.encode(), "f", "a")[0].size is None


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
FAULTS = [
    (WHOLE, BOMB, "f:2:8: an alias"),
    ("lockfileVersion: 1", "lockfileVersion: 2", "f:2:1: lockfileVersion: 1 was expected"),
    ('"redhat"', '"other"', "lockfileVendor"),
    ("sha256:", "md5:", "f:10:5: arches[0].packages[0].checksum"),
    ("https://mirror.example.com/os/Packages/b", "gopher://x/b", "f:7:5: arches[0].packages[0].url"),
    ("/os/Packages/b", "/os/../../b", "f:7:5: arches[0].packages[0].url"),
    ("/os/Packages/b", "/os/a b", "f:7:5: arches[0].packages[0].url"),
    ("/os/Packages/b", "/os?b", "f:7:5: arches[0].packages[0].url"),
    ("/os/Packages/b", "/os\\nb", "f:7:5: arches[0].packages[0].url"),
    ("size: 10", "size: 0", "f:9:5: arches[0].packages[0].size"),
    ("size: 10", "size: 1.5", "size"),
    ("size: 10", "size: yes", "size"),
    ("size: 10", f"size: {'9' * 5000}", "f holds a value that cannot be read"),
    ("size: 10", "size: 2001-99-99", "f holds a value that cannot be read"),
    ("size: 10", "size: 10\n    size: 11", "duplicate key"),
    ("size: 10", "size: !!python/object/apply:os.system [x]", "could not determine a constructor"),
    (WHOLE, "[" * 100_000, "f:1:21: this is nested too deeply"),
    (WHOLE, "[]", "is not of type 'object'"),
    (WHOLE, "", "is not of type 'object'"),
    (WHOLE, "\udcff", "is not UTF-8 text"),
    ('arch: "x86_64"', 'arch: "../x"', "arches[0].arch"),
    ('arch: "x86_64"', 'arch: "aarch64"', "f has no list of packages for x86_64 (there is aarch64)"),
    ("- arch", '- arch: "x86_64"\n- arch', "f has more than one list of packages for x86_64"),
    ("packages:", "others:", "f has no packages for x86_64"),
]


@PROMISE
@pytest.mark.parametrize(("old", "new", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_hostile_file_is_refused_with_its_place(old: str, new: str, words: str) -> None:
    content = WHOLE.replace(old, new, 1).encode(errors="surrogateescape")
    with pytest.raises(LockInvalid) as caught:
        hermeto.parse(content, "f", "x86_64")
    assert words in caught.value.reason


def test_aliases_stay_allowed_where_people_write_for_themselves() -> None:
    assert parse_yaml(b"a: &x [1]\nb: *x\n", "f", LockInvalid).data == {"a": [1], "b": [1]}


def repository(identity: str, *bases: str) -> Repository:
    return Repository(
        id=identity, name=identity, baseurl=bases, gpgcheck=True, repo_gpgcheck=False, gpgkey=(), priority=None,
        cost=None, exclude=(),
    )  # fmt: skip


def entry(url: str = "https://a.example.com/os/Packages/a.rpm", **changes: Any) -> Entry:
    values: dict[str, Any] = {"url": url, "sha256": DIGEST, "size": 10, "place": "f:7:5"}
    return Entry(**(values | changes))


@PROMISE
def test_an_address_belongs_to_the_repository_that_has_its_base() -> None:
    repositories = (
        repository("one", "https://a.example.com/os2/"),
        repository("two", "https://b.example.com", "https://a.example.com/os"),
    )
    assert prefetched.located((entry(),), repositories) == (("two", "Packages/a.rpm"),)
    for url in ("https://a.example.com/osx/a.rpm", "https://a.example.com@evil.example/os/a.rpm", "file:///etc/shadow"):
        with pytest.raises(OriginRefused, match=f"f:7:5: {url}"):
            prefetched.located((entry(url),), repositories)


SIGNED = {"signers": ("ab" * 20,), "verified_by": "key"}
PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"problem": "truncated"}, "truncated"),
    ({"sigmd5": None, **SIGNED}, "it has no sigmd5"),
    ({"source": True, **SIGNED}, "it is a source RPM"),
    ({}, "its repository demands a signature by a key of the target; signed by nobody"),
    ({**SIGNED, "verified_by": None}, f"signed by {'ab' * 20}"),
]


@PROMISE
@pytest.mark.parametrize(("changes", "words"), PROBLEMS, ids=[words for _, words in PROBLEMS])
def test_a_file_that_cannot_be_locked_says_why(changes: dict[str, Any], words: str) -> None:
    found = prefetched.problems(entry(), locks.header(**changes), size=10, signed=True)
    assert len(found) == 1
    assert words in found[0]


def test_a_sound_file_has_no_problem_and_a_wrong_size_is_one() -> None:
    assert prefetched.problems(entry(), locks.header(**SIGNED), size=10, signed=True) == ()
    assert prefetched.problems(entry(size=None), locks.header(), size=11, signed=False) == ()
    assert prefetched.problems(entry(), locks.header(), size=11, signed=False) == ("it has 11 bytes instead of 10",)


def test_a_row_is_what_rpm_prints() -> None:
    header = locks.header(license="MIT", epoch="1", signed_whole=True, **SIGNED)
    assert prefetched.row(header) == ("bash", "x86_64", "MIT", "5.2", "1.demo1", "1", "0" * 32, "ab" * 20)
    header = locks.header(license="MIT", **SIGNED)
    assert prefetched.row(header)[5:] == ("(none)", "0" * 32, "(none)")
