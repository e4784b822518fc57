"""Repositories behind a proxy and a client certificate: nothing reaches them by another way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from containers import DEMO, ROOT, TARGETS, Workspace, sample
from hermetic_rpm.document import parse_yaml, yaml_text
from hermetic_rpm.errors import AccessInvalid, CertificateMissing, RepositoryUnavailable, TargetInvalid
from hermetic_rpm.files import sha256_of
from tests.support import servers

HOST = "repository.invalid"
"""Only the proxy knows where that is."""

WORD = "s3cret-%41-w$rd"
SECRETS = (
    "--ca-bundle=/secrets/server.crt",
    "--client-certificate=entitlement=/secrets/client.crt,/secrets/client.key",
)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The files that a user mounts: certificates with their keys, and the login of the proxy."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    servers.certificate(directory, "server")
    servers.certificate(directory, "client")
    (directory / "login").write_text(f"some:{WORD}\n")
    return directory


@dataclass(frozen=True, kw_only=True, slots=True)
class Far:
    """Where the repositories are, and the requests that the proxy served."""

    repositories: list[dict[str, Any]]
    proxy: str
    lines: list[bytes]

    def target(self, name: str) -> str:
        document = parse_yaml((ROOT / f"targets/{name}.yaml").read_bytes(), name, TargetInvalid).data
        return yaml_text({**document, "repositories": self.repositories, "proxy": self.proxy})


@pytest.fixture
def far(tmp_path: Path, secrets: Path) -> Iterator[Far]:
    """nginx with TLS that wants the certificate, nginx without, and the proxy, which wants its login."""
    for name in ("secure", "plain"):
        (tmp_path / name).mkdir()
    more = (
        f"ssl_certificate {secrets}/server.crt;\nssl_certificate_key {secrets}/server.key;\n"
        f"ssl_client_certificate {secrets}/client.crt;\nssl_verify_client on;\n"
        f"location = /metalink {{ alias {tmp_path}/metalink; }}\n"
    )
    login = base64.b64encode(f"some:{WORD}".encode()).decode()
    with (
        servers.nginx(tmp_path / "secure", DEMO, listen=" ssl", more=more) as port,
        servers.nginx(tmp_path / "plain", DEMO) as plain,
        servers.proxy(HOST, login) as (proxy, lines),
    ):
        secure = f"https://{HOST}:{port}"
        (tmp_path / "metalink").write_text(
            '<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><verification>'
            f'<hash type="sha256">{sha256_of(DEMO / "repo/repodata/repomd.xml")}</hash></verification>'
            f"<resources><url>{secure}/repo/repodata/repomd.xml</url></resources></file></files></metalink>"
        )
        entry = {
            "id": "secure", "metalink": f"{secure}/metalink", "client_certificate": "entitlement", "gpgcheck": True,
            "gpgkey": [f"{secure}/keys/RPM-GPG-KEY-demo"], "priority": 1,
        }  # fmt: skip
        other = {"id": "plain", "baseurl": [f"http://{HOST}:{plain}/repo"], "gpgcheck": False}
        yield Far(repositories=[entry, other], proxy=f"http://127.0.0.1:{proxy}", lines=lines)


@pytest.fixture
def online(workspace: Workspace, tmp_path: Path, secrets: Path) -> Workspace:
    """A workspace that sees the target and the secrets."""
    (tmp_path / "targets").mkdir()
    mounts = ("-v", f"{tmp_path / 'targets'}:/mine:ro", "-v", f"{secrets}:/secrets:ro")
    return replace(workspace, options=("--network=host", *mounts))


@pytest.mark.promise("3.1", "module streams, client certificates by name and proxies in a target")
@pytest.mark.promise(
    "3.1",
    "passwords of proxies and keys of certificates are in no argument, log or lock, and packages never see them",
)
@pytest.mark.parametrize("name", TARGETS)
def test_repositories_behind_a_proxy_and_a_client_certificate(
    online: Workspace, far: Far, tmp_path: Path, secrets: Path, name: str
) -> None:
    (tmp_path / "targets/far.yaml").write_text(far.target(name))
    login = f"--proxy-login={far.proxy.removeprefix('http://')}=/secrets/login"
    done = online.resolve(sample("hello"), "/mine/far.yaml", *SECRETS, login)
    assert done.returncode == 0, done.stderr[-4000:]
    served = b"\n".join(far.lines)
    assert b"CONNECT repository.invalid:" in served
    assert b"GET http://repository.invalid:" in served
    asked = online.resolve(sample("hello"), "/mine/far.yaml", *SECRETS, login, "--offers")
    assert json.loads(asked.stdout)["offers"] == online.result("lock")["facts"]["offers"]
    sidecar = json.loads((online.path / "lock/buildroot_lock.sources.json").read_text())
    secure, plain = sidecar["repositories"][:2]
    assert secure["client_certificate"] == "entitlement"
    assert "client_certificate" not in plain
    key = (secrets / "client.key").read_text().splitlines()[1]
    for text in (done.stdout, done.stderr, *map(Path.read_text, _texts(online.path / "lock"))):
        assert WORD not in text
        assert key not in text
    kept = [path for path in (online.path / "cache").rglob("*") if path.is_file() and path.suffix != ".tar"]
    assert not [path for path in kept if WORD.encode() in path.read_bytes() or key.encode() in path.read_bytes()]


def test_what_is_missing_is_named(online: Workspace, far: Far, tmp_path: Path, secrets: Path) -> None:
    (tmp_path / "targets/far.yaml").write_text(far.target(TARGETS[0]))
    for options, error, said in (
        ((), CertificateMissing, "The repository secure is read with the client certificate entitlement"),
        (SECRETS, RepositoryUnavailable, "407"),
        (("--client-certificate=entitlement=/secrets/login",), AccessInvalid, "/secrets/login"),
    ):
        done = online.resolve(sample("hello"), "/mine/far.yaml", *options)
        assert done.returncode == error.exit_code, done.stderr[-4000:]
        assert said in done.stderr
        assert WORD not in done.stderr


def _texts(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and path.suffix in {".json", ".log", ".asc"})
