"""The report in a real browser: nothing is asked for, keys do it all, light and dark, narrow and on paper."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermetic_rpm.runner.report import describe, gather, render
from tests.support import browser
from tests.support.browser import Page
from tests.support.report_builds import Build, sample
from tests.support.server import serving

BROWSER = pytest.mark.promise(
    "6.5", "a browser shows the report light and dark, narrow, printed, without scripts, and works it by keyboard"
)
NAMES = "Array.from(document.querySelectorAll('#locked tbody tr:not([hidden]) th'), (cell) => cell.textContent)"
FOCUS = "document.activeElement.textContent || document.activeElement.id"


@pytest.fixture(scope="module")
def program() -> str:
    found = browser.find()
    if found is None:
        pytest.skip("not run here: no Chromium on this host")
    return found


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report with every section, and lines and names that are too long for any window."""
    long = b"-" * 5000
    build = Build(directory=tmp_path / "workspace", lock=sample(12), log=b"\x1b[31mstart\x1b[0m\n" + long + b"\n")
    build.write()
    previous = Build(directory=tmp_path / "previous", lock=sample(3))
    previous.write()
    found = gather.gather(build.results, lock=None, previous=previous.directory / "lock/buildroot_lock.json")
    path = tmp_path / "report.html"
    path.write_text(render.render(describe.describe(found)))
    return path


@pytest.fixture
def page(program: str, tmp_path: Path) -> Iterator[Page]:
    with browser.opened(program, tmp_path / "profile") as made:
        made.look()
        yield made


def focus_on(page: Page, wanted: str, steps: int = 60) -> None:
    """Go from one control to the next by the Tab key until the one with that text or id has the focus."""
    for _ in range(steps):
        page.press("Tab")
        if page.evaluate(FOCUS) == wanted:
            return
    pytest.fail(f"the Tab key never comes to {wanted}")


@pytest.mark.promise("6.5", "the report is one file that needs no network")
def test_nothing_is_asked_for_but_the_page_itself(page: Page, report: Path) -> None:
    with serving(report.parent) as server:
        page.open(f"{server.url}/{report.name}")
        page.press("Tab")
        page.screenshot(report.with_suffix(".png"))
        assert server.asked == [f"/{report.name}"]
    assert len(page.requests) == 1
    assert page.troubles == []


@pytest.mark.promise("6.5", "the report is one file that needs no network")
def test_the_page_lets_nothing_be_loaded_even_if_it_wanted_to(page: Page, report: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.js").write_text("document.title = 'evil'")
    added = (
        "<script src='evil.js'></script>", "<img src='x.png'>", "<script>document.title = 'evil'</script>"
    )  # fmt: skip
    report.write_text(report.read_text().replace("</main>", f"{''.join(added)}</main>"))
    with serving(tmp_path) as server:
        page.open(f"{server.url}/{report.name}")
        assert server.asked == [f"/{report.name}"]
    assert page.evaluate("document.title") == "hello-1-1: build report"
    assert len(page.troubles) == len(added)


@BROWSER
def test_the_table_is_sorted_and_searched_by_keyboard(page: Page, report: Path) -> None:
    page.open(report.as_uri())
    names = [f"package-{number:04}" for number in range(12)]
    assert page.evaluate(NAMES) == names
    focus_on(page, "search")
    page.write("4-1 x86")
    assert page.evaluate(NAMES) == ["package-0004"]
    assert page.evaluate("document.getElementById('count').textContent") == "1 of 12 packages"
    page.evaluate("document.getElementById('search').select()")
    page.write("no such package")
    assert page.evaluate(NAMES) == []
    page.press("Escape")
    assert page.evaluate(NAMES) == names
    focus_on(page, "Package")
    page.press("Enter")
    assert page.evaluate(NAMES) == names[::-1]
    focus_on(page, "Version")
    page.press("Space")
    assert page.evaluate(NAMES) == names  # as numbers: 2-1 before 10-1
    sorted_by = "Array.from(document.querySelectorAll('th[aria-sort]'), (h) => [h.textContent, h.ariaSort])"
    assert page.evaluate(sorted_by) == [["Version", "ascending"]]


@BROWSER
def test_what_has_the_focus_is_seen_and_the_first_link_skips(page: Page, report: Path) -> None:
    page.open(report.as_uri())
    page.press("Tab")
    assert page.evaluate(FOCUS) == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter")
    page.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)") is True
    focus_on(page, "Size")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    unlabelled = "Array.from(document.querySelectorAll('input'), (field) => field.labels.length)"
    assert page.evaluate(unlabelled) == [1]


def luminance(page: Page, element: str, name: str) -> float:
    """The relative luminance of a colour, as WCAG has it."""
    text = page.evaluate(f"getComputedStyle(document.querySelector({element!r})).{name}")
    parts = [int(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


@BROWSER
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page: Page, report: Path, scheme: str) -> None:
    page.look(scheme=scheme)
    page.open(report.as_uri())
    ground = luminance(page, "body", "backgroundColor")
    assert (ground > 0.5) == (scheme == "light")
    for element in ("body", ".note", ".hash", "nav a", ".good", "thead th"):
        lighter, darker = sorted((ground, luminance(page, element, "color")), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, element


@BROWSER
@pytest.mark.parametrize("width", [320, 600, 900, 1100, 1280, 2000])
def test_no_window_is_too_narrow(page: Page, report: Path, width: int) -> None:
    page.look(width=width)
    page.open(report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.evaluate("innerWidth") == width  # a phone shows a page that is too wide in a wider window
    root = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert root[0] == root[1]


@BROWSER
def test_without_scripts_everything_is_there(program: str, report: Path, tmp_path: Path) -> None:
    with browser.opened(program, tmp_path / "profile", scripts=False) as page:
        page.open(report.as_uri())
        # The protocol's own expressions run where scripts of the page do not.
        assert page.evaluate(NAMES) == [f"package-{number:04}" for number in range(12)]
        assert page.evaluate("document.querySelectorAll('button').length") == 0
        assert page.evaluate("getComputedStyle(document.querySelector('.tools')).display") == "none"


@BROWSER
@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_everything_is_unfolded(program: str, report: Path, tmp_path: Path, *, scripts: bool) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("not run here: no pdftotext on this host")
    with browser.opened(program, tmp_path / "profile", scripts=scripts) as page:
        page.open(report.as_uri())
        page.pdf(tmp_path / "report.pdf")
        folded = page.evaluate("document.querySelectorAll('details[open]').length")
    done = subprocess.run(
        ("pdftotext", "-raw", tmp_path / "report.pdf", "-"), check=True, capture_output=True, text=True
    )
    text = "".join(done.stdout.split())  # lines end anywhere
    assert "start---" in text
    assert "BuildRequires:cc>=4\u203apackage-0001\u203apackage-0003" in text
    assert "Searchpackages" not in text
    assert folded == 0


@BROWSER
def test_light_and_dark_are_two_pictures(page: Page, report: Path, tmp_path: Path) -> None:
    page.open(report.as_uri())
    pictures = []
    for scheme in ("light", "dark", "light"):
        page.look(scheme=scheme)
        pictures.append(page.screenshot(tmp_path / f"{scheme}.png"))
    assert pictures[0] != pictures[1]
    assert pictures[0] == pictures[2]
