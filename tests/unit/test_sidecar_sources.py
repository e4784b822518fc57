"""Since sidecar 1.2.0: comps and modules of the repositories, and the source RPMs of the packages."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.lock import check, join, sidecar
from hermetic_rpm.lock.diff import difference
from hermetic_rpm.lock.model import MetadataFile, RepositorySource, Sidecar, SourceRpm
from hermetic_rpm.rpmfile import Header
from stages.fetcher import source_rpms
from stages.fetcher.sources import Alternatives, Rewrite, urls_of_file
from tests.support import locks, whole_locks

BASH = "bash-5.2-1.src.rpm"
LOCK = locks.locked(locks.rpm("bash"), locks.rpm("zlib"))
GROUP = MetadataFile(repository="demo", kind="group", location="repodata/comps.xml.gz", sha256="1" * 64, size=7)
SOURCE = SourceRpm(name=BASH, repository="demo", location=f"Packages/b/{BASH}", sha256="2" * 64, size=8)


def beside(**changes: Any) -> Sidecar:
    rpms = (locks.source("bash.rpm", source=BASH), locks.source("zlib.rpm"))
    return locks.beside(LOCK, *rpms, **({"metadata": (GROUP,), "sources": (SOURCE,)} | changes))


def test_it_is_the_same_bytes_after_reading_it() -> None:
    content = sidecar.render(beside())
    assert sidecar.parse(content) == beside()
    assert sidecar.render(sidecar.parse(content)) == content
    assert json.loads(content)["schema_version"] == "1.4.0"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_older_ones_are_read_and_know_nothing_of_it(version: str) -> None:
    def older(document: Any) -> None:
        document["schema_version"] = version
        for name in ("metadata", "sources"):
            del document[name]
        for rpm in document["rpms"]:
            del rpm["source"]

    found = sidecar.parse(locks.edited(sidecar.render(beside()), older))
    assert (found.metadata, found.sources) == ((), None)
    assert {rpm.source for rpm in found.rpms} == {None}


def put(part: str, **values: Any) -> Callable[[Any], None]:
    def edit(document: Any) -> None:
        document[part][0] |= values

    return edit


@pytest.mark.promise("2.4", "what only a forged lockfile can say is refused")
@pytest.mark.parametrize(
    "edit",
    [
        put("rpms", source="../bash-5.2-1.src.rpm"),
        put("rpms", source="bash-5.2-1.x86_64.rpm"),
        put("rpms", source=".src.rpm"),
        put("rpms", source=7),
        put("metadata", kind="primary"),
        put("metadata", kind="../group"),
        put("metadata", location="../comps.xml"),
        put("metadata", location="/etc/shadow"),
        put("metadata", location="repodata/../../x"),
        put("metadata", location="a?b"),
        put("metadata", sha256="1" * 63),
        put("metadata", size=0),
        put("metadata", size=1 << 40),
        put("metadata", repository="elsewhere"),
        put("metadata", surprise=1),
        put("sources", name="a/bash-5.2-1.src.rpm"),
        put("sources", name="--root=bash.src.rpm"),
        put("sources", name="bash-5.2-1.x86_64.rpm"),
        put("sources", name="zlib-1-1.src.rpm"),
        put("sources", name="x" * 250 + ".src.rpm"),
        put("sources", location="../../bash.src.rpm"),
        put("sources", sha256=None),
        put("sources", size=-1),
        put("sources", repository="elsewhere"),
        lambda document: document["sources"].append(document["sources"][0] | {"sha256": "3" * 64}),
        lambda document: document["metadata"].append(document["metadata"][0] | {"sha256": "3" * 64}),
    ],
)
def test_a_forged_value_is_refused_by_reading_and_by_checking(tmp_path: Path, edit: Callable[[Any], None]) -> None:
    content = locks.edited(sidecar.render(beside()), edit)
    with pytest.raises(LockInvalid):
        sidecar.parse(content)
    path = locks.write(tmp_path, LOCK, None)
    path.with_name(sidecar.SIDECAR_NAME).write_bytes(content)
    with pytest.raises(LockInvalid):
        check.check(path)


def test_many_doubles_take_no_long_time() -> None:
    document = json.loads(sidecar.render(beside()))
    document["sources"] *= 50_000
    assert len(sidecar.inner_problems(document)) == 49_999


def test_comps_that_changed_are_a_difference() -> None:
    package = whole_locks.rpm("bash 1-1.x86_64")
    before = whole_locks.lock(package, metadata=(GROUP,))
    after = whole_locks.lock(package, metadata=(dataclasses.replace(GROUP, sha256="9" * 64),))
    assert [setting.place for setting in difference(before, after).settings] == ["metadata[group of demo]"]


# -- what the fetcher makes of it ---------------------------------------------------------


def unknown(tmp_path: Path, side: Sidecar | None) -> tuple[str, ...]:
    return source_rpms.unknown(join.load(locks.write(tmp_path, LOCK, side)))


def test_every_package_without_a_known_source_rpm_is_named(tmp_path: Path) -> None:
    assert unknown(tmp_path, beside(sources=())) == (
        "  zlib-5.2-1.demo1.x86_64: its repository does not name its source RPM",
        f"  {BASH} is in no source repository (bash-5.2-1.demo1.x86_64)",
    )


@pytest.mark.parametrize("side", [None, beside(sources=None)])
def test_a_lock_that_is_too_old_knows_none(tmp_path: Path, side: Sidecar | None) -> None:
    assert [line.split(":")[0].strip() for line in unknown(tmp_path, side)] == [
        "bash-5.2-1.demo1.x86_64", "zlib-5.2-1.demo1.x86_64",
    ]  # fmt: skip


def header(**changes: Any) -> Header:
    values = {"path": "x", "name": "bash", "version": "5.2", "release": "1", "source": True, "verified_by": "key"}
    return Header(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"source": False}, "binary RPM"),
        ({"version": "5.3"}, "it is bash-5.3-1"),
        ({"verified_by": None, "signers": ("abc",)}, "signed by abc"),
        ({"verified_by": None}, "signed by nobody"),
        ({"problem": "damaged"}, "damaged"),
    ],
)
def test_another_file_than_the_locked_source_rpm_is_told(changes: dict[str, Any], word: str) -> None:
    (problem,) = source_rpms.problems(SOURCE, header(**changes), signed=True)
    assert word in problem


def test_the_locked_source_rpm_has_no_problem() -> None:
    assert source_rpms.problems(SOURCE, header(), signed=True) == ()
    assert source_rpms.problems(SOURCE, header(verified_by=None), signed=False) == ()


def test_a_file_has_an_address_below_each_base_url_that_can_be_asked_and_where_the_user_says() -> None:
    bases = ("https://a.example.com/os/", "ftp://b.example.com", "https://a.example.com/os", "file:///d")
    repository = RepositorySource(id="demo", base_urls=bases, gpgcheck=True)
    more = Alternatives(rewrites=(Rewrite(old="https://a.example.com/", new="https://c.example.com/x/"),))
    files = {"a b+.src.rpm": (Path("/from/a b+.src.rpm"),)}
    assert urls_of_file(repository, "x/a b%2B.src.rpm", more, files) == (
        "https://a.example.com/os/x/a%20b%2B.src.rpm", "file:///d/x/a%20b%2B.src.rpm",
        "https://c.example.com/x/os/x/a%20b%2B.src.rpm", "file:///from/a%20b%2B.src.rpm",
    )  # fmt: skip
