"""What podman must be told of a stage on a host with SELinux, as its documentation of volumes and labels has it.

By itself podman relabels nothing, and a confined container may not even read what is mounted.
``z`` relabels what is mounted, for good: that is for directories which the pipeline makes, never for
what a user has elsewhere.  And a confined container may not mount, which a sandbox has to.
"""

from __future__ import annotations

from pathlib import Path

from hermetic_rpm.runner.pipeline import FETCHER
from hermetic_rpm.runner.plan import StagePlan

ENFORCE = Path("/sys/fs/selinux/enforce")
"""There where SELinux is enabled, enforcing or not."""


def is_enabled() -> bool:
    """Whether this host has SELinux."""
    return ENFORCE.exists()


def keeps_label(stage: StagePlan) -> bool:
    """Whether a stage can do its work confined: a fetcher that sees nothing but directories of the pipeline.

    They are relabelled as shared (``z``), since one stage after another works in them.  Every other
    stage runs without label separation (``label=disable``), and nothing is relabelled for it.
    """
    return stage.kind == FETCHER and all(bind.source in stage.directories for bind in stage.binds)
