"""A package that tries the network everywhere, and looks for what it must not see, in both stages.

The resolver runs in the host's network here, with servers listening on the ports that the
package tries: what keeps it from them is the sandbox alone.  Run on the host, the very same
probe does reach them.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers import DEMO, ROOT, Workspace, sample, unpack_rpm

PHASES = ("prep", "generate_buildrequires", "build")
PORTS = (3128, 8080)


@contextlib.contextmanager
def listeners() -> Iterator[list[int]]:
    """TCP servers on loopback; yields a list that gets the port of each connection."""
    reached: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in PORTS:
            server = stack.enter_context(socket.create_server(("127.0.0.1", port)))
            server.settimeout(0.2)
            stop = threading.Event()
            thread = threading.Thread(target=_accept, args=(server, port, stop, reached))
            stack.callback(thread.join)
            stack.callback(stop.set)
            thread.start()
        yield reached


def _accept(server: socket.socket, port: int, stop: threading.Event, reached: list[int]) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            server.accept()[0].close()
            reached.append(port)


def check(lines: list[str], phases: tuple[str, ...], *, seen: frozenset[str] = frozenset()) -> None:
    """No attempt of these phases reached anything, only ``seen`` of the outside was seen, no capability was left."""
    assert {line.split()[0] for line in lines} == set(phases)
    assert [line for line in lines if "REACHED" in line] == []
    assert {line.split()[1] for line in lines if " visible" in line} == seen
    for phase in phases:
        mine = [line.removeprefix(f"{phase} ") for line in lines if line.startswith(f"{phase} ")]
        assert {f"bash-tcp-127.0.0.1-{port} refused" for port in PORTS} <= set(mine)
        assert "perl-tcp-127.0.0.1-80 refused" in mine
        assert [line for line in mine if line.startswith(("proc-net-dev", "sys-class-net"))] == ["proc-net-dev lo"]
        capabilities = {line.split()[-1] for line in mine if line.startswith("status-Cap")}
        assert capabilities == {"0" * 16}
        assert "status-NoNewPrivs 1" in mine
        assert "status-Uid 1000" in mine


@pytest.mark.promise("2.done", "a spec that tries the network in every phase reaches nothing in either stage")
@pytest.mark.promise("2.4", "package code sees no capability, no cache and no output in resolver and builder alike")
def test_package_code_reaches_nothing_and_sees_nothing(workspace: Workspace) -> None:
    srpm = sample("demo-network")
    with listeners() as reached:
        done = workspace.stage(
            "resolver", "--srpm", f"/input/{srpm.name}", "--target", "demo-dnf5-x86_64",
            "--output", "/workspace/lock", "--cache", "/workspace/cache", options=("--network=host",),
            mounts=(f"{srpm.parent}:/input:ro", f"{ROOT / 'targets'}:/targets:ro", f"{DEMO}:/distribution:ro",
                    f"{workspace.path}:/workspace"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert reached == []
    for done in (workspace.fetch(), workspace.build(srpm)):
        assert done.returncode == 0, done.stderr[-3000:]
    log = (workspace.path / "lock/resolver.log").read_text().splitlines()
    check([line for line in log if line.split(" ")[0] in PHASES], PHASES[:2])
    package = next(path for path in workspace.rpms() if path.name.endswith(".noarch.rpm"))
    report = unpack_rpm(package, workspace.path / "x") / "usr/share/demo-network/report"
    check(report.read_text().splitlines(), PHASES, seen=frozenset({"path-/hermetic_repo"}))


def test_the_probe_itself_reaches_what_is_there(tmp_path: Path) -> None:
    """The control: outside the sandbox the same script finds the same servers."""
    with listeners() as reached:
        for name in ("probe.sh", "probe.py", "probe.pl"):
            (tmp_path / name).write_bytes((ROOT / "demo/samples" / name).read_bytes())
        subprocess.run(["bash", "probe.sh", "build", "report"], cwd=tmp_path, check=True, capture_output=True)
    report = (tmp_path / "report").read_text().splitlines()
    assert {f"build bash-tcp-127.0.0.1-{port} REACHED" for port in PORTS} <= set(report)
    assert set(reached) == set(PORTS)
