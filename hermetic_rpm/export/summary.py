"""What a build made, in the Markdown that GitHub shows as the summary of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hermetic_rpm.units import clock, size

_PLAIN = re.compile(r"[^A-Za-z0-9 ._+~^:/-]")


def markdown(result: Mapping[str, Any]) -> str:
    """A table of the outputs with their sha256, and one of the phases, from a valid ``result.json``."""
    rows = [
        f"| `{_plain(output['path'])}` | {size(output['size'])} | `{output['sha256']}` |"
        for output in result["outputs"]
        if output["path"].endswith(".rpm")
    ]
    phases = [f"| {_plain(name)} | {clock(seconds)} |" for name, seconds in result["timings_seconds"].items()]
    lines = (
        f"## hermetic-rpm: {_plain(result['status'])}", "", "| package | size | sha256 |", "|---|---:|---|", *rows, "",
        "| phase | time |", "|---|---:|", *phases,
    )  # fmt: skip
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Names come from packages: whatever could be markup becomes a question mark."""
    return _PLAIN.sub("?", text)
