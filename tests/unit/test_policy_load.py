"""The policy file: what is valid, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.errors import PolicyInvalid
from hermetic_rpm.policy.load import load, parse
from hermetic_rpm.policy.model import Age, Images

ROOT = Path(__file__).resolve().parents[2]
MISTAKES = pytest.mark.promise("4.8", "every mistake in a policy file is told with file, line and column")


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as caught:
        parse(text.encode(), "policy.yaml")
    return [line.strip() for line in caught.value.reason.splitlines()[1:]]


@pytest.mark.promise("4.8", "a strict example is shipped")
def test_the_strict_example_is_valid_and_leaves_no_rule_out() -> None:
    policy = load(ROOT / "policies/strict.yaml")
    assert policy.sidecar_required
    assert None not in (policy.origins, policy.images, policy.signing_keys, policy.licences, policy.age)
    assert [rule.package for rule in policy.denied] == ["telnet*", "xz*", "*.i686"]


def test_what_is_left_out_is_not_checked() -> None:
    policy = parse(b"version: 1\nage: {maximum_days: 3}\nimages: {digests: []}\n", "policy.yaml")
    assert policy.age == Age(maximum_days=3, date="given")
    assert policy.images == Images(registries=None, directories=(), digests=())
    assert (policy.origins, policy.signing_keys, policy.licences, policy.denied) == (None, None, None, ())
    assert not policy.sidecar_required


@MISTAKES
def test_every_mistake_is_told_with_its_place() -> None:
    found = problems("version: 1\nsidecar: requird\norigns: []\nage:\n  maximum_days: soon\n")
    assert [line.split(": ")[0] for line in found] == ["policy.yaml", "policy.yaml:5:3", "policy.yaml:2:1"]
    assert "did you mean origins?" in found[0]
    assert "did you mean required?" in found[2]


@MISTAKES
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("GPL-3.0-or-latter", "did you mean GPL-3.0-or-later?"),
        ("GPLv3*", "is no licence of the SPDX list"),
        ("MIT WITH nonsense", "is no licence of the SPDX list"),
    ],
)
def test_a_denial_that_could_deny_nothing_is_a_mistake(entry: str, said: str) -> None:
    (problem,) = problems(f"version: 1\nlicences:\n  deny:\n    - MIT\n    - {entry}\n")
    assert problem.startswith("policy.yaml:5:7: licences.deny[1]: ")
    assert said in problem


@MISTAKES
@pytest.mark.parametrize("versions", ["5.6", ">= 5.6 < 5.7", "!= 3", ">= 1:2:3", "> a-b-c", ">=", ""])
def test_a_range_that_nobody_understands_is_a_mistake(versions: str) -> None:
    (problem,) = problems(f"version: 1\ndenied:\n  - package: xz\n    versions: '{versions}'\n")
    assert problem.startswith("policy.yaml:4:5: denied[0].versions: ")


@MISTAKES
@pytest.mark.parametrize(
    "text",
    ["", "[]", "version: 1", "version: 2\nsidecar: required", "version: 1\nsigning_keys: [12345678]",
     "version: 1\nsigning_keys: ['3991c178']", "version: 1\norigins: [mirror.example.com]",
     "version: 1\norigins: ['https://u:p@mirror.example.com/']", "version: 1\norigins: ['https://m/a/../b']",
     "version: 1\nimages: {}", "version: 1\nimages: {digests: [latest]}", "version: 1\nlicences: {not_spdx: maybe}",
     "version: 1\ndenied: [xz]"],
)  # fmt: skip
def test_anything_else_is_refused_and_not_a_crash(text: str) -> None:
    assert all(line.startswith("policy.yaml") for line in problems(text))


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
