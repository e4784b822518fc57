"""Mock's configurations in the resolver's container; targets made of them, and what the resolver makes of targets."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from containers import DEMO, ROOT, Engine, Workspace, commands, runner, sample, with_runner
from hermetic_rpm.errors import ImageUnavailable, MockConfigUnusable, PipelineInvalid, TargetUnsupported
from hermetic_rpm.target import load
from stages.resolver import mock_config

READ = pytest.mark.promise(
    "3.1", "Mock's own configurations are read: every active chroot of mock-core-configs becomes a valid target"
)
REFUSED = pytest.mark.promise("3.1", "what a target says and the resolver does not do yet is refused, never left out")
PLACE = "https://example.com/configs@0123456789"

TEMPLATE = """\
config_opts['chroot_setup_cmd'] = 'install @buildsys-build'
config_opts['releasever'] = '1'
config_opts['dist'] = 'demo{{ releasever }}'
config_opts['package_manager'] = 'dnf5'
config_opts['bootstrap_image'] = 'registry.example.com/demo:{{ releasever }}'
config_opts['dnf.conf'] = \"\"\"
[main]
gpgcheck=1
install_weak_deps=0
[demo]
baseurl=https://example.com/$releasever/$basearch/
gpgkey=file:///usr/share/distribution-gpg-keys/demo/KEY
\"\"\"
"""
CURIOUS = """
found = []

def attempt(name, action):
    try:
        action()
        found.append(name)
    except OSError:
        pass

attempt('network', lambda: socket.create_connection(('127.0.0.1', PORT), timeout=5).close())
attempt('file', lambda: open('OUTSIDE').close())
attempt('write', lambda: open(config_opts['config_path'] + '/written', 'w').close())
attempt('interface', lambda: socket.if_nametoindex('INTERFACE'))
config_opts['target_arch'] = 'x86_64'
include('/etc/mock/templates/demo.tpl')
config_opts['description'] = 'can: ' + ' '.join(found)
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """A directory of configurations in the manner of Mock's."""
    directory = tmp_path / "configs"
    (directory / "templates").mkdir(parents=True)
    (directory / "templates/demo.tpl").write_text(TEMPLATE)
    for architecture in ("x86_64", "aarch64"):
        text = f"config_opts['target_arch'] = '{architecture}'\ninclude('templates/demo.tpl')\n"
        (directory / f"demo-1-{architecture}.cfg").write_text(text)
    (directory / "site-defaults.cfg").write_text("# nothing\n")
    return directory


