"""What the set-up decides, without touching the host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from setup import base, engine, images, mirrors, packages, paths, requirements, wheels

ROOT = Path(__file__).resolve().parents[2]


# -- packages -----------------------------------------------------------------------------


def test_nothing_is_missing_where_everything_is_here() -> None:
    assert packages.missing(lambda _: True) == ()


def test_a_package_is_named_once_though_it_brings_two_programs() -> None:
    needs = packages.missing(lambda what: what not in ("rpm", "rpmbuild"))
    assert packages.names(needs, "apt") == ("rpm",)
    assert packages.names(needs, "dnf") == ("rpm", "rpm-build")


def test_every_family_is_advised_where_the_host_s_own_is_unknown() -> None:
    needs = packages.missing(lambda what: what != "skopeo")
    assert packages.advice(needs, "") == "\n".join(
        ("sudo apt-get install skopeo", "sudo dnf install skopeo", "sudo zypper install skopeo")
    )


@pytest.mark.parametrize("what", ["module:json", "sh", "no-such-program|sh", "/"])
def test_programs_modules_and_files_are_found(what: str) -> None:
    assert packages.is_here(what)


@pytest.mark.parametrize("what", ["module:no_such_module", "no-such-program", "/no/such/file"])
def test_what_is_not_here_is_not_found(what: str) -> None:
    assert not packages.is_here(what)


# -- podman -------------------------------------------------------------------------------


def test_host_env_reads_back_what_was_written() -> None:
    settings = {"CONTAINERS_CONF": "/a path/with 'quotes'/containers.conf"}
    assert engine.parse_host_env(engine.host_env_text(settings)) == settings


def test_host_env_of_a_plain_host_sets_nothing() -> None:
    assert engine.parse_host_env(engine.host_env_text({})) == {}


def test_podman_is_tried_without_our_own_settings_but_with_the_users() -> None:
    ours = {"CONTAINERS_CONF": str(paths.CONTAINERS_CONF), "HOME": "/root"}
    assert engine.without_ours(ours) == {"HOME": "/root"}
    users = {"CONTAINERS_CONF": "/etc/mine.conf"}
    assert engine.without_ours(users) == users


# -- mirrors ------------------------------------------------------------------------------

TARGETS = (
    "Debian|bookworm-security|http://mirror.example/debian-security/|main",
    "Debian|bookworm|http://mirror.example/debian/|main",
    "Debian|bookworm|http://mirror.example/debian/|contrib",
    "Debian|bookworm-backports|http://mirror.example/debian/|main",
    "Somebody|bookworm|http://other.example/|main",
)


def test_the_hosts_mirrors_serve_the_suite_of_the_images() -> None:
    assert mirrors.sources_for("trixie", TARGETS) == (
        "deb http://mirror.example/debian/ trixie main",
        "deb http://mirror.example/debian-security/ trixie-security main",
    )


def test_before_the_first_update_the_hosts_own_suites_count_as_debian() -> None:
    targets = ("|bookworm|http://mirror.example/debian/|main", "|nodistro|http://other.example/|main")
    assert mirrors.sources_for("trixie", targets) == ()
    assert mirrors.sources_for("trixie", targets, own_suites=frozenset({"bookworm"})) == (
        "deb http://mirror.example/debian/ trixie main",
    )


def test_only_the_way_to_the_mirrors_is_passed_on() -> None:
    dump = (
        'Acquire::http "";',
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Verify-Peer "true";',
        'Acquire::Check-Valid-Until "false";',
        'APT::Install-Recommends "true";',
    )
    assert mirrors.passed_on(dump) == dump[1:4]


def test_the_home_made_base_keeps_no_apt_option_of_the_host() -> None:
    apt = mirrors.Apt(sources=("deb http://m/ trixie main",), configuration=('Acquire::http::Proxy "http://p";',))
    command = base.make_command(Path("/t.tar"), apt)
    assert '--aptopt=Acquire::http::Proxy "http://p";' in command
    assert any(part.startswith("--customize-hook=rm") and "apt.conf.d/99mmdebstrap" in part for part in command)
    assert command[-3:] == ("trixie", "/t.tar", "deb http://m/ trixie main")


# -- images -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("hermetic_rpm/runner", True),
        ("hermetic_rpm/runner/podman.py", True),
        ("hermetic_rpm/runner.py", False),
        ("hermetic_rpm/lock/__pycache__/x.pyc", True),
        ("hermetic_rpm/lock/model.py", False),
    ],
)
def test_ignored_paths_do_not_count(path: str, *, ignored: bool) -> None:
    patterns = images.ignore_patterns("# why\n*\n!hermetic_rpm\nhermetic_rpm/runner\n**/__pycache__\n**/*.pyc\n")
    assert images.is_ignored(path, patterns) is ignored


@pytest.mark.parametrize("stage", paths.STAGES)
def test_a_stage_image_is_made_of_its_own_stage_and_never_of_the_runner(stage: str) -> None:
    inputs = [str(path.relative_to(ROOT)) for path in images.stage_image(ROOT, stage).inputs]
    others = tuple(f"stages/{other}/" for other in paths.STAGES if other != stage)
    assert f"containers/{stage}/Containerfile" in inputs
    assert not [path for path in inputs if path.startswith(("hermetic_rpm/runner/", *others))]


def test_the_recipe_changes_with_a_files_content_and_mode_but_not_with_its_date(tmp_path: Path) -> None:
    path = tmp_path / "Containerfile"
    path.write_text("FROM scratch\n")
    image = images.Image(name="x", containerfile=path, ignore=path, inputs=(path,))
    first = images.recipe(image, tmp_path, "base")
    path.touch()
    assert images.recipe(image, tmp_path, "base") == first
    assert images.recipe(image, tmp_path, "another base") != first
    path.chmod(0o755)
    second = images.recipe(image, tmp_path, "base")
    path.write_text("FROM scratch\nLABEL a=b\n")
    assert len({first, second, images.recipe(image, tmp_path, "base")}) == 3


def test_the_layers_of_a_build_are_read_from_its_output() -> None:
    full = "411b650c0919e6abad0ae4591ab127790680a8d773c4506fcb34dc4f6fbc9dd2"
    output = ("STEP 1/2: FROM x", "--> Using cache " + full, "--> 4a2a9510dcd", "COMMIT y")
    assert images.layers_of(output) == ("411b650c091", "4a2a9510dcd")


def test_wheels_are_checked_by_hash_and_never_built_here() -> None:
    command = wheels.download_command(Path("python"), Path("requirements.txt"), Path("wheels"), "x86_64")
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps", "--platform=manylinux_2_28_x86_64"} <= set(command)


# -- requirements -------------------------------------------------------------------------


def pinned(path: Path) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+).*\\\n    --hash=sha256:", path.read_text(), re.MULTILINE)
    return dict(found)


def name_of(requirement: str) -> str:
    return re.split(r"[<>=\[;]", requirement)[0].replace("_", "-").lower()


@pytest.mark.parametrize("stage", paths.STAGES)
def test_a_stage_pins_what_its_extra_names_by_hash(stage: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(line) for line in requirements.of_stage(project, stage)}
    found = pinned(ROOT / "containers" / stage / "requirements.txt")
    assert {name.replace(".", "-") for name in wanted} <= {name.replace(".", "-") for name in found}
    assert "podman" not in found


def test_development_pins_everything_by_hash_and_not_the_project_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(line).replace(".", "-") for line in requirements.of_development(project)}
    found = {name.replace(".", "-") for name in pinned(paths.DEV_REQUIREMENTS)}
    assert wanted <= found
    assert "hermetic-rpm" not in found


def test_the_site_pins_its_generator_by_hash_apart_from_development() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(line) for line in requirements.of_docs(project)}
    assert wanted <= set(pinned(paths.DOCS_REQUIREMENTS))
    assert not wanted & set(pinned(paths.DEV_REQUIREMENTS))
