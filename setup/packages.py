"""The programs this project needs on the host, and the packages of the distributions that bring them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm.errors import ToolMissing
from hermetic_rpm.process import host_environment, run

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
HELPERS = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/libexec/podman")


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A program (or ``a|b``, either), an absolute path, or a ``module:``, and its package in each family."""

    what: str
    apt: str
    dnf: str
    zypper: str
    optional: bool = False


def _need(what: str, apt: str, dnf: str, zypper: str, *, optional: bool = False) -> Need:
    return Need(what=what, apt=apt, dnf=dnf, zypper=zypper, optional=optional)


NEEDS = (
    _need("module:ensurepip", "python3-venv", "python3", "python3"),
    _need("update-ca-certificates|update-ca-trust", "ca-certificates", "ca-certificates", "ca-certificates"),
    # podman, what it runs containers with, and what gives the resolver and the fetcher a network
    _need("podman", "podman", "podman", "podman"),
    _need("runc", "runc", "runc", "runc"),
    _need("crun", "crun", "crun", "crun"),
    _need("newuidmap", "uidmap", "shadow-utils", "shadow"),
    _need("slirp4netns|pasta", "slirp4netns", "slirp4netns", "slirp4netns"),
    _need("netavark", "netavark", "netavark", "netavark", optional=True),
    _need("aardvark-dns", "aardvark-dns", "aardvark-dns", "aardvark-dns", optional=True),
    # netavark calls iptables before podman 5 and nft since: a host with the wrong one has no bridge
    _need("iptables", "iptables", "iptables-nft", "iptables"),
    _need("nft", "nftables", "nftables", "nftables"),
    # the init of the pods that the tests run by `podman kube play`
    _need("catatonit", "catatonit", "catatonit", "catatonit", optional=True),
    _need("skopeo", "skopeo", "skopeo", "skopeo"),
    # the demo distribution, and the base image where no registry can be reached
    _need("mmdebstrap", "mmdebstrap", "mmdebstrap", "mmdebstrap"),
    _need(DEBIAN_KEYS, "debian-archive-keyring", "debian-keyring", "debian-keyring"),
    _need("rpm", "rpm", "rpm", "rpm"),
    _need("rpmbuild", "rpm", "rpm-build", "rpm-build"),
    _need("rpmsign", "rpm", "rpm-sign", "rpm-build"),
    _need("createrepo_c", "createrepo-c", "createrepo_c", "createrepo_c"),
    _need("gpg", "gpg", "gnupg2", "gpg2"),
    _need("gpg-agent", "gpg-agent", "gnupg2", "gpg2"),
    # the shells whose completion is tested besides bash's
    _need("zsh", "zsh", "zsh", "zsh", optional=True),
    _need("fish", "fish", "fish", "fish", optional=True),
    _need("igzip", "isal", "isa-l-tools", "isa-l"),
    # the tests of the network
    _need("nginx", "nginx-light", "nginx", "nginx"),
    _need("docker-registry|registry", "docker-registry", "docker-distribution", "distribution-registry"),
    _need("htpasswd", "apache2-utils", "httpd-tools", "apache2-utils"),
    # the tests of the report; without them they say `not run here`
    _need(
        "chromium-headless-shell|headless_shell|chromium|chromium-browser|google-chrome",
        "chromium-headless-shell",
        "chromium-headless",
        "chromium",
        optional=True,
    ),
    _need("pdftotext", "poppler-utils", "poppler-utils", "poppler-tools", optional=True),
)


def is_here(what: str) -> bool:
    """Whether the host has it."""
    if what.startswith("module:"):
        return importlib.util.find_spec(what.removeprefix("module:")) is not None
    if what.startswith("/"):
        return Path(what).exists()
    path = os.pathsep.join((os.environ.get("PATH", ""), SEARCHED, *HELPERS))
    return any(shutil.which(name, path=path) is not None for name in what.split("|"))


def missing(here: Callable[[str], bool] = is_here) -> tuple[Need, ...]:
    """What the host lacks, in the order of `NEEDS`."""
    return tuple(need for need in NEEDS if not here(need.what))


def names(needs: Iterable[Need], family: str) -> tuple[str, ...]:
    """The packages that bring ``needs`` in a family (``apt``, ``dnf``, ``zypper``), each once."""
    return tuple(dict.fromkeys(str(getattr(need, family)) for need in needs))


def family() -> str:
    """The first package manager of the three that is on this host, or the empty string."""
    return next((name for name in ("apt", "dnf", "zypper") if shutil.which(_program(name)) is not None), "")


def _program(name: str) -> str:
    return {"apt": "apt-get"}.get(name, name)


def advice(needs: tuple[Need, ...], name: str) -> str:
    """The command a user should run, or one for each family where the host's is unknown."""
    if name:
        return f"sudo {_program(name)} install {' '.join(names(needs, name))}"
    return "\n".join(advice(needs, known) for known in ("apt", "dnf", "zypper"))


def have_all(say: Callable[[str], None]) -> None:
    """Install what is missing where we may (apt, as root); elsewhere raise `ToolMissing` with the command to run."""
    needs = missing()
    required = tuple(need for need in needs if not need.optional)
    name = family()
    if name == "apt" and needs and os.geteuid() == 0:
        _apt_install(needs, say)
        importlib.invalidate_caches()
        required = tuple(need for need in missing() if not need.optional)
    if required:
        raise ToolMissing(
            f"This host ({_system()}) lacks {', '.join(need.what for need in required)}.",
            solution=f"Install them, then run `make setup` again:\n{advice(required, name)}",
        )


def _apt_install(needs: tuple[Need, ...], say: Callable[[str], None]) -> None:
    """Install what is needed, then apart from it what is only useful, of which apt may have none or fail."""
    required = names((need for need in needs if not need.optional), "apt")
    if not required and not any(_apt_knows(need.apt) for need in needs):
        return
    environment = host_environment(DEBIAN_FRONTEND="noninteractive")
    run(("apt-get", "-qq", "update"), env=environment)
    install = ("apt-get", "-qq", "install", "--yes", "--no-install-recommends")
    if required:
        say(f"installing {' '.join(required)}")
        run((*install, *required), env=environment)
    useful = tuple(name for name in names(needs, "apt") if name not in required and _apt_knows(name))
    if useful:
        say(f"installing {' '.join(useful)}")
        if run((*install, *useful), env=environment, check=False).returncode != 0:
            say("apt cannot install them: the tests that use them are skipped")


def _apt_knows(name: str) -> bool:
    return bool(run(("apt-cache", "show", "--no-all-versions", name), check=False).stdout)


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
