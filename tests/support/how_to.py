"""What the how-tos say to type, so that tests run it."""

from __future__ import annotations

import re
from pathlib import Path

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"


def commands(how_to: str, name: str) -> str:
    """The commands of a how-to that are marked with ``name``."""
    found = re.search(rf"<!-- test: {name} -->\n```bash\n(.*?)```", (HOW_TO / how_to).read_text(), re.DOTALL)
    assert found is not None
    return found[1]
