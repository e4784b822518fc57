"""The first program inside a sandbox: mounts, pivots, drops everything, runs one command, ends what it left.

Started by `sandbox.run` below ``unshare`` with two file descriptors: one to read the
specification from (marshalled), one to report on (a Python literal, since the stage does not
trust who wrote it).  Only the standard library is used, since this file runs as a script in
namespaces where nothing else should be loaded, and little of it: a build makes ten sandboxes.

Why not a PID namespace for package code: podman masks parts of /proc, so that the kernel
refuses a fresh procfs, and with the outer one /proc/<own pid> is another process.  Package
code therefore has a uid of its own, whose processes are all killed at the end.
"""

from __future__ import annotations

import ctypes
import fcntl
import marshal
import os
import resource
import stat
import struct
import sys
import termios
import warnings  # noqa: F401 - os.execvpe would look for it in the new root

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import Any
else:  # what is around these two, and typing, would take longer to load than everything else here
    import _signal as signal
    import _socket as socket

LIBC = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE = 32, 1024, 2048, 4096, 16384, 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 2
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 23, 24, 36, 38
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}
SYS_RT_SIGACTION = {"x86_64": 13, "aarch64": 134, "ppc64le": 173, "s390x": 174, "riscv64": 134}
LIBRARY_SIGNALS = (32, 33)
"""Those that the C library keeps for its threads; whoever is started by posix_spawn, as by make, ignores them."""

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
BPF_LOAD, BPF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
OFFSET_ARCHITECTURE, OFFSET_FIRST_ARGUMENT = 4, 16
ALLOW, REFUSE_FAMILY, REFUSE_CALL = 0x7FFF0000, 0x00050000 | 97, 0x00050000 | 38
"""SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with EAFNOSUPPORT or ENOSYS."""

FAMILIES = (1, 2, 10, 16, 38)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_ALG."""

IO_URING_SETUP, X32 = 425, 0x40000000
X86_KEYS, I386_KEYS, ARM_KEYS = (248, 249, 250), (286, 287, 288), (309, 310, 311)
PPC_KEYS, S390_KEYS, GENERIC_KEYS = (269, 270, 271), (278, 279, 280), (217, 218, 219)
"""add_key, request_key and keyctl: keyrings belong to a user of the host, whatever the namespaces."""

SYSTEM_CALLS = {
    "x86_64": (
        (
            0xC000003E, (41, 53, X32 | 41, X32 | 53),
            (IO_URING_SETUP, X32 | IO_URING_SETUP, *X86_KEYS, *(X32 | call for call in X86_KEYS)),
        ),
        (0x40000003, (359, 360), (102, IO_URING_SETUP, *I386_KEYS)),
    ),
    "aarch64": (
        (0xC00000B7, (198, 199), (IO_URING_SETUP, *GENERIC_KEYS)),
        (0x40000028, (281, 288), (102, IO_URING_SETUP, *ARM_KEYS)),
    ),
    "ppc64le": ((0xC0000015, (326, 333), (102, IO_URING_SETUP, *PPC_KEYS)),),
    "s390x": (
        (0x80000016, (359, 360), (102, IO_URING_SETUP, *S390_KEYS)),
        (0x00000016, (359, 360), (102, IO_URING_SETUP, *S390_KEYS)),
    ),
    "riscv64": ((0xC00000F3, (198, 199), (IO_URING_SETUP, *GENERIC_KEYS)),),
}  # fmt: skip
"""By machine: AUDIT_ARCH, the calls that make sockets (socket, socketpair), the calls that are refused."""

RPM_CAPABILITIES = frozenset((0, 1, 3, 4, 5, 6, 7, 18, 31))
"""What rpm and the scriptlets it runs keep: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SYS_CHROOT,
SETFCAP.  Without SYS_ADMIN and SYS_PTRACE no mount can be changed and no process outside be entered."""

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

UNSIGNALLED = 65533
"""A user id that nobody has: of the container's range (65536 ids) the last but two."""

MAX_TABLE_BYTES = 16 << 20
"""More than any /etc/passwd."""

TMPFS = "mode=1777,size=256m"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
KEPT_FLAGS = {
    os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC, os.ST_NOATIME: MS_NOATIME,
    os.ST_NODIRATIME: MS_NODIRATIME, os.ST_RELATIME: MS_RELATIME,
}  # fmt: skip


class TimeIsUp(Exception):
    """The command took too long."""


