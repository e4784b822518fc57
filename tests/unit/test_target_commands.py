"""``hermetic-rpm target``: arguments, output, exit status; the plan of an import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hermetic_rpm.document import parse_yaml
from hermetic_rpm.errors import MockConfigUnusable, RepositoryUnavailable, TargetInvalid, TargetUnknown
from hermetic_rpm.progress import Progress
from hermetic_rpm.runner import command, target_import
from hermetic_rpm.runner.cli import cli
from hermetic_rpm.runner.pipeline import load
from hermetic_rpm.target import keys
from hermetic_rpm.target import load as targets

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = pytest.mark.promise("3.1", "hermetic-rpm target list, show, check and import")
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"

GOOD = """\
version: 1
description: A demo
architecture: x86_64
image: {reference: "registry.example.com/bootstrap:latest", ready: true}
package_manager: dnf5
repositories:
  - id: os
    baseurl: ["https://a.example.com/os"]
    gpgcheck: true
    gpgkey: ["file:///usr/share/distribution-gpg-keys/demo/KEY"]
buildroot: ["@buildsys-build"]
"""
PROXY = GOOD.replace(
    'baseurl: ["https://a.example.com/os"]', 'metalink: http://a.example.com/m\n    proxy: "socks5://p.example.com"'
).replace("ready: true", "ready: false")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("version: 1", "version: 2"))
    own = tmp_path / "config/hermetic-rpm/targets"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(PROXY)
    return tmp_path


def run(directory: Path, *arguments: str | Path, columns: int = 150) -> Result:
    done = CliRunner().invoke(
        cli, ["target", *map(str, arguments)], obj=Progress(stage="hermetic-rpm"),
        env={"COLUMNS": str(columns), "XDG_CONFIG_HOME": str(directory / "config")},
    )  # fmt: skip
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@COMMANDS
def test_the_list_has_the_projects_and_the_users_targets(directory: Path) -> None:
    lines = run(directory, "list", "--targets", directory).stdout.splitlines()
    assert lines[0].split() == ["TARGET", "DESCRIPTION", "ARCH", "MANAGER", "IMAGE", "READY", "RESOLVER", "PROVEN"]
    assert [line.split()[0] for line in lines[1:]] == ["bad", "good", "mine"]
    bad, good, mine = lines[1:]
    assert "not valid" in bad
    assert "registry.example.com/bootstrap:latest  ready" in good
    assert good.split()[-4:] == ["yes", "not", "run", "here"]
    assert "not ready  not yet: proxy other than http://HOST:PORT  not run here" in mine


@COMMANDS
def test_the_list_fits_a_terminal_and_says_what_is_missing(directory: Path) -> None:
    lines = run(directory, "list", "--targets", directory, columns=80).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("not shown in 80 columns: ")


@COMMANDS
def test_the_list_is_to_be_had_as_json(directory: Path) -> None:
    entries = {
        entry["name"]: entry
        for entry in json.loads(run(directory, "list", "--targets", ROOT / "targets", "--format", "json").stdout)
    }
    assert entries["fedora-rawhide-x86_64"]["proven"] == "not run here"
    assert entries["demo-dnf5-x86_64"]["proven"] == "end-to-end tests"
    assert entries["mine"]["resolver"] == "not yet: proxy other than http://HOST:PORT"


@COMMANDS
def test_a_target_is_shown_with_its_defaults(directory: Path) -> None:
    shown = json.loads(run(directory, "show", "mine", "--targets", directory, "--format", "json").stdout)
    assert shown["legal_host_arches"] == ["x86_64"]
    assert shown["macros"]["%_buildhost"] == "hermetic-rpm"
    assert shown["not_supported_yet"] == ["proxy other than http://HOST:PORT (os)"]
    text = run(directory, "show", directory / "good.yaml").stdout
    assert parse_yaml(text.encode(), "shown", TargetInvalid).data["repositories"][0]["baseurl"] == [
        "https://a.example.com/os"
    ]
    with pytest.raises(TargetUnknown, match="Did you mean good"):
        run(directory, "show", "goood", "--targets", directory)


@COMMANDS
def test_check_warns_and_says_what_is_valid(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = directory / "config/hermetic-rpm/targets/mine.yaml"
    done = run(directory, "check", directory / "good.yaml", mine)
    assert done.stdout == f"{directory}/good.yaml is valid.\n{mine} is valid, with 2 warnings.\n"
    warnings = capsys.readouterr().err
    assert f"{mine}:8:5: repositories[0].metalink: http://a.example.com/m is not protected by TLS" in warnings
    assert f"{mine}: not supported yet by the resolver: proxy other than http://HOST:PORT (os)" in warnings


@COMMANDS
def test_check_tells_the_mistakes_of_every_file(directory: Path) -> None:
    (directory / "worse.yaml").write_text(GOOD.replace("gpgkey", "gpgkye"))
    with pytest.raises(TargetInvalid) as caught:
        run(directory, "check", directory / "bad.yaml", directory / "good.yaml", directory / "worse.yaml")
    assert f"{directory}/bad.yaml:1:1: version: 1 was expected" in caught.value.reason
    assert (
        f"{directory}/worse.yaml:7:5: repositories[0]: unknown 'gpgkye' (did you mean gpgkey?)" in caught.value.reason
    )


@COMMANDS
def test_every_target_of_the_project_passes_the_check(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((ROOT / "targets").glob("*.yaml"))
    done = run(directory, "check", *files)
    assert len(done.stdout.splitlines()) == len(files) > 50
    warned = capsys.readouterr().err.splitlines()
    assert [line for line in warned if ": not supported yet by the resolver: " not in line] == []


def test_a_configuration_that_is_not_there_names_the_nearest(directory: Path) -> None:
    (directory / "fedora-42-x86_64.cfg").touch()
    (directory / "site-defaults.cfg").touch()
    for name in ("fedora-42-x8664", "site-defaults", "../fedora-42-x86_64"):
        with pytest.raises(MockConfigUnusable, match=f"There is no configuration {name}.cfg"):
            run(directory, "import", "--mock-config", name, "--mock-config-dir", directory)
    with pytest.raises(MockConfigUnusable, match="Did you mean fedora-42-x86_64"):
        target_import.known(directory, ("fedora-42-x8664",))
    assert target_import.known(directory, ("all",)) == ("fedora-42-x86_64",)
    with pytest.raises(MockConfigUnusable, match="There is no configuration all"):
        target_import.known(directory / "empty", ("all",))


def test_two_targets_need_a_directory(directory: Path) -> None:
    for name in ("a", "b"):
        (directory / f"{name}.cfg").touch()
    done = run(directory, "import", "--mock-config", "all", "--mock-config-dir", directory)
    assert done.exit_code == 2
    assert "--output DIR" in done.stderr


def test_configurations_are_evaluated_without_network_capabilities_or_other_files(tmp_path: Path) -> None:
    stage = target_import.evaluation_plan(load(ROOT / "pipeline.yaml"), tmp_path, ("a", "b"))
    argv = command.argv(stage)
    assert argv[-3:] == ("localhost/hermetic-rpm/resolver:latest", "--mock-config=a", "--mock-config=b")
    assert {"--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"} <= set(argv)
    assert [word for word in argv if word.startswith(("--cap-add", "type=bind"))] == [
        f"type=bind,source={tmp_path},destination=/etc/mock,ro=true"
    ]


def test_an_answer_that_no_target_can_be_made_of_is_told_with_its_reason() -> None:
    made, refused = target_import.targets(
        iter([{"name": "a", "error": "KeyError: 'x'"}, {"name": "b", "options": {}}]), ""
    )
    assert made == ()
    assert refused[0] == "a cannot be evaluated: KeyError: 'x'"
    assert refused[1].startswith("No target can be made of b: ")


def test_the_keys_of_distributions_are_taken_from_where_they_are(tmp_path: Path) -> None:
    target = targets.parse(GOOD.encode(), name="demo", place="demo.yaml")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/KEY").write_text(KEY)
    assert [key.content for key in keys.collect(target, tmp_path)] == [KEY.encode()]
    with pytest.raises(RepositoryUnavailable) as caught:
        keys.collect(target, tmp_path / "elsewhere")
    assert "file:///usr/share/distribution-gpg-keys/demo/KEY" in caught.value.reason
    assert "--keys DIR" in caught.value.solution


def test_the_pipeline_takes_targets_and_keys_from_where_the_user_has_them(directory: Path) -> None:
    planned = CliRunner().invoke(
        cli,
        ["plan", "--pipeline", str(ROOT / "pipeline.yaml"), "-p", f"srpm={directory}/good.yaml", "-p", "target=good",
         "-p", f"targets={directory}", "-p", f"keys={directory}/config", "-p", f"workspace={directory}/workspace"],
    )  # fmt: skip
    assert f"source={directory},destination=/targets,ro=true" in planned.stdout
    assert f"source={directory}/config,destination=/usr/share/distribution-gpg-keys,ro=true" in planned.stdout
