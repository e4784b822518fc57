"""Further inputs on the runner's command line: who is given them, and what is promised about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hermetic_rpm import inputs
from hermetic_rpm.errors import InputMismatch, InputsDiffer
from hermetic_rpm.inputs import Input
from hermetic_rpm.runner import pipeline, reproduce
from hermetic_rpm.runner.cli import cli
from hermetic_rpm.runner.input_options import by_role, hashed, with_inputs
from hermetic_rpm.runner.parameters import resolve
from hermetic_rpm.runner.plan import Bind, Plan, make_plan
from hermetic_rpm.runner.reproduce import Built

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def deps(tmp_path: Path) -> Path:
    directory = tmp_path / "deps"
    directory.mkdir()
    (directory / "greet.c").write_text("int greet;\n")
    return directory


def plan(tmp_path: Path) -> Plan:
    declared = pipeline.load(ROOT / "pipeline.yaml")
    values = resolve(
        declared,
        {"srpm": "a.src.rpm", "workspace": str(tmp_path)},
        cwd=tmp_path,
        log_format="json",
        is_file=lambda _: True,
    )
    return make_plan(declared, values, exists=lambda _: True)


def test_resolver_and_builder_are_given_what_was_hashed_and_the_fetcher_is_not(tmp_path: Path, deps: Path) -> None:
    before, sha256 = plan(tmp_path), inputs.digest(deps)
    found = hashed((Input(name="vendor", directory=deps),), {"input:vendor": sha256})
    resolver, fetcher, builder = with_inputs(before, found).stages
    assert fetcher == before.stages[1]
    for stage, first in ((resolver, before.stages[0]), (builder, before.stages[2])):
        assert stage.arguments == (
            *first.arguments, "--input", "vendor=/inputs/vendor", "--expect", f"input:vendor={sha256}",
        )  # fmt: skip
        assert stage.binds == (*first.binds, Bind(source=deps, target="/inputs/vendor", read_only=True))


def test_an_input_that_is_not_the_pinned_one_starts_nothing(deps: Path) -> None:
    with pytest.raises(InputMismatch, match="but 000"):
        hashed((Input(name="vendor", directory=deps),), {"input:vendor": "0" * 64})


def test_a_build_is_repeated_with_the_same_further_inputs_only(tmp_path: Path, deps: Path) -> None:
    found = hashed((Input(name="vendor", directory=deps),), {})
    stage = with_inputs(plan(tmp_path), found).stages[2]
    built = Built(inputs=by_role(found), outputs={}, other_srpm=False, tool_version="1", image=None)
    again = reproduce.again(stage, built, tmp_path / "new", by_role(found))
    assert Bind(source=deps, target="/inputs/vendor", read_only=True) in again.binds
    with pytest.raises(InputsDiffer, match=r"input:vendor: sha256 .* then, \(none\) now"):
        reproduce.again(stage, built, tmp_path / "new")
    with pytest.raises(InputsDiffer, match=r"input:vendor: sha256 .* then, 111.* now"):
        reproduce.again(stage, built, tmp_path / "new", {"input:vendor": "1" * 64})


def test_the_hash_is_printed_for_the_next_program(deps: Path) -> None:
    assert CliRunner().invoke(cli, ["hash", str(deps)]).output == f"{inputs.digest(deps)}\n"


@pytest.mark.parametrize("text", ["vendor", "vendor=", "=deps", "../vendor=deps", ".x=deps", "a/b=deps"])
def test_what_is_no_input_is_a_wrong_argument(text: str) -> None:
    done = CliRunner().invoke(cli, ["plan", "--input", text])
    assert done.exit_code == 2
    assert "is not NAME=DIRECTORY" in done.output


@pytest.mark.parametrize("text", [f"vendor={'0' * 64}", f"srpm={'0' * 64}", "input:vendor=0", f"input:../x={'0' * 64}"])
def test_what_is_no_expectation_of_an_input_is_a_wrong_argument(text: str) -> None:
    done = CliRunner().invoke(cli, ["plan", "--expect", text])
    assert done.exit_code == 2
    assert "is not ROLE=SHA256 with a role of input:NAME" in done.output