class UnusableTree(Exception):
    """What packages or an image left is in the way of what must be there."""


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2); raises OSError naming source and target."""
    ok = LIBC.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), options.encode()
    )
    if ok != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; raises OSError."""
    if LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def inner_path(root: str, target: str, *, directory: bool) -> str:
    """The mount point ``target`` below ``root``, made if missing, without following a link."""
    parts = [part for part in target.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise OSError(22, f"mount point {target} is not plain")
    path = root
    for index, part in enumerate(parts):
        path = f"{path}/{part}"
        last = index == len(parts) - 1
        if not os.path.lexists(path):
            if last and not directory:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o644))
            else:
                os.mkdir(path, 0o755)
        elif stat.S_ISLNK(os.lstat(path).st_mode):
            raise UnusableTree(f"the mount point {target} leads through the link {path.removeprefix(root)}")
    return path


def bind(root: str, entry: dict[str, Any]) -> None:
    """Bind a file or tree of the outside below ``root``, with what is mounted in it if recursive."""
    source, target = entry["source"], entry["target"]
    path = inner_path(root, target, directory=os.path.isdir(source))
    mount(source, path, None, MS_BIND | (MS_REC if entry.get("recursive") else 0))
    if entry.get("read_only"):
        make_read_only(path)


def make_read_only(path: str) -> None:
    """Make a mount read-only, without devices and setuid programs, its other flags as they are."""
    kept = os.statvfs(path).f_flag
    flags = sum(flag for bit, flag in KEPT_FLAGS.items() if kept & bit)
    mount("none", path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | flags)


def devices(root: str, target: str) -> None:
    """A /dev with the harmless devices, a devpts instance of its own and shared memory."""
    dev = inner_path(root, target, directory=True)
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755,size=1m")
    for name in DEVICES:
        path = f"{dev}/{name}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        mount(f"/dev/{name}", path, None, MS_BIND)
    for name in ("pts", "shm"):
        os.mkdir(f"{dev}/{name}")
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for link, to in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                     ("stderr", "fd/2")):  # fmt: skip
        os.symlink(to, f"{dev}/{link}")


def processors(root: str, target: str) -> None:
    """A /sys that tells about processors and memory only: no network interfaces, no hardware."""
    path = inner_path(root, target, directory=True)
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for part in ("devices/system/cpu", "devices/system/node"):
        if os.path.isdir(f"/sys/{part}"):
            bind(path, {"source": f"/sys/{part}", "target": part, "read_only": True})
    kept = MS_NOSUID | MS_NODEV
    mount("none", path, None, MS_REMOUNT | MS_RDONLY | kept, "mode=755,size=1m")


def enter_root(spec: dict[str, Any]) -> None:
    """Assemble the new root and make it the only one there is."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = spec["root"]
    mount(root, root, None, MS_BIND)
    for entry in spec["mounts"]:
        kind = entry["kind"]
        if kind == "bind":
            bind(root, entry)
        elif kind == "dev":
            devices(root, entry["target"])
        elif kind == "sys":
            processors(root, entry["target"])
        elif kind == "tmpfs":
            mount("tmpfs", inner_path(root, entry["target"], directory=True), "tmpfs", MS_NOSUID, TMPFS)
    os.chdir(root)
    pivot()


def pivot() -> None:
    """Make the working directory, a mount point, the only root there is."""
    if LIBC.syscall(ctypes.c_long(SYS_PIVOT_ROOT[os.uname().machine]), b".", b".") != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"pivot_root: {os.strerror(number)}")
    if LIBC.umount2(b".", MNT_DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"umount of the old root: {os.strerror(number)}")
    os.chdir("/")


def raise_loopback() -> None:
    """Bring ``lo`` up, and fail if there is any other interface."""
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        raise OSError(1, f"the network namespace is not empty: {' '.join(interfaces)}")
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    request = struct.pack("16sh14x", b"lo", 0)
    (flags,) = struct.unpack("16xh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    control.close()


def set_host_name(name: str) -> None:
    """Be known by a name of our own, where that is allowed.

    podman's default seccomp profile allows it to CAP_SYS_ADMIN of the host only: `--hostname` does it then.
    """
    try:  # noqa: SIM105
        socket.sethostname(name)
    except PermissionError:
        pass


def prepare(operation: dict[str, Any]) -> None:
    """Make a directory, replace a file or add a line (``name:…``) in the new root, after pivot_root.

    Only here, where every path and link ends inside, may a tree that others wrote be changed.
    """
    try:
        change(operation["path"], operation["kind"], operation)
    except OSError as error:
        raise UnusableTree(f"{operation['path']}: {error.strerror}") from error


def change(path: str, kind: str, operation: dict[str, Any]) -> None:
    """One change as `prepare` says."""
    if kind == "directory":
        os.makedirs(path, mode=0o755, exist_ok=True)
    elif kind == "file":
        if os.path.lexists(path):
            os.unlink(path)
        write(path, operation["content"], os.O_CREAT | os.O_EXCL)
    elif kind == "absent":
        if os.path.lexists(path):
            os.unlink(path)
        return
    else:
        append_entry(path, operation["content"])
        return
    os.chown(path, operation["uid"], operation["gid"])
    os.chmod(path, operation["mode"])


def append_entry(path: str, line: str) -> None:
    """Add a line to a file like /etc/passwd unless its first field is there already."""
    known = read_plain(path) if os.path.lexists(path) else b""
    key = line.split(":", 1)[0].encode() + b":"
    if not any(entry.startswith(key) for entry in known.splitlines()):
        separator = "" if not known or known.endswith(b"\n") else "\n"
        write(path, separator + line + "\n", os.O_CREAT | os.O_APPEND)


def read_plain(path: str) -> bytes:
    """The content of a regular file; raises OSError for a link, a pipe that nobody would ever fill, or a giant."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_TABLE_BYTES:
            raise OSError(22, "is no regular file of a usual size")
        return stream.read()


