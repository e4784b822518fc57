"""The preflight's verdicts, on trees of /proc and /sys as containers have them."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import PreflightFailed
from hermetic_rpm.preflight import check, facts
from hermetic_rpm.preflight.check import OK, REFUSED, WARNING, Check
from hermetic_rpm.preflight.facts import Facts
from hermetic_rpm.preflight.judge import DOCUMENTED, NEEDED, Attempt, Attempts, judge
from hermetic_rpm.runner.doctor import Host, host_checks, podman_info
from hermetic_rpm.runner.pipeline import load

ROOT = Path(__file__).resolve().parents[2]
FINDS = pytest.mark.promise("5.1", "`hermetic-rpm doctor` finds what a host forbids and names the setting")

MOUNTS = """\
79 53 0:40 / / ro,relatime - overlay overlay rw
80 79 254:0 /volumes/a/_data /work rw,nosuid,nodev,relatime shared:7 - ext4 /dev/vda rw
83 79 0:44 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
84 79 0:47 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
58 84 0:51 / /proc/acpi ro,relatime - tmpfs tmpfs ro
59 84 0:45 /null /proc/keys rw,nosuid,noexec - tmpfs tmpfs rw
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             4096                 unlimited            processes
Max open files            20000                20000                files
"""
NAMESPACES = ("user", "mnt", "ipc", "uts", "net", "pid")
STEPS = ("bind", "tmpfs", "overlay", "pivot_root", "chroot", "no privileges")
TREE = {
    "proc/self/status": "Name:\tpython3\nUid:\t0\t0\t0\t0\nCapEff:\t00000000800400c2\nNoNewPrivs:\t1\nSeccomp:\t2\n",
    "proc/self/uid_map": "         0       1000          1\n         1     100000      65536\n",
    "proc/self/gid_map": "         0       1000          1\n         1     100000      65536\n",
    "proc/self/mountinfo": MOUNTS,
    "proc/self/limits": LIMITS,
    "proc/self/net/dev": "Inter-|   Receive\n face |bytes\n    lo:       0       0\n",
    "proc/sys/user/max_user_namespaces": "96364\n",
    "sys/fs/cgroup/pids.max": "2048\n",
    "sys/fs/cgroup/memory.max": "max\n",
}


def read(root: Path, **changed: str) -> Facts:
    """The facts of a container; the changed files are named by the ends of their paths, with _ for /."""
    tree = dict(TREE)
    for name, text in changed.items():
        known = [path for path in tree if path.replace("/", "_").endswith(name)]
        tree[known[0] if known else name.replace("__", "/")] = text
    for path, text in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return facts.read(root)


def tried(*failed: tuple[str, int], **more: Any) -> Attempts:
    """All attempts, which went well but for those that failed."""
    codes = dict(failed)
    namespaces = tuple(Attempt(name=name, errno=codes.get(name, 0)) for name in NAMESPACES)
    steps = tuple(Attempt(name=name, errno=codes.get(name, 0)) for name in STEPS)
    return Attempts(**{"namespaces": namespaces, "steps": steps, "filtered": ()} | more)


def judged(found: Facts, attempts: Attempts, *, free: int = 9 << 30, network: bool = False) -> dict[str, Check]:
    checks = judge(found, attempts, scratch=Path("/work"), free=free, network_expected=network)
    return {entry.name: entry for entry in checks if entry.state != OK}


def test_what_the_documented_flags_give_is_well(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.capabilities == set(DOCUMENTED)
    assert found.ids == (65537, 65537)
    assert (found.open_files, found.processes, found.cgroup_processes, found.cgroup_memory) == (20000, 4096, 2048, None)
    assert judged(found, tried()) == {}


@FINDS
@pytest.mark.parametrize(
    ("changed", "attempts", "refused", "setting"),
    [
        ({"max_user_namespaces": "0\n"}, tried(("user", errno.ENOSPC)), "user namespace",
         "sysctl -w user.max_user_namespaces=28000"),
        ({"proc__sys__kernel__unprivileged_userns_clone": "0\n"}, tried(("user", errno.EPERM)), "user namespace",
         "sysctl -w kernel.unprivileged_userns_clone=1"),
        ({"proc__sys__kernel__apparmor_restrict_unprivileged_userns": "1\n"},
         tried(("bind", errno.EPERM), inner_label="unprivileged_userns (enforce)"), "bind",
         "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        ({"proc__self__attr__current": "docker-default (enforce)\n"}, tried(("bind", errno.EACCES)), "bind",
         "--security-opt apparmor=unconfined"),
        ({"sys__fs__selinux__enforce": "1", "proc__self__attr__current": "system_u:system_r:container_t:s0:c1,c2\0"},
         tried(("tmpfs", errno.EACCES)), "tmpfs", "--security-opt label=disable"),
        ({"mountinfo": MOUNTS.replace(" / / ", " / /elsewhere ")}, tried(("user", errno.EPERM)), "user namespace",
         "start the container engine outside the chroot"),
        ({}, tried(("user", errno.EPERM), filtered=("unshare", "mount")), "user namespace", "seccomp=containers/"),
        ({}, tried(unshare="cannot change root filesystem propagation", filtered=("mount",)), "sandbox",
         "seccomp=containers/"),
        ({"self_status": TREE["proc/self/status"].replace("800400c2", "80000080")},
         tried(unshare="failed to write /proc/16/uid_map"), "sandbox", "--cap-add=SETGID"),
        ({"self_status": TREE["proc/self/status"].replace("800400c2", "800000c2")},
         tried(("chroot", errno.EPERM), filtered=("chroot",)), "chroot", "--cap-add=SYS_CHROOT"),
        ({}, tried(("user", errno.EPERM)), "user namespace", "ask whoever runs the host"),
        ({}, tried(("user", errno.EINVAL)), "user namespace", "a kernel of 5.11"),
    ],
)  # fmt: skip
def test_the_probable_cause_is_told_apart(
    tmp_path: Path, changed: dict[str, str], attempts: Attempts, refused: str, setting: str
) -> None:
    found = judged(read(tmp_path, **changed), attempts)[refused]
    assert found.state == REFUSED
    assert any(setting in text for _, text in found.settings), found


def test_what_builds_upon_a_refused_namespace_is_not_said_again(tmp_path: Path) -> None:
    found = judged(read(tmp_path), tried(*((name, errno.EPERM) for name in NAMESPACES), unshare="unshare failed"))
    assert list(found) == ["user namespace"]


def test_an_overlay_is_nothing_that_a_stage_cannot_do_without(tmp_path: Path) -> None:
    assert judged(read(tmp_path), tried(("overlay", errno.EPERM)))["overlay"].state == WARNING


@pytest.mark.parametrize(
    ("changed", "name", "state"),
    [
        ({"self_status": TREE["proc/self/status"].replace("Uid:\t0\t0", "Uid:\t9\t9")}, "user", REFUSED),
        ({"self_status": TREE["proc/self/status"].replace("Seccomp:\t2", "Seccomp:\t0")}, "seccomp filter", WARNING),
        ({"self_status": TREE["proc/self/status"].replace("Privs:\t1", "Privs:\t0")}, "no new privileges", WARNING),
        ({"self_status": TREE["proc/self/status"].replace("0000800400c2", "01ffffffffff")}, "capabilities", WARNING),
        ({"uid_map": "0 1000 1\n"}, "ids", REFUSED),
        ({"mountinfo": MOUNTS.replace("/ ro,relatime - overlay", "/ rw,relatime - overlay")}, "read-only root",
         WARNING),
        ({"mountinfo": MOUNTS.replace("nodev,relatime shared", "noexec,relatime shared")}, "scratch", REFUSED),
        ({"mountinfo": MOUNTS.replace(" /work ", " /else ")}, "scratch", WARNING),
        ({"mountinfo": MOUNTS.replace(" /proc/", " /else/")}, "masked /proc", WARNING),
        ({"self_limits": LIMITS.replace("20000", "256  ")}, "open files", WARNING),
        ({"pids.max": "100\n"}, "processes of the cgroup", WARNING),
        ({"memory.max": "268435456\n"}, "memory of the cgroup", WARNING),
        ({"net_dev": TREE["proc/self/net/dev"] + "  eth0: 0\n"}, "network", WARNING),
    ],
)  # fmt: skip
def test_what_is_poor_is_named(tmp_path: Path, changed: dict[str, str], name: str, state: str) -> None:
    found = judged(read(tmp_path, **changed), tried())
    assert {entry.name: entry.state for entry in found.values()} == {name: state}


@pytest.mark.parametrize(("free", "state"), [(1 << 20, REFUSED), (2 << 30, WARNING)])
def test_a_small_scratch_is_named(tmp_path: Path, free: int, state: str) -> None:
    assert judged(read(tmp_path), tried(), free=free)["scratch"].state == state


def test_a_resolver_without_a_network_is_told_so(tmp_path: Path) -> None:
    assert judged(read(tmp_path), tried(), network=True)["network"].state == WARNING


def test_limits_of_cgroups_of_version_1_are_read(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup/pids").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory").mkdir()
    (tmp_path / "sys/fs/cgroup/pids/pids.max").write_text("55\n")
    (tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    found = facts.read(tmp_path)
    assert (found.cgroup_processes, found.cgroup_memory) == (55, None)


# -- a check as text -------------------------------------------------------------------------


def test_a_check_comes_back_from_its_line() -> None:
    given = Check(name="bind", state=REFUSED, found="EPERM: no", cause="because", settings=(("podman", "--x"),))
    assert check.parse(check.line("builder", given)) == given


@pytest.mark.parametrize("text", ["", "null", "[]", "text", '{"check": 1}', '{"check": {"settings": {}}}',
                                  '{"check": {"name": 1, "state": "ok", "found": "", "settings": {}}}',
                                  '{"check": {"name": "", "state": "fine", "found": "", "settings": {}}}'])  # fmt: skip
def test_a_line_that_holds_no_check_is_none(text: str) -> None:
    assert check.parse(text) is None


def test_what_helps_is_said_once() -> None:
    one = Check(name="a", state=REFUSED, found="x", cause="why", settings=(("podman", "--p"), ("Docker", "--d")))
    same = Check(name="b", state=WARNING, found="y", cause="else", settings=(("podman", "--p"), ("Docker", "--p")))
    assert list(check.lines((one, one, same))) == [
        "refused  a: x", "         why", "         podman: --p", "         Docker: --d",
        "refused  a: x",
        "warning  b: y", "         else", "         --p",
    ]  # fmt: skip
    with pytest.raises(PreflightFailed, match="refuses: a, a"):
        check.require((one, one, same))


# -- the host --------------------------------------------------------------------------------

INFO = {
    "host": {"ociRuntime": {"name": "crun"}, "cgroupVersion": "v2", "networkBackend": "netavark"},
    "version": {"Version": "5.4.2"},
}


def host(root: Path, **changed: Any) -> Host:
    made = Host(
        info=INFO, last_words="", containers_conf="", uid=1000, user="ann", subuid="ann:100000:65536\n",
        subgid="1000:100000:65536\n", runtime_directory="/run/user/1000", tun_opens=True, facts=read(root),
        has=lambda _name: True,
    )  # fmt: skip
    return dataclasses.replace(made, **changed)


def poor(given: Host) -> dict[str, str]:
    return {found.name: found.state for found in host_checks(given) if found.state != OK}


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_host_that_is_well(tmp_path: Path, uid: int) -> None:
    assert poor(host(tmp_path, uid=uid)) == {}


@FINDS
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"info": None, "last_words": "not installed"}, {"podman": REFUSED}),
        ({"info": INFO | {"version": {"Version": "3.4.4"}}}, {"podman": WARNING}),
        ({"subuid": "bob:1:65536\n"}, {"/etc/subuid": REFUSED}),
        ({"subgid": "ann:1:1000\n"}, {"/etc/subgid": REFUSED}),
        ({"runtime_directory": ""}, {"XDG_RUNTIME_DIR": WARNING}),
        ({"tun_opens": False}, {"network": WARNING}),
        ({"has": lambda name: name.startswith("new")}, {"network": WARNING}),
        ({"has": lambda name: name != "newuidmap"}, {"newuidmap": REFUSED}),
        ({"uid": 0, "has": lambda name: name != "nft"}, {"network": WARNING}),
    ],
)
def test_what_a_host_lacks_is_named_with_what_to_do(
    tmp_path: Path, changed: dict[str, Any], expected: dict[str, str]
) -> None:
    given = host(tmp_path, **changed)
    assert poor(given) == expected
    assert all(found.settings for found in host_checks(given) if found.state != OK)


@FINDS
def test_settings_of_the_kernel_are_named(tmp_path: Path) -> None:
    found = read(tmp_path, max_user_namespaces="0", proc__sys__kernel__unprivileged_userns_clone="0",
                 proc__sys__kernel__apparmor_restrict_unprivileged_userns="1")  # fmt: skip
    assert poor(host(tmp_path, facts=found)) == {
        "user.max_user_namespaces": REFUSED,
        "kernel.unprivileged_userns_clone": REFUSED,
        "kernel.apparmor_restrict_unprivileged_userns": WARNING,
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", "Error"])
def test_what_is_no_info_of_podman_is_none(text: str) -> None:
    assert podman_info(text) is None
    assert podman_info(json.dumps(INFO)) == INFO


# -- the shipped seccomp profile -------------------------------------------------------------


def test_the_seccomp_profile_decides_each_system_call_once() -> None:
    profile = json.loads((ROOT / "containers/seccomp.json").read_text())
    groups = profile["syscalls"]
    names = [name for group in groups for name in group["names"]]
    assert len(names) == len(set(names))
    assert all(group["names"] == sorted(group["names"]) and group["comment"] for group in groups)
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)
    allowed = {name for group in groups if group["action"] == "SCMP_ACT_ALLOW" for name in group["names"]}
    assert {"unshare", "clone", "clone3", "mount", "umount2", "pivot_root", "chroot", "seccomp"} <= allowed
    assert not allowed & {
        "acct", "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "init_module", "io_uring_setup",
        "kexec_load", "keyctl", "open_by_handle_at", "perf_event_open", "quotactl", "reboot", "request_key",
        "settimeofday", "swapon", "userfaultfd",
    }  # fmt: skip


def test_the_pipelines_capabilities_are_those_that_the_preflight_knows() -> None:
    for stage in load(ROOT / "pipeline.yaml").stages:
        if stage.kind != "fetcher":
            assert set(NEEDED) <= set(stage.capabilities) == set(DOCUMENTED)
