"""No command exists that no test runs: a scan of documents and tests for the words that run each.

What runs a command is a block of a document that a test executes (`test_documents.py` sees to that), or a line of a
test module that is named below.  The scan cannot see whether that line is reached; a run of all tests is what does.
"""

from __future__ import annotations

import re

import click
import pytest

from tests.support import command_line
from tests.support.documents import ROOT, blocks, pages

IMAGES = {
    "hermetic-resolve": "localhost/hermetic-rpm/resolver",
    "hermetic-fetch": "localhost/hermetic-rpm/fetcher",
    "hermetic-build": "localhost/hermetic-rpm/builder",
    "hermetic-sign": "localhost/hermetic-rpm/signer",
}
"""What a document calls the executable of a stage."""

BY_TESTS = {
    "hermetic-rpm cache gc": ("integration/test_cache_commands.py", 'hermetic_rpm("cache", "gc", "--max-size"'),
    "hermetic-rpm cache ls": ("integration/test_cache_commands.py", 'hermetic_rpm("cache", "ls", "--json"'),
    "hermetic-rpm cache verify": ("integration/test_cache_commands.py", 'hermetic_rpm("cache", "verify", "--cache"'),
    "hermetic-rpm export github": ("e2e/test_exports_run.py", '"export", "github", "-p"'),
    "hermetic-rpm export kubernetes": ("e2e/test_exports_run.py", '"export", "kubernetes", "-p"'),
    "hermetic-rpm export summary": ("e2e/test_exports_run.py", 'for name in ("Build", "Summarise")'),  # in action.yml
    "hermetic-rpm export tekton": ("integration/test_exports.py", '"tekton", tmp_path, "-p"'),
    "hermetic-rpm lock check": ("e2e/test_not_ready.py", 'runner("lock", "check", lockfile'),
    "hermetic-rpm lock diff": ("unit/test_lock_commands.py", 'run("diff", *locks)'),
    "hermetic-rpm lock outdated": ("e2e/test_lock_outdated.py", 'runner("lock", "outdated", hello.path / "lock"'),
    "hermetic-rpm plan": ("e2e/test_starter.py", 'run("plan", "-p", srpm)'),
    "hermetic-rpm target show": ("unit/test_target_commands.py", 'run(directory, "show", "mine"'),
    "hermetic-rpm validate": ("e2e/test_starter.py", 'run("validate")'),
    "hermetic-resolve --mock-config": ("e2e/test_target_import.py", '"--mock-config=all"'),
    "hermetic-resolve --preflight": ("e2e/test_preflight.py", '"localhost/hermetic-rpm/{stage}", "--preflight"'),
    "hermetic-build --index": ("e2e/test_many.py", 'commands("build-many.md", "chain")'),  # of the local repository
    "hermetic-build --shell": ("e2e/test_shell.py", 'commands(HOW_TO, "enter")'),  # through `hermetic-rpm shell`
}
"""Commands that no executed block of a document has: the test module below `tests`, and what runs them in it."""

COMMANDS = {name: command for name, command in command_line.commands() if not isinstance(command, click.Group)}
BLOCKS = [block for page in pages() for block in blocks(page) if block.language == "bash" and block.name]
EXECUTED = "\n".join(block.text.replace("\\\n", " ") for block in BLOCKS)

pytestmark = pytest.mark.promise("6.6", "no command exists that a test does not run")


def documented(name: str) -> bool:
    """Whether an executed block of a document calls it."""
    program, *words = name.split()
    between = r"\s[^\n]*" if program in IMAGES else " "  # the option that makes it another command stands anywhere
    line = between.join(map(re.escape, (IMAGES.get(program, program), *words)))
    return re.search(rf"(?:^|[\s/(]){line}(?=[\s\")])", EXECUTED, re.MULTILINE) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_test_runs_it(name: str) -> None:
    assert documented(name) or name in BY_TESTS


def test_what_is_listed_is_a_command() -> None:
    assert set(BY_TESTS) <= set(COMMANDS)


@pytest.mark.parametrize("name", BY_TESTS)
def test_the_line_that_runs_it_is_there(name: str) -> None:
    module, line = BY_TESTS[name]
    assert line in (ROOT / "tests" / module).read_text()
