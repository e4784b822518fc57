"""podman's API: the one that ``CONTAINER_HOST`` names, or a private one for the time of a run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hermetic_rpm.errors import PodmanUnavailable
from hermetic_rpm.process import host_environment
from hermetic_rpm.runner.interrupt import Events

START_SECONDS = 30.0
STOP_SECONDS = 10.0
MAX_SOCKET_PATH = 107
_HOST_ENV = Path("build", "host.env")
_CONF = "CONTAINERS_CONF"


def podman_environment(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What podman needs on this host beyond the caller's environment.

    `make setup` writes ``build/host.env`` where plain podman cannot work; the caller's own
    ``CONTAINERS_CONF`` comes first.
    """
    path = directory / _HOST_ENV
    if environment.get(_CONF) or not path.is_file():
        return {}
    for line in path.read_text().splitlines():
        name, _, value = line.strip().partition("=")
        if name == _CONF and value:
            return {_CONF: str(directory / value.strip("'\""))}
    return {}


@contextlib.contextmanager
def api_address(extra: Mapping[str, str], events: Events) -> Iterator[str]:
    """The address of an API that answers; a service that was started for it is stopped at the end."""
    if address := os.environ.get("CONTAINER_HOST"):
        yield address
        return
    with tempfile.TemporaryDirectory(prefix="hermetic-rpm-", dir=_short_directory()) as directory:
        socket = Path(directory, "podman.sock")
        log = Path(directory, "service.log")
        process = _start(socket, log, host_environment(**extra))
        try:
            _wait_for(socket, log, process, events)
            yield f"unix://{socket}"
        finally:
            _stop(process)


def _short_directory() -> str:
    """A directory in which the path of a socket stays below the kernel's limit."""
    directory = tempfile.gettempdir()
    return directory if len(os.fsencode(directory)) < MAX_SOCKET_PATH - 40 else "/tmp"  # noqa: S108 - mkdtemp makes it private


def _start(socket: Path, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = ("podman", "system", "service", "--time=0", f"unix://{socket}")
    try:
        with log.open("wb") as stderr:
            # A session of its own: Ctrl-C in the terminal must reach the runner only.
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
            )
    except FileNotFoundError as error:
        raise PodmanUnavailable("The program podman is not installed.") from error


def _wait_for(socket: Path, log: Path, process: subprocess.Popen[bytes], events: Events) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.is_socket():
        events.check()
        if process.poll() is not None or time.monotonic() > deadline:
            ended = "did not answer in time" if process.returncode is None else f"ended with {process.returncode}"
            tail = tuple(log.read_text(errors="replace").splitlines()[-20:])
            raise PodmanUnavailable(f"`podman system service` {ended}.", log_tail=tail)
        time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
