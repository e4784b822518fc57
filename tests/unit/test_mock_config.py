"""Mock's configurations: includes, templates and defaults as Mock has them, and the targets made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import MockConfigUnusable
from hermetic_rpm.target import from_mock, load
from hermetic_rpm.target.dnfconf import expanded, parse, variables
from hermetic_rpm.target.model import Target
from stages.resolver import mock_config

Evaluate = Callable[..., dict[str, Any]]

TEMPLATE = """\
config_opts['root'] = 'demo-{{ releasever }}-{{ target_arch }}'
config_opts['description'] = 'Demo {{ releasever }}'
config_opts['releasever'] = '9'
config_opts['dist'] = 'el{{ releasever }}'
config_opts['flavour'] = True
config_opts['chroot_setup_cmd'] = 'install @{% if flavour %}buildsys-{% endif %}build tar'
config_opts['macros']['%packager'] = '{{ dist }} people'
config_opts['bootstrap_image'] = 'registry.example.com/demo:{{ releasever }}'
config_opts['bootstrap_image_ready'] = True
config_opts['package_manager'] = 'dnf5'
config_opts['dnf_install_command'] += ' more'
config_opts['dnf.conf'] = \"\"\"
[main]
keepcache=1
gpgcheck=0
install_weak_deps=0
best=1
excludepkgs=*.i686, foo
{% macro key() %}file:///usr/share/distribution-gpg-keys/demo/KEY-{{ releasever|int }}{% endmacro %}
[os]
name=Demo $releasever - $basearch
baseurl=https://a.example.com/$releasever/$basearch/os/
  https://b.example.com/$releasever/$basearch/os/
# baseurl=https://old.example.com/
gpgkey={{ key() }}
gpgcheck=1
cost=2000

[os-source]
baseurl=https://a.example.com/source
enabled=0
\"\"\"
"""
CHROOT = """\
config_opts['target_arch'] = 'x86_64'
config_opts['legal_host_arches'] = ('x86_64',)

include('templates/demo.tpl')
"""


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Evaluates ``demo`` in a directory of these files."""

    def evaluated(chroot: str = CHROOT, **files: str) -> dict[str, Any]:
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates/demo.tpl").write_text(TEMPLATE)
        (tmp_path / "demo.cfg").write_text(chroot)
        for name, text in files.items():
            (tmp_path / f"{name}.cfg").write_text(text)
        return mock_config.evaluate(tmp_path, "demo")

    return evaluated


@pytest.fixture
def made(evaluate: Evaluate) -> Callable[..., tuple[Target, tuple[str, ...]]]:
    """The target of ``demo``, and what was left out."""

    def target(more: str = "", **files: str) -> tuple[Target, tuple[str, ...]]:
        found = from_mock.imported("demo", _through_json(evaluate(CHROOT + more, **files)), place="https://e.com@1")
        return load.parse(found.content, name="demo", place="demo.yaml"), found.left_out

    return target


def _through_json(options: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(options))
    return loaded


def test_texts_are_rendered_once_everything_is_read(evaluate: Evaluate) -> None:
    found = evaluate(CHROOT + "config_opts['releasever'] = '10'\n")
    assert found["chroot_setup_cmd"] == "install @buildsys-build tar"
    assert found["description"] == "Demo 10"
    assert found["macros"]["%packager"] == "el10 people"
    assert "distribution-gpg-keys/demo/KEY-10\n" in found["dnf.conf"]
    assert found["ignored"] == ["dnf4_install_command", "flavour"]


def test_a_file_is_included_once(evaluate: Evaluate) -> None:
    counted = "config_opts['macros']['%n'] = len(config_opts['nspawn_args'])\nconfig_opts['nspawn_args'] += ['x']\n"
    found = evaluate("include('other.cfg')\ninclude('other.cfg')\n" + CHROOT, other=counted)
    assert found["macros"]["%n"] == 0
    assert "nspawn_args" in found["ignored"]


def test_a_backslash_of_an_included_file_is_read_twice(evaluate: Evaluate) -> None:
    """As Mock does it: the included text goes through `re.sub`."""
    found = evaluate(CHROOT + "include('other.cfg')\n", other=r"config_opts['dist'] = 'a\\tb'")
    assert found["dist"] == "a\tb"


def test_options_that_are_collections_are_there_to_be_added_to(evaluate: Evaluate) -> None:
    more = "config_opts['plugin_conf']['ccache_opts']['max_cache_size'] = '1G'\nconfig_opts['files']['a'] = 'b'\n"
    assert {"files", "plugin_conf"} <= set(evaluate(CHROOT + more)["ignored"])