@READ
@pytest.mark.promise("3.1", "hermetic-rpm target list, show, check and import")
def test_configurations_become_targets(rootful: Engine, configs: Path, tmp_path: Path) -> None:
    done = runner(
        "target", "import", "--mock-config", "all", "--mock-config-dir", configs, "--from", PLACE,
        "--output", tmp_path / "made", environment=rootful.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    paths = [tmp_path / "made" / f"demo-1-{architecture}.yaml" for architecture in ("aarch64", "x86_64")]
    assert done.stdout.splitlines() == list(map(str, paths))
    for path, architecture in zip(paths, ("aarch64", "x86_64"), strict=True):
        target = load.load(path)
        assert target.repositories[0].baseurl == (f"https://example.com/1/{architecture}/",)
        assert target.origin is not None
        assert target.origin.place == PLACE
    shown = runner("target", "check", *paths, environment=rootful.environment)
    assert (shown.returncode, shown.stderr) == (0, "")


@READ
@pytest.mark.parametrize("user", ["rootful", "rootless"])
def test_the_stage_alone_evaluates_configurations(user: str, request: pytest.FixtureRequest, configs: Path) -> None:
    engine: Engine = request.getfixturevalue(user)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        directory = Path(shutil.copytree(configs, Path(place, "configs")))
        Path(place).chmod(0o755)
        done = engine.run(
            "podman", "run", "--rm", "--read-only", "--network=none", "--cap-drop=all",
            "--security-opt=no-new-privileges", "-v", f"{directory}:/etc/mock:ro", "localhost/hermetic-rpm/resolver",
            "--mock-config=all",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(answer["name"], answer["options"]["dist"]) for answer in answers] == [
        ("demo-1-aarch64", "demo1"), ("demo-1-x86_64", "demo1"),
    ]  # fmt: skip


@READ
def test_what_cannot_be_evaluated_is_told_and_the_others_are_made(rootful: Engine, configs: Path) -> None:
    (configs / "broken.cfg").write_text("print('noise')\ninclude('templates/nowhere.tpl')\n")
    done = runner(
        "target", "import", "--mock-config", "broken", "--mock-config", "demo-1-x86_64", "--mock-config-dir", configs,
        "--output", configs / "made", environment=rootful.environment,
    )  # fmt: skip
    assert done.returncode == MockConfigUnusable.exit_code
    assert "broken cannot be evaluated: FileNotFoundError: " in done.stderr
    assert "/etc/mock/templates/nowhere.tpl" in done.stderr
    assert [path.name for path in (configs / "made").iterdir()] == ["demo-1-x86_64.yaml"]


@pytest.mark.promise(
    "3.1", "Mock's configurations run without a network and see no file of the host but their own directory, read-only"
)
def test_a_configuration_sees_nothing_but_its_directory(rootful: Engine, configs: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("a secret")
    interface = next(name for _, name in socket.if_nameindex() if name != "lo")
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = CURIOUS.replace("PORT", str(server.getsockname()[1])).replace("INTERFACE", interface)
        (configs / "curious.cfg").write_text(text.replace("OUTSIDE", str(tmp_path / "outside")))
        done = runner(
            "target", "import", "--mock-config", "curious", "--mock-config-dir", configs,
            environment=rootful.environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert load.parse(done.stdout.encode(), name="curious", place="curious").description == "can: "
        assert not (configs / "written").exists()
        # The same attempts succeed where nothing is in their way.
        (configs / "curious.cfg").write_text((configs / "curious.cfg").read_text().replace("/etc/mock/", ""))
        here = mock_config.evaluate(configs, "curious")
    assert here["description"] == "can: network file write interface"


@pytest.mark.promise(
    "3.1", "a run is for a configuration of Mock directly, and the target made of it stays beside the lock"
)
def test_a_run_for_a_configuration(rootful: Engine, configs: Path, tmp_path: Path) -> None:
    name = "fedora-rawhide-x86_64"
    more = "config_opts['bootstrap_image'] = 'localhost:1/demo:1'\n"  # where nobody listens: the run ends there
    (configs / f"{name}.cfg").write_text((configs / "demo-1-x86_64.cfg").read_text() + more)
    engine = with_runner(rootful, tmp_path / "project")
    (engine.home / "targets").mkdir(parents=True)
    shutil.copy(ROOT / "pipeline.yaml", engine.home)
    shutil.copy(sample("hello"), engine.home / "hello.src.rpm")
    script = commands("build-for-your-distribution.md", "mock-config").replace("/etc/mock", str(configs))
    done = engine.run("bash", "-euc", script)
    assert "bootstrap image localhost:1/demo:1" in done.stderr, done.stderr[-3000:]
    assert done.returncode == ImageUnavailable.exit_code
    made = engine.run(
        "hermetic-rpm", "target", "import", "--mock-config", name, "--mock-config-dir", configs, check=True
    )  # fmt: skip
    assert (engine.home / f"build/workspace/targets/{name}.yaml").read_text() == made.stdout
    both = engine.run("bash", "-euc", f"{script.strip()} -p target=mine")
    assert both.returncode == PipelineInvalid.exit_code
    assert "--mock-config and -p target=… exclude each other." in both.stderr


@READ
@pytest.mark.skipif("MOCK_CORE_CONFIGS" not in os.environ, reason="not run here: MOCK_CORE_CONFIGS names no directory")
def test_every_chroot_of_mock_core_configs_becomes_a_valid_target(rootful: Engine, tmp_path: Path) -> None:
    """MOCK_CORE_CONFIGS is the directory etc/mock of the public repository, whose files are no part of this one."""
    directory = Path(os.environ["MOCK_CORE_CONFIGS"])
    done = runner(
        "target", "import", "--mock-config", "all", "--mock-config-dir", directory, "--output", tmp_path,
        environment=rootful.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    made = {load.load(path).name for path in tmp_path.glob("*.yaml")}
    assert made == set(mock_config.chroots(directory))
    assert len(made) > 200


@REFUSED
def test_the_resolver_refuses_what_it_does_not_do_yet(workspace: Workspace) -> None:
    text = (ROOT / "targets/demo-dnf4-x86_64.yaml").read_text()
    (workspace.path / "old.yaml").write_text(text.replace("package_manager: dnf4", "package_manager: yum3"))
    done = workspace.resolve(sample("hello"), "/workspace/old.yaml")
    assert done.returncode == TargetUnsupported.exit_code, done.stderr
    assert "The target old is not supported yet by the resolver: package_manager yum3" in done.stderr
    assert workspace.result("lock")["error"]["kind"] == "TargetUnsupported"


@pytest.mark.promise(
    "3.1", "an image reference is normalised, options and repositories of a target reach the package manager"
)
@pytest.mark.parametrize("flavour", ["dnf5", "dnf4"])
def test_options_and_keys_of_distributions_reach_the_package_manager(workspace: Workspace, flavour: str) -> None:
    text = (ROOT / f"targets/demo-{flavour}-x86_64.yaml").read_text()
    packages, _, sources = text.partition("source_repositories:")
    packages = packages.replace("    gpgcheck: true\n", "    gpgcheck: true\n    options: {timeout: 30, retries: 2}\n")
    text = f"{packages}options: {{install_weak_deps: true, best: false}}\nsource_repositories:{sources}"
    text = text.replace("file:///distribution/keys", "file:///usr/share/distribution-gpg-keys/demo")
    (workspace.path / "keys.yaml").write_text(text)
    assert "distribution-gpg-keys/demo/RPM-GPG-KEY-demo" in text
    (workspace.path / "keys/demo").mkdir(parents=True)
    key = (DEMO / "keys/RPM-GPG-KEY-demo").read_bytes()
    refused = workspace.resolve(sample("hello"), "/workspace/keys.yaml", "--keys", "/workspace/nothing")
    assert "/usr/share/distribution-gpg-keys/demo/RPM-GPG-KEY-demo cannot be read" in refused.stderr
    (workspace.path / "keys/demo/RPM-GPG-KEY-demo").write_bytes(key)
    done = workspace.resolve(sample("hello"), "/workspace/keys.yaml", "--keys", "/workspace/keys")
    assert done.returncode == 0, done.stderr[-3000:]
    assert [path.read_bytes() for path in sorted((workspace.path / "lock").glob("*/demo-1.asc"))] == [key]
