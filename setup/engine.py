"""podman on this host: whether it runs as it is, and the environment it is called with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from hermetic_rpm.errors import PodmanUnavailable
from hermetic_rpm.files import write_atomically
from hermetic_rpm.process import Completed, host_environment, run
from setup import paths

VARIABLE = "CONTAINERS_CONF"


def probe_command(rootfs: Path) -> tuple[str, ...]:
    """A container that needs no image: an empty root with the host's /usr in it, running ``true``."""
    return (
        "podman", "run", "--rm", "--network=none", "--security-opt=label=disable",
        "--volume=/usr:/usr:ro", "--rootfs", str(rootfs), "/usr/bin/true",
    )  # fmt: skip


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as the user gave it, without the file a set-up before this one named."""
    ours = str(paths.CONTAINERS_CONF)
    return {key: value for key, value in environment.items() if (key, value) != (VARIABLE, ours)}


def host_env_text(settings: Mapping[str, str]) -> str:
    """The content of ``build/host.env``: shell assignments, which a shell or Python reads alike."""
    lines = ["# Written by `make setup`: what podman needs in its environment on this host."]
    lines += [f"{key}={shlex.quote(value)}" for key, value in sorted(settings.items())]
    return "\n".join(lines) + "\n"


def parse_host_env(text: str) -> dict[str, str]:
    """The assignments of ``build/host.env``."""
    pairs = (token.partition("=") for token in shlex.split(text, comments=True))
    return {key: value for key, _, value in pairs}


def environment() -> dict[str, str]:
    """The environment for podman: the caller's, and what the set-up found this host to need."""
    settings = parse_host_env(paths.HOST_ENV.read_text()) if paths.HOST_ENV.is_file() else {}
    return {**settings, **host_environment()}


def podman(*arguments: str, check: bool = True, on_line: Callable[[str], None] | None = None) -> Completed:
    """Run podman in this host's environment."""
    return run(("podman", *arguments), env=environment(), check=check, on_line=on_line)


def find_out(say: Callable[[str], None]) -> None:
    """Try podman as it is, then with the project's containers.conf; write ``build/host.env``; tell what is new.

    Raises `PodmanUnavailable` with podman's own words if it runs neither way.
    """
    paths.BUILD.mkdir(exist_ok=True)
    plain = without_ours(os.environ)
    command = probe_command(_probe_root())
    as_it_is = run(command, env=plain, check=False)
    if as_it_is.returncode == 0:
        _record({}, "podman works as it is", say)
        return
    write_atomically(paths.CONTAINERS_CONF, (paths.CONTAINERS / "restricted.conf").read_bytes())
    settings = {VARIABLE: str(paths.CONTAINERS_CONF)}
    restricted = run(command, env={**plain, **settings}, check=False)
    if restricted.returncode != 0:
        raise PodmanUnavailable(
            "podman can run no container here, neither as it is nor with containers/restricted.conf.",
            solution="docs/reference/hosts.md says what a host must allow.",
            log_tail=(*as_it_is.tail, *restricted.tail),
        )
    reason = as_it_is.tail[-1] if as_it_is.tail else f"status {as_it_is.returncode}"
    _record(settings, f"podman needs {VARIABLE}={paths.CONTAINERS_CONF} here ({reason})", say)


def _record(settings: Mapping[str, str], finding: str, say: Callable[[str], None]) -> None:
    text = host_env_text(settings)
    if not paths.HOST_ENV.is_file() or paths.HOST_ENV.read_text() != text:
        say(finding)
        write_atomically(paths.HOST_ENV, text)


def _probe_root() -> Path:
    root = paths.BUILD / "probe"
    (root / "usr").mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64"):
        link = root / name
        if not link.is_symlink():
            link.symlink_to(f"usr/{name}")
    return root
