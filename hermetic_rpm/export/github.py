"""GitHub Actions: a workflow that runs each stage by plain ``podman run``, each with what it may have.

No value is ever part of a script: scripts read the environment, where the workflow puts the values.
"""

from __future__ import annotations

import posixpath
import shlex
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.errors import ExportRefused
from hermetic_rpm.export.model import Expectation, Export, GivenFile, Mount, Reference, Stage, Text, Volume, volume_name

CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"  # v4.2.2
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"  # v4.6.2
ALLOW_NAMESPACES = """\
if [ -e /proc/sys/kernel/apparmor_restrict_unprivileged_userns ]; then
  sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
fi
"""


def workflow(export: Export, *, root: str) -> dict[str, Any]:
    """The workflow; ``root`` is the directory of this host that a checkout holds.  Raises `ExportRefused`."""
    given = {p.name: p for p in export.parameters}
    inputs = {
        name: {"description": p.description, "type": "string", "default": _escaped(_default(export, name, root))}
        for name, p in sorted(given.items())
    }
    return {
        "name": "hermetic-rpm",
        "on": {"workflow_dispatch": {"inputs": inputs}},
        "permissions": {},
        "concurrency": {"group": "hermetic-rpm-${{ github.ref }}", "cancel-in-progress": False},
        "jobs": {
            "build": {
                "name": "Build",
                "runs-on": "ubuntu-24.04",
                "permissions": {"contents": "read"},
                "steps": [
                    {"name": "Check out", "uses": CHECKOUT, "with": {"persist-credentials": False}},
                    {"name": "Let containers make user namespaces", "shell": "bash", "run": ALLOW_NAMESPACES},
                    *(_step(export, stage, root) for stage in export.stages),
                    {"name": "Keep the results", "uses": UPLOAD, "with": _upload(export, root)},
                ],
            }
        },
    }


def _step(export: Export, stage: Stage, root: str) -> dict[str, Any]:
    environment = {_variable(p.name): f"${{{{ inputs.{p.name} }}}}" for p in export.parameters}
    script = script_of(export, stage, root)
    used = {name: value for name, value in environment.items() if f"${{{name}" in script}
    step: dict[str, Any] = {"name": f"Run the {stage.name}", "shell": "bash", "run": script}
    if used:
        step["env"] = used
    if stage.timeout is not None:
        step["timeout-minutes"] = -(-stage.timeout // 60)
    return step


def script_of(export: Export, stage: Stage, root: str) -> str:
    """The shell script of a stage; it runs in the checkout."""
    present = {volume.name for volume in export.volumes if not volume.optional or _is_checked_out(volume, root)}
    mounts = [mount for mount in stage.mounts if mount.volume in present]
    words = [
        "podman run --rm --read-only --hostname=hermetic-rpm --cap-drop=all --security-opt=no-new-privileges",
        *(f"--cap-add={name}" for name in stage.capabilities),
        *(() if stage.has_network else ("--network=none --http-proxy=false",)),
        *((f"--memory={stage.memory}",) if stage.memory else ()),
        *((f"--cpus={stage.cpus:g}",) if stage.cpus else ()),
        *(("--tmpfs=/work:rw,exec,mode=755",) if stage.scratch_in_memory else ()),
        *(f"--env={name}={_words(export, value)}" for name, value in stage.environment),
        *(_volume(export, mount, root) for mount in mounts),
        shlex.quote(stage.image),
        *(_words(export, text) for text in stage.arguments),
        *(_expect(export, item, root) for item in stage.expects),
    ]
    made = [_path(export, mount, root) for mount in mounts if not _of_file(export, mount)]
    made.append(shlex.quote(_outside(export, stage, stage.output, root)))
    return "\n".join(
        (f"mkdir -p {' '.join(sorted(set(made)))}", " \\\n  ".join(words), "")
    )  # fmt: skip


def _volume(export: Export, mount: Mount, root: str) -> str:
    options = ":ro" if mount.read_only else ""
    if _of_file(export, mount):
        return f'-v "$PWD/$(dirname "${{{_variable(mount.volume)}}}")":{shlex.quote(mount.target)}{options}'
    return f'-v "$PWD"/{_path(export, mount, root)}:{shlex.quote(mount.target)}{options}'


def _expect(export: Export, item: Expectation, root: str) -> str:
    if isinstance(item, GivenFile):
        path = f'"${{{_variable(item.parameter)}}}"'
    else:
        stage = next(stage for stage in export.stages if stage.name == item.stage)
        path = shlex.quote(_outside(export, stage, item.path, root))
    return f'--expect={item.role}="$(sha256sum < {path} | cut -c 1-64)"'


def _outside(export: Export, stage: Stage, path: str, root: str) -> str:
    """Where the checkout has a file that a stage wrote at ``path``."""
    mounts = (m for m in stage.mounts if not m.read_only and PurePosixPath(path).is_relative_to(m.target))
    mount = next(mounts)
    below = PurePosixPath(path).relative_to(mount.target)
    return posixpath.normpath(posixpath.join(_relative(export, mount, root), below))


def _upload(export: Export, root: str) -> dict[str, Any]:
    last = export.stages[-1]
    return {
        "name": "results",
        "path": _escaped(_outside(export, last, last.output, root)),
        "if-no-files-found": "error",
    }


def _relative(export: Export, mount: Mount, root: str) -> str:
    volume = next(volume for volume in export.volumes if volume.name == mount.volume)
    path = PurePosixPath(volume.path) / mount.subpath
    if not path.is_relative_to(root):
        raise ExportRefused(
            f"{path} is not below the directory of the pipeline file, which a checkout would hold.",
            solution="Name a directory below it with -p.",
        )
    return str(path.relative_to(root))


def _is_checked_out(volume: Volume, root: str) -> bool:
    return volume.present and PurePosixPath(volume.path).is_relative_to(root)


def _path(export: Export, mount: Mount, root: str) -> str:
    return shlex.quote(_relative(export, mount, root))


def _default(export: Export, name: str, root: str) -> str:
    parameter = next(p for p in export.parameters if p.name == name)
    volume = next((v for v in export.volumes if v.name == volume_name(name)), None)
    if parameter.sha256 is None or volume is None:
        return parameter.value
    mount = Mount(volume=volume.name, subpath="", target="/", read_only=True)
    return posixpath.join(_relative(export, mount, root), parameter.value)


def _of_file(export: Export, mount: Mount) -> bool:
    return any(p.sha256 is not None and volume_name(p.name) == mount.volume for p in export.parameters)


def _words(export: Export, text: Text) -> str:
    """One word of a shell: what is fixed in quotes, what a run sets from the environment."""
    parts = (_value(export, part) if isinstance(part, Reference) else _quoted(part) for part in text)
    return "".join(parts) or "''"


def _value(export: Export, part: Reference) -> str:
    """A string as it is, and of a file the name."""
    is_file = any(p.sha256 is not None and p.name == part.parameter for p in export.parameters)
    return f'"${{{_variable(part.parameter)}{"##*/" if is_file else ""}}}"'


def _quoted(text: str) -> str:
    return shlex.quote(_escaped(text))


def _escaped(text: str) -> str:
    """A text in which GitHub finds no expression."""
    if "${{" in text:
        raise ExportRefused(f"GitHub would replace what stands in {text!r}.")
    return text


def _variable(name: str) -> str:
    return "PARAMETER_" + name.upper().replace("-", "_")
