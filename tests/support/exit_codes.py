"""docs/reference/exit-codes.md, made from `hermetic_rpm.errors`: ``python -m tests.support.exit_codes``."""

from __future__ import annotations

import inspect
from pathlib import Path

from hermetic_rpm.errors import every_error

PATH = Path(__file__).resolve().parents[2] / "docs/reference/exit-codes.md"
HEAD = """# Exit codes

Generated from `hermetic_rpm/errors.py` by `python -m tests.support.exit_codes`; do not edit.

Every stage and the runner end with 0 when all is well, with 2 for wrong arguments, and else with the code of what went
wrong. `result.json` has the same code, with reason and solution. Any other code is a bug: please report its traceback.

| code | error | what it means | what to do |
|---:|---|---|---|
"""


def render() -> str:
    """The document."""
    rows = (
        f"| {error.exit_code} | {error.__name__} | {inspect.cleandoc(error.__doc__ or '').splitlines()[0]} "
        f"| {error.default_solution.replace('|', chr(92) + '|')} |"
        for error in every_error()
    )
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PATH.write_text(render())
