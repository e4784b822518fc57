"""The documents of this project, as tests read them: blocks of commands, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = "```"
MARK = re.compile(r"<!-- test: (.+) -->")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block: the document's path from the root, its line, language, the name that a test knows it by, text."""

    page: str
    line: int
    language: str
    name: str | None
    text: str


def pages() -> tuple[Path, ...]:
    """Every document that users read."""
    named = (ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "demo/README.md"))
    return (*named, *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a document."""
    lines = page.read_text().splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith(FENCE):
            continue
        if start is None:
            start = number
            continue
        mark = MARK.fullmatch(lines[start - 1])
        yield Block(
            page=str(page.relative_to(ROOT)), line=start + 1, language=lines[start].removeprefix(FENCE),
            name=mark[1] if mark else None, text="\n".join(lines[start + 1 : number]) + "\n",
        )  # fmt: skip
        start = None


def commands(page: str, name: str) -> str:
    """The commands of the block that is marked with ``name``; ``page`` is the path from the root."""
    (found,) = (block.text for block in blocks(ROOT / page) if block.name == name)
    return found


def prose(page: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(rf"^{FENCE}.*?^{FENCE}$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """What a document links to."""
    yield from LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