def write(path: str, content: str, flags: int) -> None:
    """Write text to a file opened with ``flags``."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o644)
    try:
        os.write(handle, content.encode())
    finally:
        os.close(handle)


def set_limits(limits: dict[str, int]) -> None:
    """Lower the resource limits; a limit the outside already set lower stays."""
    for name, wanted in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        _, hard = resource.getrlimit(number)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(number, (value, value))


def call_filter(machine: str) -> bytes:
    """A seccomp filter (struct sock_filter[]): only sockets of the network namespace, and no keyrings.

    AF_VSOCK reaches the hypervisor from any network namespace.  io_uring makes sockets without
    the system call, and 32-bit ``socketcall`` hides the family from a filter: both are refused.
    """
    program = [(BPF_LOAD, 0, 0, OFFSET_ARCHITECTURE)]
    for architecture, calls, refused in SYSTEM_CALLS[machine]:
        family = OFFSET_FIRST_ARGUMENT + (4 if sys.byteorder == "big" else 0)
        section = [(BPF_LOAD, 0, 0, 0)]
        section += [step for call in refused for step in ((BPF_EQUAL, 0, 1, call), (BPF_RETURN, 0, 0, REFUSE_CALL))]
        count = len(calls)
        section += [(BPF_EQUAL, count - index, 0, call) for index, call in enumerate(calls)]
        section += [(BPF_RETURN, 0, 0, ALLOW), (BPF_LOAD, 0, 0, family)]
        section += [step for known in FAMILIES for step in ((BPF_EQUAL, 0, 1, known), (BPF_RETURN, 0, 0, ALLOW))]
        section.append((BPF_RETURN, 0, 0, REFUSE_FAMILY))
        program += [(BPF_EQUAL, 0, len(section), architecture), *section]
    program.append((BPF_RETURN, 0, 0, REFUSE_CALL))
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def filter_calls(machine: str) -> None:
    """Install `call_filter` for this process and all it starts."""
    code = call_filter(machine)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions)))
    if LIBC.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), program, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def drop_everything(uid: int, gid: int) -> None:
    """Become ``uid`` for good: no groups, no capability in any set, no way to regain one."""
    bound_capabilities(frozenset())
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    filter_calls(os.uname().machine)


def die_first() -> None:
    """Where memory runs out, let the kernel end package code rather than the stage that reports it."""
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as score:
            score.write(b"1000")
    except OSError:
        pass


def take_stdin(kind: str) -> None:
    """Standard input of the command: nothing, what it is, or that as the terminal of a new session."""
    if kind == "nothing":
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    elif kind == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def bound_capabilities(kept: frozenset[int]) -> None:
    """Keep only these capabilities in the bounding set: no program that is run can have another."""
    for capability in set(range(64)) - kept:
        if LIBC.prctl(PR_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0) == 1:
            prctl(PR_CAPBSET_DROP, capability)


def stay_root(*, network: bool) -> None:
    """Remain root of the sandbox with what rpm needs, and without other sockets where there is no network."""
    bound_capabilities(RPM_CAPABILITIES)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if not network:
        filter_calls(os.uname().machine)


def told_by_kernel(name: str) -> list[str]:
    """The lines of a file of this process in /proc; read as bytes, since no codec can be imported here."""
    with open(f"/proc/self/{name}", "rb") as stream:
        return stream.read().decode(errors="replace").splitlines()


def confinement() -> dict[str, Any]:
    """What the kernel says of this process; raises OSError where code of the package would keep a privilege."""
    status = dict(line.split(":\t", 1) for line in told_by_kernel("status") if ":\t" in line)
    mounts = sorted({line.split()[4] for line in told_by_kernel("mountinfo")})
    # For root only the bounding set stays: the others come from it when the command is executed.
    sets = CAPABILITY_SETS if os.getuid() != 0 else ("CapBnd",)
    found = {
        "uid": os.getuid(),
        "user_namespace": [" ".join(line.split()) for line in told_by_kernel("uid_map")],
        "capabilities": {name: status[name] for name in sets},
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "seccomp_filter": status["Seccomp"] == "2",
        "network_interfaces": sorted(name for _, name in socket.if_nameindex()),
        "mounts": [path for path in mounts if not path.startswith("/proc/")],
    }
    confined = found["no_new_privileges"] and found["seccomp_filter"]
    if found["uid"] != 0 and (not confined or any(int(status[name], 16) for name in sets)):
        raise OSError(1, f"privileges are left: {found}")
    return found


def reset_signals(machine: str) -> None:
    """Ignore and block no signal, whatever those who started the stage did."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    default = ctypes.create_string_buffer(64)  # a struct sigaction of zeros, which is SIG_DFL
    call = ctypes.c_long(SYS_RT_SIGACTION[machine])
    for own in LIBRARY_SIGNALS:  # by the system call, since the library refuses them
        LIBC.syscall(call, ctypes.c_long(own), default, None, ctypes.c_size_t(8))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(spec: dict[str, Any], told: int) -> None:
    """In the child: give up everything, tell so, and become the command."""
    os.setsid()
    reset_signals(os.uname().machine)
    take_stdin(spec["stdin"])
    os.dup2(told, 3, inheritable=False)
    os.closerange(4, 65536)
    os.umask(0o022)
    set_limits(spec["limits"])
    if spec["uid"] == 0:
        stay_root(network=spec["network"])
    else:
        die_first()
        drop_everything(spec["uid"], spec["gid"])
    if os.path.exists("/proc/self/status"):
        os.write(3, marshal.dumps(confinement()))
    os.chdir(spec["cwd"])
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606


