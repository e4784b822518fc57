# ruff: noqa: E402, PLC0415
"""Runs inside a stage's image for tests: installs a buildroot as the stage does, and describes it."""

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

sys.path[:0] = ["/usr/lib/hermetic-rpm", "/usr/lib/hermetic-rpm/site-packages"]

from hermetic_rpm.buildroot import bootstrap, sandbox
from hermetic_rpm.buildroot.bootstrap import Bootstrap
from hermetic_rpm.buildroot.commandlog import open_log
from hermetic_rpm.image import manifest, unpack
from hermetic_rpm.image.layout import locate
from hermetic_rpm.lock import join
from hermetic_rpm.lock.lockfile import QUERY_FORMAT

WORK = Path("/work")
IGNORED = (
    "usr/lib/sysimage/rpm/", "var/lib/rpm/", "var/cache/", "var/lib/dnf/", "usr/lib/sysimage/libdnf5/", "var/log/",
    "run/dnf/", "dev/", "proc/", "sys/", "etc/dnf/", "root/.rpmdb", "var/lib/rpm-state",
)  # fmt: skip


def prepared(log):
    """The bootstrap of the lock, unpacked, and an empty buildroot."""
    lock = join.load(Path("/workspace/lock/buildroot_lock.json"))
    place = locate(Path("/workspace/repo"), lock.lockfile.config.bootstrap_image, lock.lockfile.bootstrap.pull_digest)
    unpack.unpack(manifest.read(place), WORK / "bootstrap", WORK / "unpack", say=lambda _: None)
    (WORK / "buildroot").mkdir()
    return lock, Bootstrap(root=WORK / "bootstrap", buildroot=WORK / "buildroot", log=log)


def tree(root):
    """Path → mode, owner, size or target, sha256, links and file capabilities of everything below a root."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(directory) / name
            relative = str(path.relative_to(root))
            if f"{relative}/".startswith(IGNORED):
                continue
            info = path.lstat()
            facts = [oct(info.st_mode), info.st_uid, info.st_gid]
            if stat.S_ISREG(info.st_mode):
                facts += [info.st_size, hashlib.sha256(path.read_bytes()).hexdigest(), info.st_nlink]
                facts += [[key, os.getxattr(path, key).hex()] for key in sorted(os.listxattr(path))]
            elif stat.S_ISLNK(info.st_mode):
                facts.append(str(path.readlink()))
            found[relative] = facts
    return found


def by_builder(log):
    """The buildroot as the builder installs it."""
    from stages.builder import build

    lock, boot = prepared(log)
    build.install(boot, lock, Path("/workspace/repo"))
    return boot


def by_dnf(log, target_name):
    """The same packages installed by the target's dnf, each named by its NEVRA."""
    from hermetic_rpm.target import keys, load
    from stages.resolver import mirrors, package_manager, resolve

    lock, boot = prepared(log)
    target = load.load(load.find(target_name, Path("/targets")))
    expanded = mirrors.Expanded(working=target, recorded=target)
    config = resolve._write_config(WORK / "config", expanded, keys.collect(target))
    (WORK / "dnf").mkdir()
    mounts = (
        sandbox.bind(config, package_manager.CONFIG, read_only=True),
        *resolve._local_repositories(target),
    )
    manager = package_manager.find(target.package_manager, boot, cache=WORK / "dnf", mounts=mounts, online=mounts)
    package_manager.install(manager, boot, target, tuple(package.rpm.nevra for package in lock.packages))
    return boot


def main():
    """query | tree | dnf-tree TARGET."""
    with open_log(WORK / "log") as log:
        if sys.argv[1] == "query":
            boot = by_builder(log)
            room = sandbox.Sandbox(
                root=boot.buildroot, mounts=sandbox.system_mounts(), environment=bootstrap.ENVIRONMENT
            )
            # The buildroot's own rpm, another version than the bootstrap's.
            done = sandbox.run(room, ("rpm", "-qa", "--qf", QUERY_FORMAT))
            sys.stdout.write("".join(f"{line}\n" for line in done.stdout.splitlines() if "gpg-pubkey" not in line))
        else:
            boot = by_builder(log) if sys.argv[1] == "tree" else by_dnf(log, sys.argv[2])
            json.dump(tree(boot.buildroot), sys.stdout)


main()
