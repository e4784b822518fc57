"""The one place that runs commands.

Commands are argv tuples with an explicit environment, never a shell.  A failure shows the
command so that it can be pasted, and the tail of what it printed.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import selectors
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hermetic_rpm.errors import CommandFailed, ToolMissing

TAIL_LINES = 40
MAX_LINE_BYTES = 64 * 1024
MAX_CAPTURE_BYTES = 64 << 20
GRACE_SECONDS = 5.0

SCRUBBED = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The environment of a command for which nobody says otherwise."""


_LARGEST: list[int] = []
"""Peak resident bytes of each command since `largest_process` was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """How a command ended: its exit status, and what it printed as text."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str = ""
    tail: tuple[str, ...] = ()


def paste(argv: Sequence[str]) -> str:
    """The command as one line that a shell understands."""
    return shlex.join(argv)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run ``argv`` to its end.

    With ``on_line``, stdout and stderr are one stream, handed over line by line as it comes
    (and ``Completed.stdout`` stays empty); without it, stdout is returned and stderr kept as tail.

    Raises `ToolMissing` if the program does not exist and, if ``check``, `CommandFailed`
    for an exit status other than 0 or for more than `MAX_CAPTURE_BYTES` of output to return.
    """
    command = tuple(str(part) for part in argv)
    environment = dict(SCRUBBED if env is None else env)
    try:
        if on_line is None:
            done = _capture(command, environment, cwd, stdin, pass_fds)
        else:
            done = _stream(command, environment, cwd, stdin, pass_fds, on_line)
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise ToolMissing(f"The program {command[0]} is not installed.") from error
    if check and done.returncode != 0:
        raise CommandFailed(
            f"This command ended with status {done.returncode}:\n  {paste(command)}",
            solution="Its last lines are above; the command can be pasted as it stands.",
            log_tail=done.tail,
        )
    return done


def _capture(
    argv: tuple[str, ...],
    env: dict[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    pass_fds: Sequence[int],
) -> Completed:
    """Hold at most `MAX_CAPTURE_BYTES` of stdout and the end of stderr, whatever the program prints."""
    out, err = bytearray(), bytearray()
    with tempfile.TemporaryFile() as given:
        given.write(stdin or b"")
        given.seek(0)
        with subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=pass_fds
        ) as child:
            try:
                for stream, piece in _pieces(child):
                    (out if stream is child.stdout else err).extend(piece)
                    del err[:-MAX_LINE_BYTES]
                    _refuse_flood(argv, len(out))
            except BaseException:
                child.kill()
                raise
            _wait(child)
    text = out.decode(errors="replace")
    tail = tuple((err.decode(errors="replace").splitlines() or text.splitlines())[-TAIL_LINES:])
    return Completed(argv=argv, returncode=child.returncode, stdout=text, tail=tail)


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Wait for a child, as `subprocess` does, and note the memory that it took."""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    _LARGEST.append(usage.ru_maxrss << 10)


def largest_process() -> int:
    """Resident bytes of the largest process, its descendants included, that ended since this was last asked."""
    largest = max(_LARGEST, default=0)
    _LARGEST.clear()
    return largest


def _refuse_flood(argv: tuple[str, ...], size: int) -> None:
    if size > MAX_CAPTURE_BYTES:
        raise CommandFailed(
            f"This command printed more than {MAX_CAPTURE_BYTES >> 20} MiB:\n  {paste(argv)}",
            solution="Whatever it reads is not what it should be.",
        )


def _pieces(child: subprocess.Popen[bytes]) -> Iterator[tuple[IO[bytes], bytes]]:
    """What a child prints as it comes, stream by stream."""
    with selectors.DefaultSelector() as selector:
        for stream in (child.stdout, child.stderr):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            for key, _ in selector.select():
                if piece := os.read(key.fd, MAX_LINE_BYTES):
                    yield key.data, piece
                else:
                    selector.unregister(key.fileobj)


