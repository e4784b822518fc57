"""What holds for all tests: units reach neither processes nor network; promises end up in docs/status.md."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support import status

TESTS = Path(__file__).parent
PROMISE = "promise"
RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Promises:
    """Notes what every report, from whichever worker, says of the promises of its test; writes it down at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[tuple[str, str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for number, text in (value for name, value in report.user_properties if name == PROMISE):
            claim = (number, text, report.nodeid)
            found = self._outcomes.get(claim, "passed")
            self._outcomes[claim] = max(found, report.outcome, key=RANK.__getitem__)

    def pytest_sessionfinish(self) -> None:
        claims = [
            status.Claim(item=number, text=text, test=test, outcome=outcome)
            for (number, text, test), outcome in self._outcomes.items()
        ]
        self._path.write_text(status.render(status.items(), claims, status.titles()))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--status", default=None, metavar="FILE", help="write the table of promises to FILE")


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:  # as below nohup and in a shell's background; it is inherited
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if (path := config.getoption("--status")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Promises(Path(path)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a wrong item number fail at once, and give the reports of each test its promises."""
    numbers = {item.number for item in status.items()}
    for item in items:
        if item.path.is_relative_to(TESTS / "integration"):
            item.add_marker(pytest.mark.integration)
        for mark in item.iter_markers(PROMISE):
            number, text = mark.args
            if number not in numbers:
                raise pytest.UsageError(f"{item.nodeid} claims {number}, which tests/support/promises.toml has not")
            item.user_properties.append((PROMISE, (number, text)))


@pytest.fixture(autouse=True)
def _no_real_work_in_units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that starts a process or opens a connection fails."""
    if not request.path.is_relative_to(TESTS / "unit"):
        return

    def refuse(*_args: object, **_options: object) -> None:
        pytest.fail("a unit test must neither start a process nor open a connection")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
