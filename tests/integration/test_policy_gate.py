"""The fetcher with a policy: refused before anything is asked, of a server that counts."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import DownloadFailed, OriginRefused, PolicyInvalid, PolicyViolated
from tests.support import buildroots
from tests.support.buildroots import CERTIFICATE_KEY, row

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.integration


class Counting(http.server.ThreadingHTTPServer):
    """A server that has nothing and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Nothing)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Nothing(http.server.BaseHTTPRequestHandler):
    server: Counting

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_arguments: object) -> None:
        """Be quiet."""


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def fetch(directory: Path, *more: str) -> tuple[int, str, dict[str, Any]]:
    """Run the fetcher over the lock in ``directory``: its exit code, what it said, its result."""
    (directory / "repo").mkdir(exist_ok=True)
    command = (
        sys.executable, "-m", "stages.fetcher", "--lockfile", str(directory / "buildroot_lock.json"),
        "--output", str(directory / "repo"), *more,
    )  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr, json.loads((directory / "repo/result.json").read_text())


def policy(directory: Path, text: str) -> tuple[str, str]:
    path = directory / "policy.yaml"
    path.write_text(f"version: 1\n{text}\n")
    return "--policy", str(path)


def served(directory: Path, url: str, **options: Any) -> None:
    """A lock whose only repository is the server."""

    def base(_lock: Any, side: Any) -> None:
        side["repositories"][0]["base_urls"] = [url]

    rows = tuple(row(name, url=f"{url}/Packages/{name}.rpm") for name in ("bash", "make"))
    buildroots.write(directory, rows, edit=base, **options)


@pytest.mark.promise("4.8", "the fetcher holds the lock against the policy before the first byte is fetched")
def test_nothing_is_asked_where_the_policy_refuses(tmp_path: Path, server: Counting) -> None:
    served(tmp_path, server.url)
    code, said, result = fetch(tmp_path, *policy(tmp_path, "origins: []\ndenied: [{package: make}]"))
    assert code == PolicyViolated.exit_code
    assert "denied: make is denied: make-5.2-1.fc40.x86_64" in said
    assert f"origins: {server.url} is not allowed: repository os" in said
    assert server.asked == []
    assert [path.name for path in (tmp_path / "repo").iterdir()] == ["result.json"]
    assert result["error"]["kind"] == "PolicyViolated"
    assert set(result["inputs"]) == {"lockfile", "sidecar", "policy"}


def test_the_server_is_asked_where_the_policy_allows(tmp_path: Path, server: Counting) -> None:
    """The control of the test above."""
    served(tmp_path, server.url)
    rules = f"origins: ['{server.url}']\nsigning_keys: ['{CERTIFICATE_KEY}']\nlicences: {{allow: [MIT]}}"
    code, said, _ = fetch(tmp_path, *policy(tmp_path, rules))
    assert code == DownloadFailed.exit_code
    assert "the lock keeps " in said
    assert len(server.asked) == 2


@pytest.mark.promise("4.3", "the image's registry needs to be declared, named or allowed by the policy")
@pytest.mark.promise("4.8", "origins of the policy may be asked for a lock without sidecar")
def test_the_policys_origins_are_allowed_ones(tmp_path: Path, server: Counting) -> None:
    served(tmp_path, server.url, sidecar=False)
    assert fetch(tmp_path)[0] == OriginRefused.exit_code
    assert server.asked == []
    rules = f"origins: ['{server.url}']\nimages: {{registries: [registry.example.com]}}"
    assert fetch(tmp_path, *policy(tmp_path, rules))[0] == DownloadFailed.exit_code
    assert len(server.asked) == 2


@pytest.mark.promise("4.8", "what the user adds is held against the policy, too")
def test_mirrors_and_registries_of_the_user_are_held_against_the_policy(tmp_path: Path, server: Counting) -> None:
    served(tmp_path, server.url)
    rules = policy(tmp_path, f"origins: ['{server.url}']\nimages: {{registries: [registry.example.com/os]}}")
    code, said, _ = fetch(
        tmp_path, *rules, "--mirror", "docker://registry.example.com/=docker://evil.example.org/", "--mirror",
        f"{server.url}/=https://mirror.example.org/", "--fallback", "https://koji.example.org/{file}",
        "--allow-origin", "docker://registry.example.com",
    )  # fmt: skip
    assert code == PolicyViolated.exit_code
    assert "https://mirror.example.org/ is not allowed" in said
    assert "https://koji.example.org/ is not allowed" in said
    assert "docker://evil.example.org/" in said
    assert server.asked == []


@pytest.mark.promise("4.8", "a broken policy ends the fetcher before anything is fetched")
def test_a_broken_policy_stops_everything(tmp_path: Path, server: Counting) -> None:
    served(tmp_path, server.url)
    code, said, _ = fetch(tmp_path, *policy(tmp_path, "origns: []"))
    assert code == PolicyInvalid.exit_code
    assert "did you mean origins?" in said
    assert server.asked == []


def test_the_command_line_of_the_host_says_the_same(tmp_path: Path) -> None:
    served(tmp_path, "http://mirror.example.com")
    command = (
        sys.executable, "-m", "hermetic_rpm.runner", "policy", "check", *policy(tmp_path, "origins: []"),
        "--lockfile", str(tmp_path / "buildroot_lock.json"),
    )  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == PolicyViolated.exit_code
    assert "origins: http://mirror.example.com is not allowed: repository os" in done.stderr
    assert "what to do: " in done.stderr
