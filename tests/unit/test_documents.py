"""The documents as a forge shows them: links, and that some test runs every command in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT, Block, anchors, blocks, links, pages

LINKS = pytest.mark.promise("6.7", "the site is built and its links are checked")
RUN = pytest.mark.promise("6.7", "every documented command is executed by a test")
PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
COMMANDS = "bash"
OTHERS = ("ini", "json", "spec", "text", "yaml")
COMMAND = re.compile(
    r"^\$ |^(hermetic-\w+|podman|docker|kubectl|make|python3?|rpm|skopeo|git|dnf|mock) [^:]*$", re.MULTILINE
)
NOT_RUN = {
    "CONTRIBUTING.md": {"make setup": "`.ci/run` runs `make test`, a part of which are `make setup` and this test"},
    "docs/how-to/build-for-your-distribution.md": {
        "hermetic-rpm run -p srpm=hello.src.rpm -p target=azure": "needs the repositories of that distribution"
    },
    "docs/how-to/run-on-docker-and-kubernetes.md": {"docker run": "needs Docker; the same flags run in podman"},
}
"""Blocks of commands that no test runs, by document and first words: why."""


@LINKS
@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_and_anchor_is_there(name: str) -> None:
    page = PAGES[name]
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_table_of_contents_names_every_page() -> None:
    contents = ROOT / "docs/README.md"
    named = {(contents.parent / link.partition("#")[0]).resolve() for link in links(contents)}
    assert named >= {page for page in (ROOT / "docs").rglob("*.md") if page != contents}


def shell_blocks() -> Iterator[Block]:
    for page in pages():
        yield from (block for block in blocks(page) if block.language == COMMANDS)


def words_of_tests() -> dict[str, set[str]]:
    """The string literals of each test module that runs commands of documents."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        calls = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if any(isinstance(call, ast.Name) and call.id == "commands" for call in calls):
            literals = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            found[path.name] = {value for value in literals if isinstance(value, str)}
    return found


def excuse(block: Block) -> tuple[str, str] | None:
    """Where in `NOT_RUN` the block is."""
    words = (words for words in NOT_RUN.get(block.page, ()) if block.text.startswith(words))
    return next(((block.page, found) for found in words), None)


@RUN
def test_a_test_runs_every_block_of_commands() -> None:
    """By the literals of the test modules that call `commands`: they name the document and the mark of the block."""
    tests = words_of_tests()
    for block in shell_blocks():
        run_by = {
            name for name, words in tests.items()
            if block.name in words and {block.page, Path(block.page).name} & words
        }  # fmt: skip
        assert run_by or excuse(block), f"{block.page}:{block.line} is run by no test"
        assert not (run_by and excuse(block)), f"{block.page}:{block.line} is run: take it out of NOT_RUN"


@RUN
def test_every_excuse_is_for_a_block_that_is_there() -> None:
    assert {excuse(block) for block in shell_blocks()} - {None} == {
        (page, words) for page in NOT_RUN for words in NOT_RUN[page]
    }


@RUN
@pytest.mark.parametrize("name", PAGES)
def test_commands_hide_in_no_other_block(name: str) -> None:
    for block in blocks(PAGES[name]):
        assert block.language in {COMMANDS, *OTHERS}, f"{name}:{block.line} does not say what it is"
        if block.language == "text":
            assert not COMMAND.search(block.text), f"{name}:{block.line} has a command"


@RUN
@pytest.mark.parametrize("name", PAGES)
def test_a_mark_is_of_one_block(name: str) -> None:
    marks = [block.name for block in blocks(PAGES[name]) if block.name]
    assert sorted(marks) == sorted(set(marks))
    assert len(marks) == PAGES[name].read_text().count("<!-- test: "), "a mark stands right above its block"