def _stream(
    argv: tuple[str, ...],
    env: dict[str, str],
    cwd: Path | None,
    stdin: bytes | None,
    pass_fds: Sequence[int],
    on_line: Callable[[str], None],
) -> Completed:
    tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    with subprocess.Popen(
        argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=pass_fds,
    ) as child:  # fmt: skip
        if stdin is not None and child.stdin is not None:
            child.stdin.write(stdin)
            child.stdin.close()
        assert child.stdout is not None
        try:
            while raw := child.stdout.readline(MAX_LINE_BYTES):
                line = raw.decode(errors="replace").rstrip("\r\n")
                tail.append(line)
                on_line(line)
        except BaseException:
            child.kill()
            raise
        _wait(child)
    return Completed(argv=argv, returncode=child.returncode, tail=tuple(tail))


def attach(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    files: tuple[int, int, int] = (0, 1, 2),
    pass_fds: Sequence[int] = (),
    meanwhile: Callable[[], None] | None = None,
) -> Completed:
    """Run ``argv`` to its end on open files of ours (stdin, stdout, stderr); nothing of what it prints is read here.

    ``meanwhile`` is called once it has started.  An exception, also one of a signal handler, ends
    the command: SIGTERM, and SIGKILL after `GRACE_SECONDS`.  Raises `ToolMissing`.
    """
    command = tuple(str(part) for part in argv)
    stdin, stdout, stderr = files
    try:
        child = subprocess.Popen(
            command, env=dict(SCRUBBED if env is None else env), stdin=stdin, stdout=stdout, stderr=stderr,
            pass_fds=pass_fds,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ToolMissing(f"The program {command[0]} is not installed.") from error
    with child:
        try:
            if meanwhile is not None:
                meanwhile()
            return Completed(argv=command, returncode=child.wait())
        except BaseException:
            _end(child)
            raise


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def run_worker(script: str | Path, request: object, *, below: tuple[str, ...] = ()) -> Completed:
    """Run one of our own scripts in a Python of its own, with ``request`` as JSON on its standard input.

    For native parsers of hostile input: the script limits itself, and its crash is only its own.
    ``below`` is a command such as ``unshare`` that starts it.
    """
    return run((*below, *_worker(script)), env=_worker_environment(), stdin=json.dumps(request).encode(), check=False)


class Worker:
    """One of our own scripts in a Python of its own that answers each request, a line of JSON, by a line.

    As with `run_worker`, the script limits itself, and its crash is only its own.  What it prints
    to stderr is lost.
    """

    def __init__(self, script: str | Path, request: object) -> None:
        self._child = subprocess.Popen(
            _worker(script), env=_worker_environment(), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._tell(request)

    def ask(self, request: object) -> bytes | None:
        """The answer without its newline; None if the worker died or printed more than `MAX_LINE_BYTES`."""
        self._tell(request)
        assert self._child.stdout is not None
        answer = b""
        while not answer.endswith(b"\n") and len(answer) <= MAX_LINE_BYTES:
            piece = os.read(self._child.stdout.fileno(), MAX_LINE_BYTES)
            if not piece:
                return None
            answer += piece
        if answer.endswith(b"\n"):
            return answer[:-1]
        self.end()
        return None

    def _tell(self, request: object) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died, as the missing answer tells
            self._child.stdin.write(json.dumps(request).encode() + b"\n")

    def end(self) -> None:
        """Kill it; whoever waits for an answer gets none."""
        self._child.kill()
        self._child.wait()


def _worker(script: str | Path) -> tuple[str, ...]:
    return (sys.executable, "-P", str(script))


def _worker_environment() -> dict[str, str]:
    return {**SCRUBBED, "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


def host_environment(**extra: str) -> dict[str, str]:
    """The caller's environment for programs of the host (podman, git), with ``extra`` on top."""
    return {**os.environ, **extra}
