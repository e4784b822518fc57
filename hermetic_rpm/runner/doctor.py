"""What ``hermetic-rpm doctor`` looks at on the host: pure verdicts on what podman and the kernel say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hermetic_rpm.preflight.check import REFUSED, WARNING, Check, ok
from hermetic_rpm.preflight.facts import Facts
from hermetic_rpm.preflight.judge import APPARMOR, CLONE, LIMIT

HOST = "this host"
OLDEST = (4, 3)
NFTABLES_SINCE = (5,)
IDS = 65536


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """What was found: podman's ``info`` (None if it does not run, with its last words), the user, programs, files."""

    info: Mapping[str, Any] | None
    last_words: str
    containers_conf: str
    uid: int
    user: str
    subuid: str
    subgid: str
    runtime_directory: str
    tun_opens: bool
    facts: Facts
    has: Callable[[str], bool]


def host_checks(host: Host) -> Iterator[Check]:
    """Every check of the host, in the order in which they should be put right."""
    if host.info is None:
        yield _bad("podman", host.last_words, "install podman, or run `make setup`, which finds a configuration")
        return
    info, version = host.info["host"], str(host.info["version"]["Version"])
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    yield ok("podman", version) if number >= OLDEST else _poor("podman", version, "podman 4.3 or newer is tested")
    yield ok("CONTAINERS_CONF", host.containers_conf or "not set")
    yield ok("runtime", f"{info['ociRuntime']['name']}, cgroups {info['cgroupVersion']}")
    yield from _kernel(host.facts)
    if host.uid == 0:
        yield _network(host, str(info.get("networkBackend", "")), number)
    else:
        yield from _rootless(host)


def _network(host: Host, backend: str, version: tuple[int, ...]) -> Check:
    """As root podman makes a bridge, with a firewall's program; the builder needs none."""
    program = "nft" if version >= NFTABLES_SINCE else "iptables"
    if backend == "netavark" and not host.has(program):
        return _poor("network", f"{backend} without {program}", f"install {program}: resolver and fetcher need it")
    return ok("network", f"{backend} with {program}" if backend == "netavark" else backend)


def _kernel(facts: Facts) -> Iterator[Check]:
    for name, wanted in ((LIMIT.format("user"), None), (CLONE, 1), (APPARMOR, 0)):
        found = facts.sysctl(name)
        if found is None:
            continue
        forbids = found == 0 if wanted is None else found != wanted
        setting = f"as root: sysctl -w {name}={28000 if wanted is None else wanted}"
        state = WARNING if name == APPARMOR else REFUSED
        yield _check(name, state, str(found), setting) if forbids else ok(name, str(found))
    yield ok("SELinux", "enforcing" if facts.selinux_enforcing else "not enforcing")


def _rootless(host: Host) -> Iterator[Check]:
    for name, table in (("/etc/subuid", host.subuid), ("/etc/subgid", host.subgid)):
        count = _range(table, host.user, host.uid)
        setting = f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {host.user}"
        yield ok(name, f"{count} ids") if count >= IDS else _bad(name, f"{count} ids", setting)
    for program in ("newuidmap", "newgidmap"):
        yield ok(program, "there") if host.has(program) else _bad(program, "missing", "install uidmap (shadow-utils)")
    found = host.runtime_directory
    yield ok("XDG_RUNTIME_DIR", found) if found else _poor("XDG_RUNTIME_DIR", "not set", "log in, or set it")
    tools = [name for name in ("pasta", "slirp4netns") if host.has(name)]
    if not tools:
        yield _poor("network", "neither pasta nor slirp4netns", "install one: resolver and fetcher need it")
    elif not host.tun_opens:
        setting = "as root: chmod 666 /dev/net/tun; or resolver and fetcher with --network=host"
        yield _poor("network", f"{tools[0]}, but /dev/net/tun cannot be opened", setting)
    else:
        yield ok("network", tools[0])


def _range(table: str, user: str, uid: int) -> int:
    """How many subordinate ids a table like /etc/subuid gives a user."""
    rows = [line.split(":") for line in table.splitlines() if line.count(":") == 2]
    return sum(int(count) for owner, _, count in rows if owner in (user, str(uid)) and count.strip().isdigit())


def podman_info(info: str) -> Mapping[str, Any] | None:
    """podman's ``info`` as JSON, or None if it is no such document."""
    try:
        found = json.loads(info)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"host", "version"} <= set(found) else None


def _bad(name: str, found: str, setting: str) -> Check:
    return _check(name, REFUSED, found, setting)


def _poor(name: str, found: str, setting: str) -> Check:
    return _check(name, WARNING, found, setting)


def _check(name: str, state: str, found: str, setting: str) -> Check:
    return Check(name=name, state=state, found=found, settings=((HOST, setting),))