def kill_all_of(uid: int) -> None:
    """End every process of ``uid``, and no other: from here on this process is of no other use.

    The effective id decides whom kill(-1) reaches; real and saved ones decide who may signal
    this process: nobody.  Nothing is forked, since a fork bomb leaves nobody a process.
    """
    os.setresuid(UNSIGNALLED, uid, UNSIGNALLED)
    try:  # noqa: SIM105
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap_all() -> int:
    """Wait for every process that is left; returns how many there were."""
    count = 0
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return count
        count += 1


def wait_for(child: int, timeout: int | None) -> int | None:
    """The exit status of ``child``, or None when ``timeout`` (seconds) is over."""

    def alarm(_number: int, _frame: object) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(timeout or 0)
    try:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                return os.waitstatus_to_exitcode(status)
    except TimeIsUp:
        return None
    finally:
        signal.alarm(0)


def supervise(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the command and report how it ended and how many processes it had left behind."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            execute(spec, told)
        except BaseException as error:  # noqa: BLE001 - the child must never return into the parent's code
            os.write(2, f"hermetic-rpm sandbox: {spec['argv'][0]}: {error}\n".encode())
        finally:
            os._exit(127)
    os.close(told)
    with os.fdopen(heard, "rb") as stream:
        inside = marshal.loads(stream.read() or marshal.dumps({}))  # noqa: S302 - written by `execute`
    code = wait_for(child, spec["timeout"])
    if spec["uid"] == 0:
        if code is None:
            os.kill(child, signal.SIGKILL)
        return {"code": code, "left_behind": 0, "inside": inside}
    kill_all_of(spec["uid"])
    return {"code": code, "left_behind": reap_all() - (1 if code is None else 0), "inside": inside}


def main() -> int:
    """Read the specification, do it, report; exit status 0 unless the sandbox itself failed."""
    with os.fdopen(int(sys.argv[1]), "rb") as stream:
        spec = marshal.load(stream)  # noqa: S302 - written by the stage that started this
    report = int(sys.argv[2])
    os.set_inheritable(report, False)
    try:
        if not spec["network"]:
            raise_loopback()
        enter_root(spec)
        set_host_name(spec["hostname"])
        for operation in spec["prepare"]:
            prepare(operation)
        if spec["read_only"]:
            make_read_only("/")
        outcome = supervise(spec)
    except UnusableTree as error:
        outcome = {"unusable": str(error)}
    except OSError as error:
        outcome = {"refused": str(error)}
    os.write(report, repr(outcome).encode())
    return 0 if "code" in outcome else 1


if __name__ == "__main__":
    sys.exit(main())
