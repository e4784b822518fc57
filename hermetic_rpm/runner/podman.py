"""The one importer of podman-py: images, and a container as a context manager.

podman-py's own ``logs`` and ``run`` lose output (containers/podman#21914): a container is
created, attached to, started, read to its end, waited for and removed, each step on its own.
podman is imported when it is needed, since that takes longer than everything else a command does.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermetic_rpm.errors import HermeticError, PodmanUnavailable, StageFailed, StageImageMissing
from hermetic_rpm.runner import observed, selinux
from hermetic_rpm.runner.command import HOSTNAME, LABEL
from hermetic_rpm.runner.interrupt import Events
from hermetic_rpm.runner.lines import LineSplitter
from hermetic_rpm.runner.plan import SCRATCH, WRITABLE, StagePlan
from hermetic_rpm.runner.record import StageImage

GRACE_SECONDS = 5
OUTPUT_LABEL = "hermetic-rpm.output"
"""By which the containers of a run that was killed are found."""

_AGAIN = "Run the same command again; if it stays, look at what podman itself says."
_CPU_PERIOD = 100_000
_CHUNKS_AHEAD = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """Lines that the container printed, stdout and stderr in the order in which they came."""

    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exited:
    """The container's process has ended, and everything it printed was handed on; what podman says of it."""

    code: int
    out_of_memory: bool
    container: observed.Container


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """podman stopped talking."""

    error: HermeticError


class Podman:
    """A connection to podman's API."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def require_image(self, image: str) -> StageImage:
        """What the image is here; raises `StageImageMissing` if it is not, for nothing is ever pulled."""
        with _translated(f"The image {image} cannot be looked up"):
            if self._client.images.exists(image):
                attributes = self._client.images.get(image).attrs
                identity = str(attributes["Id"]).removeprefix("sha256:")
                return StageImage(reference=image, id=f"sha256:{identity}", digest=attributes["Digest"])
        solution = None if image.startswith("localhost/") else f"Run `podman pull {image}`."
        raise StageImageMissing(f"The image {image} is not on this machine.", solution=solution)

    def remove_left(self, output: Path) -> None:
        """Remove the containers that a killed run left at work on an output directory."""
        mine = {"label": f"{OUTPUT_LABEL}={output.resolve()}"}
        with _translated(f"The containers at work on {output} cannot be listed"):
            names = [container.name for container in self._client.containers.list(all=True, filters=mine)]
        for name in names:
            self._remove(name)

    @contextlib.contextmanager
    def container(self, stage: StagePlan, arguments: tuple[str, ...]) -> Iterator[Container]:
        """The stage's container, not yet started; stopped and removed with its volumes at the end."""
        name = f"hermetic-rpm-{stage.name}-{secrets.token_hex(4)}"
        container = None
        try:
            with _translated(f"The container of the stage {stage.name} cannot be created"):
                created = self._client.containers.create(name=name, **_options(stage, arguments))
            container = Container(self._client, created)
            yield container
        finally:
            self._remove(name)
            if container is not None:
                container.end()

    def _remove(self, name: str) -> None:
        """By name, which is known even if the answer to the creation never came."""
        try:
            with _translated(f"The container {name} cannot be removed"):
                if self._client.containers.exists(name):
                    self._client.containers.remove(name, v=True, force=True)
        except HermeticError as error:
            error.solution = f"Run `podman rm --force --volumes {name}`."
            raise