def test_site_defaults_are_read_first_and_every_alias_means_the_same(evaluate: Evaluate) -> None:
    found = evaluate(
        "config_opts['yum.conf'] = config_opts['dnf5.conf'] + '[two]\\n'\nconfig_opts['target_arch'] = 'noarch'\n",
        **{"site-defaults": "config_opts['dnf.conf'] = '[one]\\n'\nconfig_opts['macros']['foo'] = '{{ dist }}'\n",
           "chroot-aliases": "config_opts['dist'] = 'x'\n"},
    )  # fmt: skip
    assert (found["dnf.conf"], found["dist"], found["macros"]["%foo"]) == ("[one]\n[two]\n", "x", "x")


def test_repo_arch_is_mapped_as_the_template_says(evaluate: Evaluate) -> None:
    found = evaluate(CHROOT + "config_opts['repo_arch_map'] = {'x86_64': 'amd'}\nconfig_opts['dist'] = '{{repo_arch}}'")
    assert found["dist"] == "amd"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("include('nowhere.tpl')", "FileNotFoundError: "),
        ("config_opts['dist'] = ", "SyntaxError: "),
        ("config_opts['nobody'] += 'x'", "KeyError: 'nobody'"),
        ("config_opts['dist'] = '{% if %}'", "TemplateSyntaxError: "),
        ("config_opts['dist'] = '{{ dist }}{{ dist }}'", "more than 5 deep"),
    ],
)
def test_what_cannot_be_evaluated_says_why_and_the_others_go_on(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.cfg").write_text(text)
    (tmp_path / "good.cfg").write_text("print('noise')\nconfig_opts['dist'] = 'good'")
    (tmp_path / "site-defaults.cfg").write_text("")
    assert mock_config.chroots(tmp_path) == ("bad", "good")
    bad, good = map(json.loads, mock_config.lines(tmp_path, mock_config.chroots(tmp_path)))
    assert bad["name"] == "bad"
    assert reason in bad["error"]
    assert good["options"]["dist"] == "good"


def test_a_target_has_the_facts_of_its_configuration(made: Callable[..., tuple[Target, tuple[str, ...]]]) -> None:
    target, left_out = made()
    (repository,) = target.repositories
    assert repository.baseurl == ("https://a.example.com/9/x86_64/os/", "https://b.example.com/9/x86_64/os/")
    assert repository.gpgkey == ("file:///usr/share/distribution-gpg-keys/demo/KEY-9",)
    assert (repository.id, repository.gpgcheck, repository.cost) == ("os", True, 2000)
    assert repository.exclude == ("*.i686", "foo")
    assert target.buildroot == ("@buildsys-build", "tar")
    assert (target.package_manager, target.image_reference) == ("dnf5", "registry.example.com/demo:9")
    assert (target.dist, target.releasever, target.image_ready) == ("el9", "9", True)
    assert ("%packager", "el9 people") in target.macros
    assert ("%_buildhost", "hermetic-rpm") in target.macros
    assert target.origin is not None
    assert (target.origin.mock_config, target.origin.place) == ("demo", "https://e.com@1")
    assert left_out == (
        "config_opts: dnf4_install_command, flavour", "repositories that are not enabled: os-source",
    )  # fmt: skip


NO_IMAGE = "config_opts['bootstrap_image'] = 'fedora:latest'\nconfig_opts['use_bootstrap_image'] = False\n"


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ("config_opts['package_manager'] = 'dnf'", "package_manager", "dnf4"),
        ("config_opts['package_manager'] = 'yum'", "package_manager", "yum3"),
        ("config_opts['chroot_setup_cmd'] = ('groupinstall', 'buildsys-build')", "buildroot", ("@buildsys-build",)),
        ("config_opts['chroot_additional_packages'] = ['gcc', 'tar']", "buildroot", ("@buildsys-build", "tar", "gcc")),
        ("config_opts['use_bootstrap'] = False", "image_ready", False),
        (f"{NO_IMAGE}config_opts['package_manager'] = 'dnf'", "package_manager", "dnf5"),
        (f"{NO_IMAGE}config_opts['package_manager'] = 'yum'", "package_manager", "yum3"),
        ("config_opts['module_setup_commands'] = [('enable', 'a:1, b:2')]", "module_streams", ("a:1", "b:2")),
        ("config_opts['module_setup_commands'] = [('enable', 'a:1'), ('disable', 'a'), ('enable', 'b:1 a:2')]",
         "module_streams", ("a:2", "b:1")),
        ("config_opts['module_setup_commands'] = [('enable', 'a:1'), ('disable', 'a, b:2'), ('reset', 'b')]",
         "disabled_modules", ("a",)),
        ("config_opts['module_setup_commands'] = [('install', 'a:1/minimal')]", "module_streams", ("a:1",)),
        ("config_opts['dnf.conf'] = '[main]\\nbest=0\\nretries=7\\n'", "options",
         (("best", False), ("install_weak_deps", True), ("retries", 7))),
        ("config_opts['dnf.conf'] = '[main]\\n'", "repositories", ()),
    ],
)  # fmt: skip
def test_an_option_becomes_what_a_target_calls_it(
    made: Callable[..., tuple[Target, tuple[str, ...]]], more: str, key: str, value: object
) -> None:
    assert getattr(made(more)[0], key) == value


