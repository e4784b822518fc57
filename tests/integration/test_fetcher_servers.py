"""The fetcher with the real servers of its users: nginx for packages, a registry with TLS for the image."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermetic_rpm.image.manifest import Image
from tests.support import fetching
from tests.support.fetching import Room
from tests.support.server import free_port, wait_for_port

REGISTRY = pytest.mark.promise("2.4", "the bootstrap image is fetched by digest from a real registry")


@contextlib.contextmanager
def running(command: tuple[object, ...], port: int, **environment: str) -> Iterator[None]:
    """A server in the foreground, ended by its process id."""
    with subprocess.Popen(
        [str(part) for part in command], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        try:
            wait_for_port(port)
            yield
        finally:
            child.terminate()
            child.wait(20)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: run `make setup`")
    return found


@pytest.fixture
def nginx(demo: Path, tmp_path: Path) -> Iterator[str]:
    """The demo's repository behind a real nginx; its base URL."""
    port = free_port()
    directories = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\nerror_log {tmp_path}/error.log;\npid {tmp_path}/pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{directories}"
        f"server {{\nlisten 127.0.0.1:{port};\nroot {demo / 'repo'};\n}}\n}}\n"
    )
    with running((program("nginx"), "-c", tmp_path / "nginx.conf", "-p", tmp_path), port):
        yield f"http://127.0.0.1:{port}/Packages"


