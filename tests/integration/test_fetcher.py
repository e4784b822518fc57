"""The fetcher as its users run it, against a real HTTP server that misbehaves on order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from demo import signing
from hermetic_rpm.errors import DownloadFailed, LockMismatch, OriginRefused, RepositoryExtraFile, VerificationFailed
from tests.support import fetching
from tests.support.fetching import ROOT, Case
from tests.support.server import serving

WHATEVER = pytest.mark.promise("2.4", "whatever a server does, it is a clear error or the right bytes")
ORIGINS = pytest.mark.promise("2.4", "nothing is asked of an origin that nobody declared")
SIGNED = pytest.mark.promise("2.4", "a package without the signature that its repository demands is refused")
AGAIN = pytest.mark.promise("2.4", "a second fetch is a no-op, and a corrupt cache heals")
NAMED = ("--allow-origin", "docker://localhost")
BAD = "demo-epoch-1.0-1.demo1.noarch.rpm"


@pytest.mark.promise("2.4", "packages are downloaded in parallel and get their names only once they are verified")
@pytest.mark.promise(
    "4.1", "size, sha256, sigmd5, NEVRA, digests and signatures are checked before a package gets its name"
)
def test_a_lock_becomes_a_repository(case: Case) -> None:
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert case.sound()
    assert ran.said("5 packages, 5 to fetch")
    names = set(os.listdir(case.room.repo)) - {path.name for path in case.files}  # noqa: PTH208
    assert names == {
        "repodata", "keys", "localhost", "sbom.cdx.json", "sbom.spdx.json", "result.json", ".made.json",
    }  # fmt: skip
    image = case.room.repo / f"localhost/hermetic-rpm/tiny@{case.image.identity.pull_digest}"
    assert (image / "manifest.json").read_bytes() == (case.image.directory / "manifest.json").read_bytes()
    outputs = {entry["path"]: entry["sha256"] for entry in case.room.result()["outputs"]}
    assert outputs == {name: digest for name, digest in case.room.tree().items() if name != ".made.json"}


def test_packages_are_downloaded_in_parallel(case: Case) -> None:
    case.server.delay = 1.0
    began = time.monotonic()
    assert case.room.fetch().code == 0
    assert case.room.result()["timings_seconds"]["packages"] < 0.6 * len(case.files)
    assert time.monotonic() - began < 10


@AGAIN
@pytest.mark.promise("4.6", "running again is a no-op")
def test_a_second_run_downloads_nothing_and_changes_nothing(case: Case) -> None:
    assert case.room.fetch().code == 0
    before, asked = case.room.tree(), len(case.server.asked)
    ran = case.room.fetch()
    assert ran.code == 0
    assert ran.said("5 packages, 0 to fetch")
    assert case.room.tree() == before
    assert len(case.server.asked) == asked


FAULTS = [
    ("missing", ("HTTP 404",)),
    ("status:403", ("HTTP 403",)),
    ("status:503", ("HTTP 503",)),
    ("truncated", ()),
    ("short", ("bytes instead of",)),
    ("endless", ("larger than the", "bytes that are locked")),
    ("wrong", ("its sha256 is", "locked is")),
    ("reset", ()),
    ("loop", ("redirects more than 5 times",)),
    ("redirect:file:///etc/shadow", ("redirects to file:///etc/shadow, an origin that nobody declared",)),
    ("redirect:http://127.0.0.1:1/x.rpm", ("redirects to http://127.0.0.1:1/x.rpm", "nobody declared")),
    ("redirect:gopher://127.0.0.1/x.rpm", ("redirects to gopher:", "nobody declared")),
    ("redirect:http://[", ("redirects to what is no URL",)),
    ("busy:\N{SUPERSCRIPT TWO}", ("HTTP 429",)),
]


@WHATEVER
@pytest.mark.promise(
    "4.bad", "every fault of the table is a clear error with its own exit code, and nothing is lost or half-named"
)
@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault.partition("/")[0] for fault, _ in FAULTS])
def test_a_fault_of_the_only_server_is_one_clear_error(case: Case, fault: str, words: tuple[str, ...]) -> None:
    case.server.faults[BAD] = (fault,)
    ran = case.room.fetch("--retries", "1")
    assert ran.code == DownloadFailed.exit_code, ran.err
    assert ran.said(f"{BAD}: {case.server.url}/{BAD}: ", *words)
    assert "Traceback" not in ran.err
    assert list(case.room.repo.glob("*.rpm")) == []
    assert case.room.incomplete() == []
    assert case.room.result()["error"]["kind"] == "DownloadFailed"
    case.server.faults.clear()
    assert case.room.fetch().code == 0
    assert case.sound()


@WHATEVER
@pytest.mark.parametrize(
    "faults",
    [("status:503", "status:503", "ok"), ("busy:1", "ok"), ("truncated", "ok"), ("reset", "short", "ok"), ("slow",)],
    ids=["503-twice", "429", "truncated-once", "reset-then-short", "slow"],
)
def test_a_fault_that_passes_is_survived(case: Case, faults: tuple[str, ...]) -> None:
    case.server.faults[BAD] = faults
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert case.sound()
    assert sum(path.endswith(BAD) for path in case.server.asked) == len(faults)


@WHATEVER
def test_a_server_that_says_when_to_come_back_is_obeyed(case: Case) -> None:
    case.server.faults[BAD] = ("busy:3", "ok")
    assert case.room.fetch().code == 0
    assert case.room.result()["timings_seconds"]["packages"] >= 3


@WHATEVER
def test_a_redirect_within_the_declared_origins_is_followed(case: Case, tmp_path: Path) -> None:
    with serving(case.files[0].parent) as mirror:
        case.lock(case.server.url, mirror.url)
        case.server.faults[BAD] = (f"redirect:{mirror.url}/{BAD}",)
        assert case.room.fetch().code == 0
        assert mirror.asked == [f"/{BAD}"]
    assert case.sound()


@WHATEVER
def test_a_redirect_in_utf8_is_followed(case: Case, tmp_path: Path) -> None:
    (tmp_path / "prägung.rpm").write_bytes((case.files[0].parent / BAD).read_bytes())
    with serving(tmp_path) as mirror:
        case.lock(case.server.url, mirror.url)
        location = f"{mirror.url}/prägung.rpm".encode().decode("latin-1")  # as http.server sends bytes
        case.server.faults[BAD] = (f"redirect:{location}",)
        assert case.room.fetch().code == 0
        assert mirror.asked == ["/pr%C3%A4gung.rpm"]
    assert case.sound()


@pytest.mark.promise("2.4", "a dead or lying mirror does no harm while another one is right")
def test_the_third_mirror_helps_where_the_first_is_dead_and_the_second_lies(
    case: Case, files: tuple[Path, ...]
) -> None:
    with serving(files[0].parent) as liar:
        liar.faults = {path.name: ("wrong",) for path in files}
        case.lock("http://127.0.0.1:1/dead", liar.url, case.server.url)
        ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert case.sound()
    assert ran.said("warning: http://127.0.0.1:1/dead/", f"warning: {liar.url}/{BAD}: its sha256 is")


@ORIGINS
def test_an_undeclared_origin_is_refused_before_anything_is_asked(case: Case) -> None:
    case.lock(with_sidecar=False)
    ran = case.room.fetch()
    assert ran.code == OriginRefused.exit_code
    assert ran.said("addresses that nobody declared", f"{case.server.url}/{BAD}", "--allow-origin")
    assert case.server.asked == []


@ORIGINS
def test_a_lock_of_mock_s_works_with_an_allowed_origin_and_says_what_it_cannot_check(case: Case) -> None:
    registry = f"127.0.0.1:{case.server.server_port}"
    case.lock(with_sidecar=False, reference=f"{registry}/tiny:latest")
    ran = case.room.fetch("--allow-origin", f"docker://{registry}", "--allow-origin", case.server.url)
    assert ran.said("warning: this lock has no sidecar: only sigmd5 and NEVRA can be checked")
    # The image would come from a registry; there is none, so that this is where it ends.
    assert ran.code == 42, ran.err
    assert case.sound()
    assert case.room.incomplete() == []


@WHATEVER
def test_without_a_sidecar_a_changed_payload_is_still_found(case: Case) -> None:
    case.lock(with_sidecar=False)
    case.server.faults[BAD] = ("wrong",)
    ran = case.room.fetch(*NAMED, "--allow-origin", case.server.url)
    assert ran.code == VerificationFailed.exit_code
    assert ran.said(f"{BAD}: header and payload do not have the MD5 that the package says")
    assert list(case.room.repo.glob("*.rpm")) == []


def test_another_package_of_the_right_name_is_refused(case: Case, tmp_path: Path) -> None:
    """A lock without a sidecar: the server gives a sound package, but another one."""
    served = tmp_path / "served"
    shutil.copytree(case.files[0].parent, served)
    shutil.copy(next(path for path in case.files if path.name != BAD), served / BAD)
    with serving(served) as server:
        case.lock(server.url, with_sidecar=False)
        ran = case.room.fetch(*NAMED, "--allow-origin", server.url)
    assert ran.code == VerificationFailed.exit_code
    assert ran.said(f"{BAD}: its name is", "locked is demo-epoch", f"{BAD}: its sigmd5 is")


# -- what lies in the directory already ---------------------------------------------------


def test_a_strange_file_in_the_directory_is_refused_and_left_alone(case: Case) -> None:
    (case.room.repo / "notes.txt").write_text("mine")
    ran = case.room.fetch()
    assert ran.code == RepositoryExtraFile.exit_code
    assert ran.said("holds what no fetcher put there: notes.txt")
    assert (case.room.repo / "notes.txt").read_text() == "mine"
    assert case.server.asked == []


def test_the_packages_of_an_older_lock_are_removed(case: Case) -> None:
    assert case.room.fetch().code == 0
    fewer = tuple(path for path in case.files if path.name != BAD)
    fetching.write_lock(
        case.room, fewer, (case.server.url,), image=case.image, image_locations=(f"oci:{case.layout}:latest",)
    )
    assert case.room.fetch().code == 0
    assert {path.name for path in case.room.repo.glob("*.rpm")} == {path.name for path in fewer}


@pytest.mark.parametrize("name", ["older-1.asc", ".incomplete-killed"])
def test_a_key_that_the_lock_does_not_name_is_removed(case: Case, name: str) -> None:
    assert case.room.fetch().code == 0
    before = case.room.tree()
    (case.room.repo / "keys" / name).write_text("key")
    assert case.room.fetch().code == 0
    assert case.room.tree() == before


@AGAIN
@pytest.mark.parametrize("damage", ["changed", "truncated", "link", "missing"])
def test_a_damaged_package_in_the_directory_is_fetched_again(case: Case, damage: str) -> None:
    assert case.room.fetch().code == 0
    before = case.room.tree()
    path = case.room.repo / BAD
    content = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"x" + content[1:])
    elif damage == "truncated":
        path.write_bytes(content[:-1])
    elif damage == "link":
        path.symlink_to(next(found for found in case.files if found.name == BAD))
    ran = case.room.fetch()
    assert ran.code == 0
    assert ran.said("5 packages, 1 to fetch")
    assert not path.is_symlink()
    assert case.room.tree() == before


def test_a_damaged_image_in_the_directory_is_fetched_again(case: Case) -> None:
    assert case.room.fetch().code == 0
    before = case.room.tree()
    layer = next(case.room.repo.glob(f"localhost/hermetic-rpm/*/{case.image.layers[0].digest[7:]}"))
    layer.write_bytes(b"x" * layer.stat().st_size)
    ran = case.room.fetch()
    assert ran.code == 0
    assert ran.said("has been changed. It is fetched again.")
    assert case.room.tree() == before


def test_an_image_that_is_not_the_locked_one_is_refused(case: Case, tmp_path: Path) -> None:
    from tests.support import images  # noqa: PLC0415

    other = images.oci_layout(tmp_path / "other", {"etc/os-release": b"NAME=other\n"})
    fetching.write_lock(
        case.room, case.files, (case.server.url,), image=case.image, image_locations=(f"oci:{other}:latest",)
    )
    ran = case.room.fetch()
    assert ran.code == 43
    assert ran.said("locked is another one")
    assert case.room.incomplete() == []
    assert not (case.room.repo / "localhost").exists()


@pytest.mark.promise("4.6", "same-named files with different content do not overwrite each other")
def test_files_of_one_name_get_names_of_their_own(case: Case, tmp_path: Path) -> None:
    served = tmp_path / "served"
    for number, path in enumerate(case.files[:2]):
        (served / str(number)).mkdir(parents=True)
        shutil.copy(path, served / str(number) / "package.rpm")
    side = case.room.directory / "lock/buildroot_lock.sources.json"
    with serving(served) as server:
        fetching.write_lock(
            case.room, case.files[:2], (server.url,), image=case.image, image_locations=(f"oci:{case.layout}:latest",)
        )
        document = json.loads(side.read_text())
        for row in document["rpms"]:
            number = [path.name for path in case.files].index(row["location"])
            row["location"] = f"{number}/package.rpm"
        side.write_text(json.dumps(document))
        ran = case.room.fetch()
    assert ran.code == 0, ran.err
    made = {path.name: path.read_bytes() for path in case.room.repo.glob("*.rpm")}
    assert len(made) == 2
    assert all(name.endswith("-package.rpm") for name in made)
    assert sorted(made.values()) == sorted(path.read_bytes() for path in case.files[:2])


# -- the cache ----------------------------------------------------------------------------


@AGAIN
def test_what_is_in_the_cache_is_not_asked_for(case: Case, tmp_path: Path) -> None:
    assert case.room.fetch(cache=True).code == 0
    asked = len(case.server.asked)
    shutil.rmtree(case.room.repo)
    case.room.repo.mkdir()
    assert case.room.fetch(cache=True).code == 0
    assert len(case.server.asked) == asked
    assert case.sound()


@AGAIN
def test_a_corrupt_cache_heals(case: Case) -> None:
    assert case.room.fetch(cache=True).code == 0
    shutil.rmtree(case.room.repo)
    case.room.repo.mkdir()
    entries = sorted(case.room.cache.glob("sha256/*/*"))
    assert len(entries) == len(case.files)
    for entry in entries[:2]:
        content = bytearray(entry.read_bytes())
        content[-1] ^= 1
        entry.write_bytes(content)
    entries[2].write_bytes(b"")
    ran = case.room.fetch(cache=True)
    assert ran.code == 0, ran.err
    assert case.sound()
    asked = [unquote(path)[1:] for path in case.server.asked]
    assert sum(asked.count(path.name) == 2 for path in case.files) == 3
    shutil.rmtree(case.room.repo)
    case.room.repo.mkdir()
    assert case.room.fetch(cache=True).code == 0
    assert len(case.server.asked) == len(asked)


# -- signatures ---------------------------------------------------------------------------


@SIGNED
def test_an_unsigned_package_of_a_signed_repository_is_refused(case: Case, tmp_path: Path) -> None:
    served = tmp_path / "served"
    shutil.copytree(case.files[0].parent, served)
    subprocess.run(("rpmsign", "--delsign", served / BAD), check=True, capture_output=True)
    unsigned = tuple(served / path.name for path in case.files)
    with serving(served) as server:
        fetching.write_lock(
            case.room, unsigned, (server.url,), image=case.image, image_locations=(f"oci:{case.layout}:latest",)
        )
        ran = case.room.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert ran.said(f"{BAD}: its repository demands a signature by a key of the lock; signed by nobody")
    assert list(case.room.repo.glob("*.rpm")) == []


@SIGNED
def test_what_lies_in_the_directory_already_is_held_to_its_signature_too(case: Case, tmp_path: Path) -> None:
    """Somebody put the locked, unsigned file there, as if an earlier run had."""
    served = tmp_path / "served"
    shutil.copytree(case.files[0].parent, served)
    subprocess.run(("rpmsign", "--delsign", served / BAD), check=True, capture_output=True)
    with serving(served) as server:
        fetching.write_lock(
            case.room, tuple(served / path.name for path in case.files), (server.url,), image=case.image,
            image_locations=(f"oci:{case.layout}:latest",),
        )  # fmt: skip
        shutil.copy(served / BAD, case.room.repo)
        ran = case.room.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert ran.said(f"{BAD}: its repository demands a signature by a key of the lock; signed by nobody")


@SIGNED
def test_packages_signed_by_another_key_are_refused(case: Case, tmp_path: Path) -> None:
    with signing.opened_key(tmp_path / "secret.asc") as key:
        key.export(tmp_path / "other.asc")
    case.lock(key=tmp_path / "other.asc")
    ran = case.room.fetch()
    assert ran.code == VerificationFailed.exit_code
    assert ran.err.count("demands a signature by a key of the lock; signed by") == len(case.files)
    assert list(case.room.repo.glob("*.rpm")) == []


@SIGNED
def test_a_key_that_was_swapped_is_refused(case: Case) -> None:
    path = case.room.directory / "lock/keys/demo-1.asc"
    path.write_bytes(path.read_bytes() + b"\n")
    ran = case.room.fetch()
    assert ran.code == LockMismatch.exit_code
    assert case.server.asked == []


# -- interruption -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["status:503", "hang"])
def test_an_interrupted_fetcher_ends_soon_and_says_so(case: Case, fault: str) -> None:
    case.server.faults = {path.name: (fault,) for path in case.files}
    child = subprocess.Popen(case.room.command(), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not case.server.asked:
        time.sleep(0.05)
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130, err
    assert time.monotonic() - began < 5
    assert case.room.incomplete() == []
