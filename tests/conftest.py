"""What holds for all tests: units reach neither processes nor network; promises end up in docs/status.md."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import status

TESTS = Path(__file__).parent
OUTCOMES = pytest.StashKey[dict[str, str]]()
CLAIMS = pytest.StashKey[list[tuple[str, str, str]]]()
RANK = {"passed": 0, "skipped": 1, "failed": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--status", type=Path, default=None, metavar="FILE", help="write the table of promises to FILE")


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:  # as below nohup and in a shell's background; it is inherited
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    config.stash[OUTCOMES] = {}
    config.stash[CLAIMS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note every claim, and let a wrong item number fail at once."""
    numbers = {item.number for item in status.items()}
    for item in items:
        if item.path.is_relative_to(TESTS / "integration"):
            item.add_marker(pytest.mark.integration)
        for mark in item.iter_markers("promise"):
            number, text = mark.args
            if number not in numbers:
                raise pytest.UsageError(f"{item.nodeid} claims {number}, which tests/support/promises.toml has not")
            config.stash[CLAIMS].append((number, text, item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    found = item.config.stash[OUTCOMES]
    found[item.nodeid] = max(found.get(item.nodeid, "passed"), report.outcome, key=RANK.__getitem__)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--status")
    if path is None:
        return
    found = session.config.stash[OUTCOMES]
    claims = [
        status.Claim(item=number, text=text, test=test, outcome=found.get(test))
        for number, text, test in session.config.stash[CLAIMS]
    ]
    path.write_text(status.render(status.items(), claims, status.titles()))


@pytest.fixture(autouse=True)
def _no_real_work_in_units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or opens a connection fails."""
    if not request.path.is_relative_to(TESTS / "unit"):
        return

    def refuse(*_args: object, **_options: object) -> None:
        pytest.fail("a unit test must neither start a process nor open a connection")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
