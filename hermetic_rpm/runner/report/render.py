"""The page as HTML, by Jinja2: whatever it is given is made harmless first, then escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import jinja2

from hermetic_rpm import __version__
from hermetic_rpm.progress import printable
from hermetic_rpm.runner.report.describe import Page
from hermetic_rpm.units import duration, size

LONGEST_LINE = 1000
"""Characters of a line of a log that are shown."""

LONGEST_VALUE = 300
"""Characters of anything else whose length a package decides."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_HERE = Path(__file__).parent


def render(page: Page) -> str:
    """The whole file: the same page gives the same text."""
    style, script = (_HERE / "page.css").read_text(), (_HERE / "page.js").read_text()
    return _template().render(
        page=page, style=style, script=script, style_hash=_hash(style), script_hash=_hash(script), version=__version__
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_harmless,
        loader=jinja2.FileSystemLoader(_HERE),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"bytes": size, "cut": _cut, "duration": duration, "line": _line}
    environment.tests["linkable"] = _linkable
    return environment.get_template("page.html.j2")


def _harmless(value: object) -> object:
    """What goes into the page, without control characters; markup of the template itself stays as it is."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _line(text: str) -> str:
    """A line of a log, without colours."""
    return _cut(_COLOURS.sub("", text.removesuffix("\r")), LONGEST_LINE)


def _cut(text: str, longest: int = LONGEST_VALUE) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _linkable(url: str) -> bool:
    """Whether an address may become a link: plain http(s) to a host, nobody's password in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = printable(url) == url and not any(character.isspace() for character in url)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _hash(text: str) -> str:
    """A source of a content security policy that allows this very text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
