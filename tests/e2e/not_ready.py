"""Bootstrap images without a package manager, made of the demo distribution's own packages, and targets for them."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from containers import DEMO, Engine, Workspace
from demo.oci import write_layout
from demo.recipe import MINIMAL_GROUP, RPM_MACROS

RPM_ONLY = ("bash", "coreutils", "demo-filesystem", "demo-release", "libc-bin", "rpm")
CONFIGURATION = """[main]
install_weak_deps=0
plugins=0
[demo]
name=demo
baseurl=file:///distribution/repo
gpgcheck=0
"""


def rpm_only_image(engine: Engine, work: Path) -> Path:
    """The OCI layout of an image that holds a shell and rpm: the dnf of the resolver's image installs them."""
    (work / "tree").mkdir(parents=True)
    (work / "dnf.conf").write_text(CONFIGURATION)
    (work / "macros").write_text(RPM_MACROS)
    engine.run(
        "podman", "run", "--rm", "--network=none", "-v", f"{work}:/work", "-v", f"{DEMO}:/distribution:ro",
        "-v", f"{work / 'macros'}:/usr/lib/rpm/macros.d/macros.demo:ro",
        "--entrypoint=dnf", "localhost/hermetic-rpm/resolver", "--config=/work/dnf.conf", "--installroot=/work/tree",
        "--releasever=1", "--setopt=reposdir=/none", "--assumeyes", "install", *RPM_ONLY, check=True,
    )  # fmt: skip
    return layout(work, work / "tree")


MICRODNF_SPEC = """Name: microdnf
Version: 3
Release: 1.demo1
Summary: In the place of a package manager that cannot complete an image
License: Apache-2.0
Requires: bash
AutoReqProv: no
%description
%{summary}.
%files
/usr/bin/microdnf
"""


def microdnf_image(rpm_only: Path, work: Path) -> Path:
    """The image that holds rpm only, and a microdnf, installed as a package, that fails when asked for anything."""
    root, tree, rpms = work / "root", work / "tree", work / "rpms"
    for directory in (root / "usr/bin", tree, rpms):
        directory.mkdir(parents=True)
    (root / "usr/bin/microdnf").write_text("#!/bin/bash\nexit 97\n")
    (root / "usr/bin/microdnf").chmod(0o755)
    (work / "microdnf.spec").write_text(MICRODNF_SPEC)
    rpmbuild(work / "microdnf.spec", rpms, root)
    unpack(rpm_only, tree)
    package = tree / "microdnf.rpm"
    shutil.copy(next(rpms.rglob("*.rpm")), package)
    run("chroot", str(tree), "rpm", "--upgrade", "--nosignature", "/microdnf.rpm")
    package.unlink()
    return layout(work, tree)


def empty_image(work: Path) -> Path:
    """The OCI layout of an image that holds a directory and nothing else."""
    (work / "empty/etc").mkdir(parents=True)
    return layout(work, work / "empty")


def layout(work: Path, tree: Path) -> Path:
    """A tree as an OCI layout with one layer."""
    with tarfile.open(work / "rootfs.tar", "w") as archive:
        archive.add(tree, ".")
    made = work / "layout"
    write_layout(made, rootfs=work / "rootfs.tar", keep=lambda path: not path.startswith("var/cache/dnf/"))
    return made


def unpack(image: Path, tree: Path) -> None:
    """The one layer of an OCI layout, its largest blob, as a tree."""
    layer = max((image / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    run("tar", "--extract", f"--file={layer}", f"--directory={tree}", "--gzip")


def target(workspace: Workspace, image: Path, package_manager: str, *, key: str = "") -> str:
    """Write a target of the demo distribution for an image; returns its path as the resolver sees it.

    Its packages are named one by one, since trixie's dnf 4 cannot read groups.
    """
    workspace.options = ("-v", f"{image}:/image:ro")
    (workspace.path / "target.yaml").write_text(f"""version: 1
architecture: x86_64
image:
  reference: localhost/hermetic-rpm/not-ready:latest
  locations: ["oci:/image:latest"]
package_manager: {package_manager}
repositories:
  - id: demo
    baseurl: ["file:///distribution/repo"]
    gpgcheck: true
    gpgkey: ["{key or "file:///distribution/keys/RPM-GPG-KEY-demo"}"]
buildroot: [{", ".join(MINIMAL_GROUP)}]
dist: demo1
""")
    return "/workspace/target.yaml"


BUNDLE = "/usr/lib/dnf5-bundle"
SPEC = f"""Name: dnf5
Version: 5
Release: 1.demo1
Summary: dnf5 of the demo's bootstrap image, with the libraries that it brings
License: LGPL-2.1-or-later
Requires: bash
Requires: gpg
AutoReqProv: no
%description
%{{summary}}.
%files
/usr/bin/dnf5
{BUNDLE}
"""


def dnf5_repository(work: Path) -> Path:
    """A repository with one unsigned package: the real dnf5 out of the demo's image, since trixie has none.

    It comes with the C library of its own distribution, so that it runs beside the older one.
    """
    image, root = work / "image", work / "root"
    bundle = root / BUNDLE[1:]
    for directory in (image, bundle, root / "usr/bin", work / "repo"):
        directory.mkdir(parents=True)
    unpack(DEMO / "images/dnf5", image)
    for line in run("chroot", str(image), "ldd", "/usr/bin/dnf5").splitlines():
        path = next((word for word in line.split() if word.startswith("/")), None)
        if path is not None:
            shutil.copy(image / path[1:], bundle)
    shutil.copy(image / "usr/bin/dnf5", bundle)
    program = root / "usr/bin/dnf5"
    loader = f"{BUNDLE}/ld-linux-x86-64.so.2"
    program.write_text(f'#!/bin/bash\nexec {loader} --argv0 dnf5 --library-path {BUNDLE} {BUNDLE}/dnf5 "$@"\n')
    program.chmod(0o755)
    (work / "dnf5.spec").write_text(SPEC)
    rpmbuild(work / "dnf5.spec", work / "repo", root)
    run("createrepo_c", "--quiet", str(work / "repo"))
    return work / "repo"


def rpmbuild(spec: Path, destination: Path, root: Path) -> None:
    """Make packages of the files that are below ``root`` already."""
    run(
        "rpmbuild", "-bb", "--quiet", "--noclean", "--define", f"_topdir {spec.parent / 'rpmbuild'}",
        "--define", f"_rpmdir {destination}", "--define", "debug_package %{nil}",
        "--define", "__os_install_post %{nil}", "--buildroot", str(root), str(spec),
    )  # fmt: skip


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout
