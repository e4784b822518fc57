"""All that can be wrong with a lock, told at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import HermeticError, LockInvalid, LockMismatch
from hermetic_rpm.lock import join
from hermetic_rpm.lock.check import check, problems
from hermetic_rpm.lock.model import BuildrootEntry, RequirementEdges
from tests.support.whole_locks import lock, rpm, write

EDGES = RequirementEdges(
    buildroot=(BuildrootEntry(name="@build", rows=(0,)),), static=((1,),), dynamic=(), packages=((1,), ())
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Documents:
    """Lockfile and sidecar as plain data."""

    lock: Any
    sidecar: Any


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(lock(rpm("bar 1-1.x86_64"), rpm("foo 1-1.x86_64"), edges=EDGES), tmp_path)


def change(path: Path, what: Callable[[Documents], object], *, bind: bool = True) -> None:
    """Let ``what`` change both documents, and bind them again."""
    beside = path.with_name("buildroot_lock.sources.json")
    documents = Documents(lock=json.loads(path.read_text()), sidecar=json.loads(beside.read_text()))
    what(documents)
    path.write_text(json.dumps(documents.lock))
    if bind:
        documents.sidecar["lockfile_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    beside.write_text(json.dumps(documents.sidecar))


def test_a_sound_lock_has_no_problem(path: Path) -> None:
    assert problems(path) == ()
    assert len(check(path).packages) == 2


LOCK, SIDECAR, KEYS = "buildroot_lock.json: ", "buildroot_lock.sources.json: ", "keys/"


@pytest.mark.parametrize(
    ("what", "expected", "error"),
    [
        (
            lambda d: d.lock["buildroot"]["rpms"][0].update(name="foo"),
            f"{LOCK}buildroot.rpms[1]: foo-0:1-1.x86_64 is already buildroot.rpms[0]",
            LockInvalid,
        ),
        (
            lambda d: d.lock["buildroot"]["rpms"][0].update(name="foo", epoch="0"),
            f"{LOCK}buildroot.rpms[1]: foo-0:1-1.x86_64 is already buildroot.rpms[0]",
            LockInvalid,
        ),
        (
            lambda d: d.lock["config"].update(use_nspawn=True),
            f"{LOCK}config: unknown 'use_nspawn'",
            LockInvalid,
        ),
        (
            lambda d: d.sidecar["rpms"][1].update(repository="other"),
            f"{SIDECAR}rpms[1].repository: no repository 'other' is described",
            LockInvalid,
        ),
        (
            lambda d: d.sidecar["rpms"][1].update(location="a/b.txt"),
            f"{SIDECAR}rpms[1].location: 'a/b.txt' ends in no usable file name",
            LockInvalid,
        ),
        (
            lambda d: d.sidecar["repositories"].append(d.sidecar["repositories"][0]),
            f"{SIDECAR}repositories[1]: demo is already repositories[0]",
            LockInvalid,
        ),
        (
            lambda d: d.sidecar["requirements"]["edges"]["packages"].append(""),
            f"{SIDECAR}requirements.edges.packages: has 3 entries for 2",
            LockInvalid,
        ),
        (
            lambda d: d.sidecar["requirements"]["edges"]["static"].__setitem__(0, "0 2"),
            f"{SIDECAR}requirements.edges.static[0]: names a row that the lockfile has not",
            LockInvalid,
        ),
        (
            lambda d: (
                d.sidecar["rpms"].append(d.sidecar["rpms"][0])
                or d.sidecar["requirements"]["edges"]["packages"].append("")
            ),
            f"{SIDECAR}rpms: describes 3 packages, the lockfile 2",
            LockMismatch,
        ),
        (
            lambda d: d.sidecar["image"]["manifest"].update(digest="sha256:" + "0" * 64),
            f"{SIDECAR}image.manifest.digest: sha256:{'0' * 64} is another image than the lockfile's",
            LockMismatch,
        ),
        (
            lambda d: d.sidecar["keys"][0].update(sha256="0" * 64),
            f"{SIDECAR}keys[0]: DIRECTORY/keys/base.asc has the sha256",
            LockMismatch,
        ),
        (
            lambda d: d.sidecar["keys"][0].update(path="keys/gone.asc"),
            f"{SIDECAR}keys[0]: DIRECTORY/keys/gone.asc is missing",
            LockMismatch,
        ),
    ],
)
def test_each_problem_has_its_place(
    path: Path, what: Callable[[Documents], object], expected: str, error: type[HermeticError]
) -> None:
    change(path, what)
    found = problems(path)
    texts = [problem.text.removeprefix(f"{path.parent}/").replace(str(path.parent), "DIRECTORY") for problem in found]
    assert any(text.startswith(expected) for text in texts), texts
    with pytest.raises(error):
        check(path)


def test_a_sidecar_of_another_lockfile_is_a_mismatch(path: Path) -> None:
    change(path, lambda d: d.lock["config"].update(dist="y"), bind=False)
    with pytest.raises(LockMismatch, match=r"lockfile_sha256: .* is another lockfile"):
        check(path)


def test_a_key_that_nobody_names_is_told(path: Path) -> None:
    (path.parent / "keys/extra.asc").write_text("x")
    with pytest.raises(LockMismatch, match=r"extra\.asc: the sidecar names no such key"):
        check(path)


@pytest.mark.promise("3.9", "lock check names every problem with its place, not the first only")
def test_all_problems_come_at_once(path: Path) -> None:
    def spoil(documents: Documents) -> None:
        locked, sidecar = documents.lock, documents.sidecar
        rows = locked["buildroot"]["rpms"]
        rows[0] = {**rows[1], "epoch": 7}
        rows.append(rows[1])
        locked["config"]["hooks"] = {}
        sidecar["rpms"][0]["repository"] = "other"
        sidecar["rpms"][1]["size"] = -1
        sidecar["keys"][0]["path"] = "../../etc/passwd"

    change(path, spoil, bind=False)
    with pytest.raises(LockInvalid) as caught:
        check(path)
    for part in (
        "buildroot.rpms[0].epoch: ", "buildroot.rpms[2]: foo-0:1-1.x86_64 is already buildroot.rpms[1]",
        "config: unknown 'hooks'", "rpms[0].repository: ", "rpms[1].size: ", "keys[0].path: ", "lockfile_sha256: ",
        "rpms: describes 2 packages, the lockfile 3",
    ):  # fmt: skip
        assert part in caught.value.reason


@pytest.mark.parametrize("content", ["", "[]", "null", '{"buildroot": {"rpms": 3}}', '{"rpms": [1], "keys": "x"}', "{"])
def test_any_nonsense_is_told_and_never_a_crash(path: Path, content: str) -> None:
    path.with_name("buildroot_lock.sources.json").write_text(content)
    with pytest.raises(LockInvalid):
        check(path)
    path.write_text(content)
    with pytest.raises(LockInvalid):
        check(path)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LockInvalid, match="cannot be read"):
        check(tmp_path / "buildroot_lock.json")


def test_what_check_lets_pass_can_be_loaded_with_its_edges(path: Path) -> None:
    sidecar = join.load(path).sidecar
    assert sidecar is not None
    assert sidecar.edges == EDGES


def test_a_sidecar_without_edges_is_read_too(path: Path) -> None:
    change(path, lambda d: d.sidecar.update(schema_version="1.0.0") or d.sidecar["requirements"].pop("edges"))
    sidecar = check(path).sidecar
    assert sidecar is not None
    assert sidecar.edges is None