class Container:
    """A created container: `start` it, take its events, `stop` it before its time."""

    def __init__(self, client: Any, container: Any) -> None:
        self._client = client
        self._container = container
        self._ahead = threading.Semaphore(_CHUNKS_AHEAD)
        self._reader: threading.Thread | None = None

    def start(self, events: Events) -> None:
        """Start it; from now on ``events`` gets `Printed` and, at last, one `Exited` or `Broken`."""
        with _translated("podman cannot start the container"):
            parameters = {"stream": "true", "stdout": "true", "stderr": "true"}
            url = f"/containers/{self._container.id}/attach"
            stream = self._client.api.post(url, params=parameters, stream=True)
            stream.raise_for_status()
            self._container.start()
        self._reader = threading.Thread(target=self._follow, args=(stream, events), daemon=True)
        self._reader.start()

    def handled(self) -> None:
        """Tell that a `Printed` was dealt with: only so many are read ahead of the terminal."""
        self._ahead.release()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it within the grace."""
        with contextlib.suppress(HermeticError), _translated("The container cannot be stopped"):
            self._container.stop(timeout=GRACE_SECONDS)

    def end(self) -> None:
        """Once it is removed its output ends: let the reader come to that before the connection closes."""
        if self._reader is not None:
            self._ahead.release(_CHUNKS_AHEAD)
            self._reader.join(timeout=2)

    def _follow(self, stream: Any, events: Events) -> None:
        last: Exited | Broken = Broken(error=StageFailed("The runner lost the container's output."))
        try:
            with _translated("podman's API broke off"):
                last = self._read(stream, events)
        except HermeticError as error:
            last = Broken(error=error)
        finally:
            events.put(last)

    def _read(self, stream: Any, events: Events) -> Exited:
        from podman.api import stream_frames  # noqa: PLC0415 - takes long, see above

        out, err = LineSplitter(), LineSplitter()
        chunks: Iterator[Any] = stream_frames(stream, demux=True)
        for stdout, stderr in chunks:
            self._print(events, out.feed(stdout or b"") + err.feed(stderr or b""))
        self._print(events, out.end() + err.end())
        code = int(self._container.wait(interval="10ms"))
        self._container.reload()
        attributes = self._container.attrs
        return Exited(
            code=code,
            out_of_memory=bool(attributes["State"].get("OOMKilled")),
            container=observed.container(attributes),
        )

    def _print(self, events: Events, lines: tuple[str, ...]) -> None:
        if lines:
            self._ahead.acquire()
            events.put(Printed(lines=lines))


@contextlib.contextmanager
def connect(address: str) -> Iterator[Podman]:
    """podman at ``address``; raises `PodmanUnavailable` if it does not answer."""
    from podman import PodmanClient  # noqa: PLC0415 - takes long, see above
    from podman.errors import PodmanError  # noqa: PLC0415 - takes long, see above

    try:
        client = PodmanClient(base_url=address, timeout=None)
        if not client.ping():
            raise PodmanUnavailable(f"podman's API at {address} does not answer.")
    except (PodmanError, OSError, ValueError) as error:
        raise PodmanUnavailable(f"podman's API at {address} does not answer: {error}") from error
    with client:
        yield Podman(client)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """podman's and the connection's exceptions as ours."""
    from podman.errors import APIError, ImageNotFound, PodmanError  # noqa: PLC0415 - takes long, see above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - takes long, see above

    try:
        yield
    except ImageNotFound as error:
        raise StageImageMissing(f"{what}: {error}") from error
    except APIError as error:
        if error.response is None:
            raise PodmanUnavailable(f"{what}: {error}", solution=_AGAIN) from error
        if "no such image" in str(error.explanation).lower():
            raise StageImageMissing(f"{what}: {error.explanation}") from error
        raise StageFailed(f"{what}: {error.explanation or error}", solution="podman's own words are above.") from error
    except (PodmanError, HTTPError, OSError) as error:
        raise PodmanUnavailable(f"{what}: {error}", solution=_AGAIN) from error


def _options(stage: StagePlan, arguments: tuple[str, ...]) -> dict[str, Any]:
    """What `command.argv` says, in the words of podman's API, and a label by which `remove_left` finds it."""
    options: dict[str, Any] = {
        "image": stage.image,
        "command": [*stage.arguments, *arguments],
        "labels": dict((LABEL, (OUTPUT_LABEL, str(stage.output.resolve())))),
        "log_config": {"Type": "none"},
        "use_config_proxy": stage.has_network,
        "hostname": HOSTNAME,
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": list(stage.capabilities),
        "no_new_privileges": True,
        "environment": dict(stage.environment),
        "mounts": _mounts(stage),
        "stop_timeout": GRACE_SECONDS,
    }
    if not stage.has_network:
        options["network_mode"] = "none"
    if selinux.is_enabled() and not selinux.keeps_label(stage):
        options["security_opt"] = [observed.UNLABELLED.removeprefix("label=")]  # podman-py takes what is behind it
    if stage.memory is not None:
        options["mem_limit"] = stage.memory
    if stage.pids is not None:
        options["pids_limit"] = stage.pids
    if stage.cpus is not None:
        options.update(cpu_period=_CPU_PERIOD, cpu_quota=int(stage.cpus * _CPU_PERIOD))
    return options


def _mounts(stage: StagePlan) -> list[dict[str, Any]]:
    """Binds, and a tmpfs for each writable place: servers before 5 ignore ``read_write_tmpfs``."""
    relabelled = {"relabel": "z"} if selinux.is_enabled() and selinux.keeps_label(stage) else {}
    binds = [
        {"type": "bind", "source": str(bind.source), "target": bind.target, "read_only": bind.read_only, **relabelled}
        for bind in stage.binds
    ]
    temporary = [{"type": "tmpfs", "source": "tmpfs", "target": path} for path in WRITABLE]
    if stage.scratch_in_memory:
        # podman-py has no key for ``exec``, but hands on what it takes for a propagation as it is.
        temporary.append({"type": "tmpfs", "source": "tmpfs", "target": SCRATCH, "propagation": "exec"})
    return binds + temporary
