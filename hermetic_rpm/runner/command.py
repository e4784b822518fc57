"""The ``podman run`` command that does what the runner does with a stage, to be pasted into a shell."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping
from pathlib import Path

from hermetic_rpm.progress import printable
from hermetic_rpm.runner import observed, selinux
from hermetic_rpm.runner.plan import SCRATCH, Bind, Plan, StagePlan

LABEL = ("hermetic-rpm", "1")
HOSTNAME = "hermetic-rpm"
"""What a build sees as its host: in the container podman alone may set it."""

TMPFS_OPTIONS = "rw,exec,mode=755"
"""podman's own are noexec, where no bootstrap could run."""


def argv(stage: StagePlan, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command of a stage on this host, without what it expects of files that may not exist yet."""
    labelled = selinux.is_enabled()
    relabelled = labelled and selinux.keeps_label(stage)
    return (
        "podman", "run", *options, "--rm", "--pull=never", f"--label={'='.join(LABEL)}", "--log-driver=none",
        *(() if stage.has_network else ("--network=none", "--http-proxy=false")),
        f"--hostname={HOSTNAME}", "--read-only", "--security-opt=no-new-privileges",
        *((f"--security-opt={observed.UNLABELLED}",) if labelled and not relabelled else ()),
        "--cap-drop=all", *(f"--cap-add={name}" for name in stage.capabilities),
        *(f"--env={name}={value}" for name, value in stage.environment),
        *((f"--memory={stage.memory}",) if stage.memory else ()),
        *((f"--pids-limit={stage.pids}",) if stage.pids else ()),
        *((f"--cpus={stage.cpus:g}",) if stage.cpus else ()),
        *((f"--timeout={stage.timeout}",) if stage.timeout else ()),
        *((f"--tmpfs={SCRATCH}:{TMPFS_OPTIONS}",) if stage.scratch_in_memory else ()),
        *(part for bind in stage.binds for part in ("--mount", _mount(bind, relabel=relabelled))),
        stage.image, *stage.arguments,
    )  # fmt: skip


def _mount(bind: Bind, *, relabel: bool) -> str:
    fields = ["type=bind", f"source={bind.source}", f"destination={bind.target}"]
    if bind.read_only:
        fields.append("ro=true")
    if relabel:
        fields.append("relabel=shared")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def script(plan: Plan, *, podman_environment: Mapping[str, str], notes: Mapping[str, str]) -> str:
    """All stages as lines of shell; a stage is told the sha256 that its inputs have when it starts.

    ``notes`` are a line on each stage by its name.
    """
    lines = ["set -e"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(podman_environment.items())]
    for stage in plan.stages:
        lines += ["", f"# {stage.name}"]
        lines += [f"# {printable(notes[stage.name])}"] if stage.name in notes else []
        lines += [shlex.join(("mkdir", "-p", *sorted({str(path) for path in stage.directories})))]
        lines += [" \\\n  ".join((_folded(argv(stage)), *(_expect(e.role, e.path) for e in stage.expects)))]
    return "\n".join(lines) + "\n"


def _folded(words: tuple[str, ...]) -> str:
    """One line for podman and its options, one for each mount, one for the image and its arguments."""
    lines: list[list[str]] = [[]]
    for index, word in enumerate(words):
        if word == "--mount" or (index >= 2 and words[index - 2] == "--mount"):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n  ".join(" ".join(line) for line in lines)


def _expect(role: str, path: Path) -> str:
    return f'--expect {role}="$(sha256sum < {shlex.quote(str(path))} | cut -c 1-64)"'