@pytest.mark.promise("2.4", "the offline repository comes from a real web server")
def test_nginx_serves_every_odd_name_of_the_demo(nginx: str, tiny: Image, tiny_layout: Path, tmp_path: Path) -> None:
    room = Room(directory=tmp_path / "work")
    paths = tuple(sorted(path for path in fetching.PACKAGES.glob("*.rpm") if path.stat().st_size < 20_000))
    assert len(paths) > 40
    fetching.write_lock(room, paths, (nginx,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
    ran = room.fetch()
    assert ran.code == 0, ran.err
    assert {path.name for path in room.repo.glob("*.rpm")} == {path.name for path in paths}


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A registry with TLS on loopback; ``environment`` makes clients trust it."""

    address: str
    environment: dict[str, str]

    def push(self, layout: Path, name: str, *options: str) -> None:
        subprocess.run(
            ("skopeo", "copy", "--quiet", "--insecure-policy", *options, f"oci:{layout}:latest",
             f"docker://{self.address}/{name}"),
            check=True, capture_output=True, env={**os.environ, **self.environment},
        )  # fmt: skip


@contextlib.contextmanager
def registry(directory: Path, *, auth: str = "") -> Iterator[Registry]:
    """docker-registry with a certificate made on the spot; ``auth`` is added to its configuration."""
    certificate, key, port = directory / "registry.crt", directory / "registry.key", free_port()
    directory.mkdir(exist_ok=True)
    subprocess.run(
        (program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        check=True, capture_output=True,
    )  # fmt: skip
    (directory / "config.yml").write_text(
        "version: 0.1\nlog: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'storage'}}}}}\n"
        f"http:\n  addr: 127.0.0.1:{port}\n  tls: {{certificate: {certificate}, key: {key}}}\n{auth}"
    )
    with running((program("docker-registry"), "serve", directory / "config.yml"), port):
        yield Registry(address=f"127.0.0.1:{port}", environment={"SSL_CERT_FILE": str(certificate)})


@REGISTRY
@pytest.mark.parametrize("with_sidecar", [True, False], ids=["with-sidecar", "as-mock-locks"])
def test_the_image_comes_from_a_registry_by_its_digest(
    demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path, *, with_sidecar: bool
) -> None:
    room = Room(directory=tmp_path / "work")
    paths = fetching.rpms(("demo-tool",))
    with registry(tmp_path / "registry") as server:
        server.push(tiny_layout, "os/tiny:9")
        reference = f"{server.address}/os/tiny:9"
        fetching.write_lock(
            room, paths, (f"file://{fetching.PACKAGES}",), image=tiny, reference=reference,
            image_locations=(f"docker://{reference}",), with_sidecar=with_sidecar,
        )  # fmt: skip
        allow = () if with_sidecar else ("--allow-origin", f"file://{fetching.PACKAGES}")
        refused = room.fetch(*allow)
        assert refused.code == 42, refused.err
        assert refused.said("certificate")
        ran = room.fetch(*allow, env=server.environment)
        assert ran.code == 0, ran.err
    place = room.repo / f"{server.address.replace(':', '_')}/os/tiny@{tiny.identity.pull_digest}"
    assert (place / "manifest.json").is_file()


@REGISTRY
def test_a_tag_that_moved_does_no_harm(demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path) -> None:
    from tests.support import images  # noqa: PLC0415

    room = Room(directory=tmp_path / "work")
    with registry(tmp_path / "registry") as server:
        server.push(tiny_layout, "tiny:latest")
        server.push(images.oci_layout(tmp_path / "newer", {"etc/os-release": b"NAME=newer\n"}), "tiny:latest")
        reference = f"{server.address}/tiny:latest"
        fetching.write_lock(
            room, fetching.rpms(("demo-tool",)), (f"file://{fetching.PACKAGES}",), image=tiny, reference=reference,
            image_locations=(f"docker://{reference}",),
        )  # fmt: skip
        ran = room.fetch(env=server.environment)
    assert ran.code == 0, ran.err


@REGISTRY
def test_the_demo_s_own_image_comes_back_from_a_registry_unchanged(demo: Path, tmp_path: Path) -> None:
    room = Room(directory=tmp_path / "work")
    image = fetching.copied(f"oci:{demo / 'images/dnf5'}:latest", tmp_path / "image")
    with registry(tmp_path / "registry") as server:
        server.push(demo / "images/dnf5", "demo/bootstrap:dnf5", "--preserve-digests")
        reference = f"{server.address}/demo/bootstrap:dnf5"
        fetching.write_lock(
            room, fetching.rpms(("demo-tool",)), (f"file://{fetching.PACKAGES}",), image=image, reference=reference,
            image_locations=("docker://127.0.0.1:1/dead/bootstrap:dnf5", f"docker://{reference}"),
        )  # fmt: skip
        ran = room.fetch(env=server.environment)
    assert ran.code == 0, ran.err
    assert ran.said("docker://127.0.0.1:1/dead/bootstrap@sha256:")


@REGISTRY
def test_a_registry_with_a_password_works_with_the_caller_s_credentials(
    demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path
) -> None:
    room = Room(directory=tmp_path / "work")
    (tmp_path / "registry").mkdir()
    users = subprocess.run(
        (program("htpasswd"), "-nbB", "somebody", "demo-only"), check=True, capture_output=True, text=True
    ).stdout
    (tmp_path / "registry/htpasswd").write_text(users)
    auth = f"auth: {{htpasswd: {{realm: demo, path: {tmp_path / 'registry/htpasswd'}}}}}\n"
    with registry(tmp_path / "registry", auth=auth) as server:
        login = {**os.environ, **server.environment, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
        subprocess.run(
            ("skopeo", "login", "--username", "somebody", "--password-stdin", server.address),
            input=b"demo-only", check=True, capture_output=True, env=login,
        )  # fmt: skip
        server.push(tiny_layout, "tiny:latest", "--dest-creds", "somebody:demo-only")
        reference = f"{server.address}/tiny:latest"
        fetching.write_lock(
            room, fetching.rpms(("demo-tool",)), (f"file://{fetching.PACKAGES}",), image=tiny, reference=reference,
            image_locations=(f"docker://{reference}",),
        )  # fmt: skip
        refused = room.fetch(env={**server.environment, "REGISTRY_AUTH_FILE": str(tmp_path / "none.json")})
        assert refused.code == 42
        assert "demo-only" not in refused.err
        ran = room.fetch(env={**server.environment, "REGISTRY_AUTH_FILE": login["REGISTRY_AUTH_FILE"]})
    assert ran.code == 0, ran.err
