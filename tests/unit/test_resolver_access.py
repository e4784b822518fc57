"""How the repositories of a target are reached: what goes into dnf's configuration, and what packages may see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.commandlog import open_log
from hermetic_rpm.buildroot.sandbox import bind
from hermetic_rpm.errors import AccessInvalid, CertificateMissing
from hermetic_rpm.target import load
from hermetic_rpm.target.model import Target
from stages.resolver import access, package_manager
from stages.resolver.access import Access, Given
from stages.resolver.package_manager import PackageManager

ROOT = Path(__file__).resolve().parents[2]
SECRETS = pytest.mark.promise(
    "3.1", "passwords of proxies and keys of certificates are in no argument, log or lock, and packages never see them"
)


def target(**changes: str) -> Target:
    found = load.load(ROOT / "targets/demo-dnf5-x86_64.yaml")
    repository = dataclasses.replace(found.repositories[0], **changes)
    return dataclasses.replace(found, repositories=(repository,), source_repositories=())


def test_the_lines_for_dnf() -> None:
    found = target(proxy="http://proxy.example.com", client_certificate="customer")
    given = Access(ca_bundle=b"x", logins={"proxy.example.com:80": ("me", "word")})
    text = package_manager.configuration(found, given)
    for line in (
        "proxy=http://proxy.example.com:80", "proxy_username=me", "proxy_password=word", "proxy_auth_method=basic",
        f"sslcacert={package_manager.CONFIG}/access/ca-bundle.pem",
        f"sslclientcert={package_manager.CONFIG}/access/customer.crt",
        f"sslclientkey={package_manager.CONFIG}/access/customer.key",
    ):  # fmt: skip
        assert f"\n{line}\n" in text


@SECRETS
def test_dnf_without_a_network_has_nothing_of_it() -> None:
    found = target(proxy="http://proxy.example.com", client_certificate="customer")
    text = package_manager.configuration(found)
    assert "proxy" not in text
    assert "ssl" not in text


@SECRETS
def test_packages_are_installed_where_nothing_of_it_is(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    secret, plain = bind(tmp_path / "secret", "/config"), bind(tmp_path / "plain", "/config")
    manager = PackageManager(
        flavour="dnf5", program="dnf5", cache=tmp_path / "cache", mounts=(plain,), online=(secret,)
    )  # fmt: skip
    with open_log(tmp_path / "log") as log:
        boot = Bootstrap(root=tmp_path / "root", buildroot=tmp_path / "buildroot", log=log)
        online, offline = package_manager.room(manager, boot), package_manager._offline_room(manager, boot)
    assert secret in online.mounts
    assert plain not in online.mounts
    assert not offline.network
    assert plain in offline.mounts
    assert secret not in offline.mounts


def test_a_certificate_that_is_not_given() -> None:
    with pytest.raises(CertificateMissing, match="The repository demo is read with the client certificate customer"):
        access.read(Given(), target(client_certificate="customer"))


@pytest.mark.parametrize("content", [b"", b"me\n", b":word\n", b"me:one\ntwo\n", b"me:\x80word\n", b"x" * (2 << 20)])
def test_what_is_no_login(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "login").write_bytes(content)
    with pytest.raises(AccessInvalid, match="login"):
        access.read(Given(proxy_logins=(("p.example.com", tmp_path / "login"),)), target())


@pytest.mark.parametrize("host", ["", "p:port", "p/x", "a:b@[p"])
def test_what_is_no_proxy(tmp_path: Path, host: str) -> None:
    (tmp_path / "login").write_text("me:word\n")
    with pytest.raises(AccessInvalid, match="is no proxy"):
        access.read(Given(proxy_logins=((host, tmp_path / "login"),)), target())


@pytest.mark.parametrize(
    ("address", "host"),
    [("http://P.example.com", "p.example.com:80"), ("http://10.0.0.1:3128/", "10.0.0.1:3128"),
     ("http://[::1]:3128", "[::1]:3128")],
)  # fmt: skip
def test_the_host_of_a_proxy(address: str, host: str) -> None:
    assert access.host_of(address) == host


def test_what_was_read_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("me:w:o rd\n")
    found = access.read(Given(proxy_logins=(("P.example.com:3128", tmp_path / "login"),)), target())
    assert found.logins == {"p.example.com:3128": ("me", "w:o rd")}
    assert "rd" not in repr(found)


def test_the_proxy_of_a_target_is_that_of_its_repositories() -> None:
    content = (ROOT / "targets/demo-dnf5-x86_64.yaml").read_bytes()
    found = load.parse(content + b"proxy: http://p.example.com:3128\n", name="x", place="x")
    assert {repository.proxy for repository in found.every_repository} == {"http://p.example.com:3128"}
