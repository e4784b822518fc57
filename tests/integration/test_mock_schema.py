"""Our lockfile against Mock's own schema, and Mock's own lockfile against our reader."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hermetic_rpm.errors import LockInvalid
from hermetic_rpm.image.manifest import Image
from hermetic_rpm.lock import join, lockfile
from tests.support import fetching, locks
from tests.support.fetching import Room


@pytest.fixture(scope="module")
def reference() -> Path:
    """Mock's schemas and a lockfile that it wrote, kept beside the project."""
    place = os.environ.get("HERMETIC_RPM_REFERENCE")
    if not place:
        pytest.skip("HERMETIC_RPM_REFERENCE does not name the directory with Mock's schemas")
    return Path(place)


def problems(reference: Path, content: bytes) -> list[str]:
    schema = json.loads((reference / "buildroot-lock-schema-1.1.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    return [error.message for error in validator(schema).iter_errors(json.loads(content))]


VALID = pytest.mark.promise("2.4", "the lockfile is valid against Mock's schema 1.1.0")


@VALID
def test_a_lockfile_of_real_packages_is_valid_to_mock(reference: Path, demo: Path, tiny: Image, tmp_path: Path) -> None:
    room = Room(directory=tmp_path)
    fetching.write_lock(
        room, fetching.rpms(), ("https://mirror.example.com/os",), image=tiny, image_locations=("docker://x",)
    )
    content = (tmp_path / "lock/buildroot_lock.json").read_bytes()
    assert problems(reference, content) == []
    assert {rpm["epoch"] for rpm in json.loads(content)["buildroot"]["rpms"]} == {None, "0", "3"}


@VALID
def test_a_lockfile_with_every_kind_of_value_is_valid_to_mock(reference: Path) -> None:
    lock = locks.locked(
        locks.rpm("bash", epoch="0", signature=None), locks.rpm("g++", license="A and (B or C)"),
        bootstrap_image_ready=False, dist="", macros=(("%a", 1), ("b(x)", "")),
    )  # fmt: skip
    assert problems(reference, lockfile.render(lock)) == []


def test_the_comparison_itself_finds_a_fault(reference: Path) -> None:
    content = locks.edited(lockfile.render(locks.locked()), lambda document: document.pop("buildroot"))
    assert problems(reference, content)


@pytest.mark.promise("2.4", "a lockfile that Mock wrote is read, and written again to the same bytes")
def test_the_lockfile_of_mock_is_read_and_written_again_to_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    content = (reference / "lock-written-by-mock.json").read_bytes()
    lock = lockfile.parse(content)
    assert len(lock.rpms) > 100
    assert lockfile.render(lock) == content
    (tmp_path / lockfile.LOCKFILE_NAME).write_bytes(content)
    found = join.load(tmp_path / lockfile.LOCKFILE_NAME)
    assert found.sidecar is None
    assert len({package.file_name for package in found.packages}) == len(lock.rpms)


def test_mock_s_rows_are_in_the_order_in_which_we_write_ours(reference: Path) -> None:
    rows = json.loads((reference / "lock-written-by-mock.json").read_bytes())["buildroot"]["rpms"]
    fields = ("name", "arch", "license", "version", "release", "epoch", "sigmd5")
    lines = [lockfile.QUERY_SEPARATOR.join(str(row[field] or "(none)") for field in fields) for row in rows]
    assert lines == sorted(lines)


def test_whatever_mock_refuses_we_refuse(reference: Path) -> None:
    """Every value of a lockfile in turn is taken away, or becomes one of another type."""
    good = lockfile.render(locks.locked())
    refused = 0
    for path in paths(json.loads(good)):
        for edit in (remove, become_number, become_object):
            content = locks.edited(good, functools.partial(edit, path=path))
            if problems(reference, content):
                refused += 1
                with pytest.raises(LockInvalid):
                    lockfile.parse(content)
    assert refused > 30


def paths(node: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value in a document."""
    if isinstance(node, dict):
        return [path for key, value in node.items() for path in ((*above, key), *paths(value, (*above, key)))]
    if isinstance(node, list):
        return [path for key, value in enumerate(node) for path in ((*above, key), *paths(value, (*above, key)))]
    return []


def parent(document: Any, path: tuple[str | int, ...]) -> Any:
    return functools.reduce(lambda node, key: node[key], path[:-1], document)


def remove(document: Any, *, path: tuple[str | int, ...]) -> None:
    del parent(document, path)[path[-1]]


def become_number(document: Any, *, path: tuple[str | int, ...]) -> None:
    parent(document, path)[path[-1]] = 1.5


def become_object(document: Any, *, path: tuple[str | int, ...]) -> None:
    parent(document, path)[path[-1]] = {"x": {}}