REPOSITORY = """
config_opts['dnf_vars'] = {'stream': '9-stream'}
config_opts['dnf.conf'] = '''
[main]
gpgcheck=1
[x]
gpgkey=https://e.com/${stream}.asc
'''
config_opts['dnf.conf'] += '''
"""


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("metalink=https://e.com/m?r=$stream&arch=$basearch", "metalink", "https://e.com/m?r=9-stream&arch=x86_64"),
        ("mirrorlist=https://e.com/${releasever}", "mirrorlist", "https://e.com/9"),
        ("metalink=https://e.com/m", "gpgcheck", True),
        ("metalink=https://e.com/m", "gpgkey", ("https://e.com/9-stream.asc",)),
        ("metalink=https://e.com/m\npriority=5\nrepo_gpgcheck=yes", "repo_gpgcheck", True),
        ("metalink=https://e.com/m\npriority=5", "priority", 5),
        ("metalink=https://e.com/m\nfastestmirror=1\ntimeout=9", "options", (("fastestmirror", True), ("timeout", 9))),
        ("metalink=https://e.com/m\nsslclientcert=/etc/pki/me.example.pem", "client_certificate", "me.example"),
        ("metalink=https://e.com/m\nproxy=http://p.example.com:1", "proxy", "http://p.example.com:1"),
    ],
)
def test_a_repository_is_read_as_dnf_reads_it(
    made: Callable[..., tuple[Target, tuple[str, ...]]], line: str, key: str, value: object
) -> None:
    (repository,) = made(f"{REPOSITORY}{line}\n'''\n")[0].repositories
    assert getattr(repository, key) == value


def test_a_subscription_gives_the_certificate_its_name(
    made: Callable[..., tuple[Target, tuple[str, ...]]],
) -> None:
    more = "config_opts['redhat_subscription_required'] = True\n"
    lines = "baseurl=https://e.com/\nsslclientcert=/etc/pki/{{ key }}.pem\nsslclientkey=/k\nsslverify=1\n'''\n"
    target, left_out = made(f"{more}{REPOSITORY}{lines}")
    assert target.repositories[0].client_certificate == "redhat-subscription"
    assert any(text.startswith("[x] sslclientcert, sslclientkey: ") for text in left_out)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("skip_if_unavailable=1", "[x] skip_if_unavailable: a repository that cannot be read is an error here"),
        ("sslverify=0", "[x] sslverify: the certificates of servers are always checked here"),
        ("includepkgs=foo", "[x] includepkgs=foo"),
        ("proxy_password=secret", "[x] proxy_password"),
        ("[main]\nobsoletes=0", "[main] obsoletes: packages that others obsolete are always replaced here"),
    ],
)
def test_what_is_not_taken_over_is_told(
    made: Callable[..., tuple[Target, tuple[str, ...]]], line: str, text: str
) -> None:
    assert text in made(f"{REPOSITORY}baseurl=https://e.com/\n{line}\n'''\n")[1]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("config_opts['package_manager'] = 'zypper'", "the package manager zypper is none of dnf5, dnf, dnf4, yum"),
        ("config_opts['chroot_setup_cmd'] = 'upgrade'", "chroot_setup_cmd is 'upgrade'"),
        (f"{REPOSITORY}baseurl=https://e.com/$nothing\n'''", "nothing says what $nothing is in https://e.com/$nothing"),
        (f"{REPOSITORY}baseurl=https://e.com/\ncost=dear\n'''", "[x] cost=dear is no number"),
        (f"{REPOSITORY}enabled=perhaps\n'''", "[x] enabled=perhaps is neither true nor false"),
        ("config_opts['dnf.conf'] = 'baseurl=x'", "no section headers"),
        ("config_opts['target_arch'] = None", "No target can be made of demo"),
    ],
)
def test_a_configuration_of_which_no_target_can_be_made_says_why(
    made: Callable[..., tuple[Target, tuple[str, ...]]], more: str, reason: str
) -> None:
    with pytest.raises(MockConfigUnusable) as caught:
        made(more)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("architecture", "base"),
    [("x86_64", "x86_64"), ("i686", "i386"), ("armv7hl", "armhfp"), ("x86_64_v2", "x86_64"), ("s390x", "s390x")],
)
def test_basearch_is_dnfs(architecture: str, base: str) -> None:
    values = variables(architecture, "10.1", {"contentdir": "pub"})
    assert expanded("$basearch/$arch", values) == f"{base}/{architecture}"
    assert expanded("$releasever_major-$releasever_minor/$contentdir", values) == "10-1/pub"


def test_the_last_of_two_sections_or_options_counts() -> None:
    _, (section,) = parse("[a]\nx=1\ny=1\n[a]\ny=2 = 3\n; no\n")
    assert section.options == {"x": "1", "y": "2 = 3"}
