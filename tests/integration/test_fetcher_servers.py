"""The fetcher with the real servers of its users: nginx for packages, a registry with TLS for the image."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermetic_rpm.image import copy
from hermetic_rpm.image.manifest import Image, read, verify_layers
from tests.support import fetching, images, servers
from tests.support.fetching import Room
from tests.support.servers import program, registry

REGISTRY = pytest.mark.promise("2.4", "the bootstrap image is fetched by digest from a real registry")


@pytest.fixture
def nginx(demo: Path, tmp_path: Path) -> Iterator[str]:
    """The demo's repository behind a real nginx; its base URL."""
    with servers.nginx(tmp_path, demo / "repo") as port:
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
        named = (f"file://{fetching.PACKAGES}", f"docker://{server.address}/os")
        allow = () if with_sidecar else tuple(f"--allow-origin={url}" for url in named)
        refused = room.fetch(*allow)
        assert refused.code == 42, refused.err
        assert refused.said("certificate")
        ran = room.fetch(*allow, env=server.environment)
        assert ran.code == 0, ran.err
    place = room.repo / f"{server.address.replace(':', '_')}/os/tiny@{tiny.identity.pull_digest}"
    assert (place / "manifest.json").is_file()


@REGISTRY
@pytest.mark.promise("4.6", "a registry with a port and a reference with a digest work")
@pytest.mark.parametrize("tag", ["", ":9"], ids=["digest-only", "tag-and-digest"])
def test_a_reference_with_a_digest_works(
    demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path, tag: str
) -> None:  # fmt: skip
    room = Room(directory=tmp_path / "work")
    with registry(tmp_path / "registry") as server:
        server.push(tiny_layout, "os/tiny:9", "--preserve-digests")
        reference = f"{server.address}/os/tiny{tag}@{tiny.identity.pull_digest}"
        fetching.write_lock(
            room, fetching.rpms(("demo-tool",)), (f"file://{fetching.PACKAGES}",), image=tiny, reference=reference,
            image_locations=(f"docker://{reference}",),
        )  # fmt: skip
        ran = room.fetch(env=server.environment)
        assert ran.code == 0, ran.err
    assert (room.repo / f"{server.address.replace(':', '_')}/os/tiny@{tiny.identity.pull_digest}").is_dir()


@REGISTRY
def test_a_tag_that_moved_does_no_harm(demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path) -> None:
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


KEPT = pytest.mark.promise("4.5", "an image that was pulled once is not pulled again, by resolver or fetcher")


def layer_in(storage: Path, image: Image) -> Path:
    """Where a registry keeps the layer of an image."""
    (found,) = storage.rglob(f"blobs/sha256/*/{image.layers[0].digest.removeprefix('sha256:')}/data")
    return found


@KEPT
def test_an_image_in_the_cache_needs_no_registry(
    demo: Path, tiny: Image, tiny_layout: Path, tmp_path: Path
) -> None:  # fmt: skip
    room = Room(directory=tmp_path / "work")
    with registry(tmp_path / "registry") as server:
        server.push(tiny_layout, "tiny:latest", "--preserve-digests")
        reference = f"{server.address}/tiny:latest"
        fetching.write_lock(
            room, fetching.rpms(("demo-tool",)), (f"file://{fetching.PACKAGES}",), image=tiny, reference=reference,
            image_locations=(f"docker://{reference}",),
        )  # fmt: skip
        first = room.fetch(cache=True, env=server.environment)
        assert first.code == 0, first.err
    shutil.rmtree(room.repo)
    room.repo.mkdir()
    again = room.fetch(cache=True)
    assert again.code == 0, again.err
    (place,) = room.repo.rglob("manifest.json")
    verify_layers(read(place.parent))
    assert (place.parent / "version").is_file()


@KEPT
def test_a_tag_is_asked_for_and_only_what_is_new_is_pulled(tiny: Image, tiny_layout: Path, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as server:

        def pull() -> Image:
            return copy.copy_first(
                (f"docker://{server.address}/tiny:latest",), tmp_path / "to", architecture="amd64",
                say=pytest.fail, ca_bundle=Path(server.environment["SSL_CERT_FILE"]),
                cache=tmp_path / "cache",
            )  # fmt: skip

        (tmp_path / "cache").mkdir()
        server.push(tiny_layout, "tiny:latest", "--preserve-digests")
        assert pull().identity == tiny.identity
        layer_in(tmp_path / "registry/storage", tiny).unlink()
        assert pull().identity == tiny.identity
        (entry,) = (tmp_path / "cache").rglob(tiny.layers[0].digest.removeprefix("sha256:"))
        entry.chmod(0o644)
        entry.write_bytes(b"x" * entry.stat().st_size)
        with pytest.raises(pytest.fail.Exception, match="does not give the image"):
            pull()
        server.push(images.oci_layout(tmp_path / "newer", {"etc/os-release": b"NAME=newer\n"}), "tiny:latest")
        assert pull().identity != tiny.identity
