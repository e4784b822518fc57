"""A real headless Chromium, driven over the pipe of its DevTools protocol: needs no library and no port."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = (
    "chromium-headless-shell", "headless_shell", "chromium", "chromium-browser", "google-chrome",
    "/usr/lib64/chromium-browser/headless_shell",
)  # fmt: skip
PATIENCE = 120.0
"""Seconds for one answer; a machine may be busy."""

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32, "End": 35, "Home": 36}


def find() -> str | None:
    """The browser of this host, if there is one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class PageBroken(AssertionError):
    """The browser reported an error."""


@dataclass(kw_only=True)
class Page:
    """A page in a browser, and every address that it asked for."""

    process: subprocess.Popen[bytes]
    to_browser: int
    from_browser: int
    session: str = ""
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    loads: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _unread: bytes = b""

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise PageBroken(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        said = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Page.loadEventFired":
                self.loads += 1
            case "Log.entryAdded":
                self.troubles.append(said["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.troubles.append(json.dumps(said["exceptionDetails"]))

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self.from_browser], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self.from_browser, 1 << 20) if ready else b""
            if not chunk:
                raise PageBroken("the browser does not answer")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def open(self, url: str) -> None:
        """Load an address, and wait until all of it is there."""
        before = self.loads
        if error := self.send("Page.navigate", url=url).get("errorText"):
            raise PageBroken(error)
        while self.loads == before:
            self._note(self._read())

    def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Set the size of the window, light or dark, and whether it is to be printed."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise PageBroken(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        text = {"Enter": "\r", "Space": " "}.get(key, "")
        name = " " if key == "Space" else key
        common = {"key": name, "code": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        """Type a text where the focus is."""
        self.send("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = False) -> bytes:
        """A picture (PNG) of the window, or of the whole page."""
        data = base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        path.write_bytes(data)
        return data

    def pdf(self, path: Path) -> bytes:
        """The page as it prints."""
        data = base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])
        path.write_bytes(data)
        return data


@contextlib.contextmanager
def opened(program: str, profile: Path, *options: str, scripts: bool = True) -> Iterator[Page]:
    """An empty page in a browser of its own; ``options`` are further ones of its command line."""
    browser_reads, to_browser = os.pipe()
    from_browser, browser_writes = os.pipe()
    command = (
        program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
        f"--user-data-dir={profile}", *options, "about:blank",
    )  # fmt: skip
    # The browser reads from descriptor 3 and writes to 4.
    script = f'exec "$@" 3<&{browser_reads} 4>&{browser_writes}'
    process = subprocess.Popen(
        ("/bin/bash", "-c", script, "browser", *command), pass_fds=(browser_reads, browser_writes),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        page = Page(process=process, to_browser=to_browser, from_browser=from_browser)
        target = page.send("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        yield page
    finally:
        process.terminate()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
