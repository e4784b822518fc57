"""The signer: which packages it takes, which key, and the container it runs in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm import result
from hermetic_rpm.errors import HermeticError, LockMismatch, ResultsAltered, ResultsUnusable, SigningKeyUnusable
from hermetic_rpm.files import sha256_of
from hermetic_rpm.result import Result
from hermetic_rpm.runner import sign_cli
from hermetic_rpm.runner.command import argv
from stages.signer import gnupg, packages
from stages.signer.gnupg import Key

ONE, SUB, TWO = "1" * 40, "2" * 40, "3" * 40
LISTING = f"""\
sec:u:3072:1:1111111111111111:1700000000:::u:::scESC:::+:::23::0:
fpr:::::::::{ONE}:
grp:::::::::AAAA:
uid:u::::1700000000::BBBB::Somebody <a@example.com>::::::::::0:
ssb:u:3072:1:2222222222222222:1700000000::::::s:::+:::23:
fpr:::::::::{SUB}:
sec:e:255:22:3333333333333333:1700000000:1700000001::u:::sc:::+::ed25519:::0:
fpr:::::::::{TWO}:
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name in ("a-1-1.noarch.rpm", "a-1-1.src.rpm", "build.log"):
        (tmp_path / name).write_text(name)
    outputs = result.outputs_of(tmp_path, tmp_path.iterdir())
    result.write(tmp_path, Result(stage="builder", inputs={}, outputs=outputs, timings={}))
    return tmp_path


def rewrite(results: Path, **changes: Any) -> None:
    path = results / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# -- what is signed -----------------------------------------------------------------------


def test_the_packages_are_those_of_the_result(results: Path) -> None:
    (results / "stranger-1-1.noarch.rpm").write_text("nobody built it")
    said, digest = packages.said(results, {"result": sha256_of(results / "result.json")})
    assert sorted(said) == ["a-1-1.noarch.rpm", "a-1-1.src.rpm"]
    assert digest == sha256_of(results / "result.json")


def test_another_result_than_the_expected_one_is_refused(results: Path) -> None:
    with pytest.raises(LockMismatch, match="was expected"):
        packages.said(results, {"result": "0" * 64})


@pytest.mark.parametrize(
    "changes", [{"stage": "fetcher"}, {"status": "failed"}, {"outputs": [{"path": 1}]}, {"more": 1}]
)
def test_what_is_no_result_of_a_build_is_refused(results: Path, changes: dict[str, Any]) -> None:
    rewrite(results, **changes)
    with pytest.raises(ResultsUnusable):
        packages.said(results, {})


@pytest.mark.parametrize("path", ["../a-1-1.noarch.rpm", "/etc/a.rpm", ".a.rpm", "a/b.rpm", "-a.rpm"])
def test_a_package_elsewhere_is_none(results: Path, path: str) -> None:
    rewrite(results, outputs=[{"path": path, "size": 1, "sha256": "0" * 64}])
    assert packages.said(results, {})[0] == {}


@pytest.mark.promise("5.7", "an SBOM of the outputs, createrepo and a signing hook")
def test_only_what_the_build_wrote_is_copied(results: Path, tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    said, _ = packages.said(results, {})
    assert [path.read_text() for path in packages.copy(results, said, waiting)] == list(said)
    (results / "a-1-1.src.rpm").write_text("another")
    with pytest.raises(ResultsAltered, match=r"a-1-1\.src\.rpm"):
        packages.copy(results, said, waiting)
    (results / "a-1-1.src.rpm").unlink()
    with pytest.raises(ResultsAltered, match="cannot be read"):
        packages.copy(results, said, waiting)


# -- with which key -----------------------------------------------------------------------


def test_primary_keys_are_read_from_gpg() -> None:
    assert gnupg.secret_keys(LISTING) == (ONE, TWO)
    assert gnupg.secret_keys("") == ()


@pytest.mark.parametrize(
    ("found", "wanted", "says"),
    [((), None, "no secret key"), ((ONE, TWO), None, "several"), ((ONE,), TWO, f"no secret key {TWO}")],
)
def test_one_key_signs_or_none(found: tuple[str, ...], wanted: str | None, says: str) -> None:
    with pytest.raises(SigningKeyUnusable, match=says):
        gnupg.choose(found, wanted)


def test_a_key_is_chosen_by_its_fingerprint() -> None:
    assert gnupg.choose((ONE,), None) == ONE
    key = "abcdef" + "0" * 34
    assert gnupg.choose((ONE, key.upper()), key) == key.upper()


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HermeticError, match="cannot be read") as caught:
        gnupg.bring(tmp_path / "none", tmp_path, ())
    assert type(caught.value) is SigningKeyUnusable


def test_rpmsign_gets_names_and_no_secret() -> None:
    key = Key(home=Path("/dev/shm/gnupg-x"), fingerprint=ONE, options=("--pinentry-mode=loopback",))
    command = packages.sign_command(key, (Path("/signed/a.rpm"),))
    assert command[0] == "rpmsign"
    assert command[-2:] == ("--resign", "/signed/a.rpm")
    assert "__gpg /usr/bin/gpg" in command
    assert f"_gpg_name {ONE}" in command


# -- in which container -------------------------------------------------------------------


@pytest.mark.promise("5.7", "an SBOM of the outputs, createrepo and a signing hook")
def test_the_key_is_mounted_read_only_into_a_container_without_network_and_capabilities() -> None:
    stage = sign_cli.plan(
        Path("/w/results"), Path("/home/key.asc"), Path("/home/pass"), Path("/w/signed"), image="signer", arguments=()
    )
    command = argv(stage)
    assert {"--network=none", "--cap-drop=all", "--read-only", "--security-opt=no-new-privileges"} <= set(command)
    assert not [word for word in command if word.startswith(("--cap-add", "--env"))]
    assert [(bind.target, bind.read_only) for bind in stage.binds] == [
        ("/results", True), ("/key", True), ("/passphrase", True), ("/signed", False),
    ]  # fmt: skip
    assert [(expected.role, expected.path) for expected in stage.expects] == [
        ("result", Path("/w/results/result.json"))
    ]
