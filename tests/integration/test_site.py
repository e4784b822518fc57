"""The documentation as a site: `make docs` makes it of the Markdown files, and what is broken in them ends it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from hermetic_rpm.errors import CommandFailed
from setup import docs, paths
from tests.support.documents import ROOT, pages

PROMISE = pytest.mark.promise("6.7", "the site is built and its links are checked")
pytestmark = [
    PROMISE,
    pytest.mark.skipif(not (paths.DOCS_VENV / "bin/sphinx-build").exists(), reason="no generator: run `make docs`"),
]


@dataclass(kw_only=True)
class Parsed(HTMLParser):
    """What a page of the site names: anchors of its own, links, and what a browser loads with it."""

    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    captions: list[str] = field(default_factory=list)
    in_caption: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag != "a":
            self.loaded |= {given[name] for name in ("href", "src") if name in given}
        self.in_caption = given.get("class") == "caption-text"

    def handle_data(self, data: str) -> None:
        if self.in_caption:
            self.captions.append(data)
        self.in_caption = False


def parsed(page: Path) -> Parsed:
    found = Parsed()
    found.feed(page.read_text())
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Parsed]:
    """Every page of the site by its path."""
    first = docs.build(tmp_path_factory.mktemp("site") / "site")
    return {page: parsed(page) for page in sorted(first.parent.rglob("*.html"))}


def test_every_document_is_a_page_below_one_of_the_kinds(site: dict[Path, Parsed]) -> None:
    (first,) = (page for page in site if page.name == "index.html")
    made = {page.relative_to(first.parent).with_suffix(".md") for page in site}
    assert {page.relative_to(ROOT) for page in pages()} <= made
    assert site[first.with_name("README.html")].captions == [
        "Tutorial",
        "How-to",
        "Reference",
        "Explanation",
        "Project",
    ]


def test_every_link_and_anchor_within_the_site_is_there(site: dict[Path, Parsed]) -> None:
    checked = 0
    for page, found in site.items():
        for link in found.links | found.loaded:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.name}: {link}"
            if parts.fragment and target in site and parts.fragment != "__replace-me":
                assert unquote(parts.fragment) in site[target].anchors, f"{page.name}: {link}"
            checked += 1
    assert checked > 1000


def test_a_page_loads_nothing_from_elsewhere(site: dict[Path, Parsed]) -> None:
    for page, found in site.items():
        assert not [link for link in found.loaded if urlsplit(link).netloc], page.name
    first = next(iter(site)).parent
    assert not [style for style in first.rglob("*.css") if "url(http" in style.read_text().replace('url("', "url(")]


@pytest.mark.parametrize(
    ("broken", "says"),
    [("[x](docs/no-such-page.md)", "no-such-page"), ("[x](docs/status.md#no-such-anchor)", "no-such-anchor")],
    ids=["page", "anchor"],
)
def test_a_broken_link_ends_it(tmp_path: Path, broken: str, says: str) -> None:
    source = tmp_path / "source"
    for name in ("docs/conf.py", "docs/status.md"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    (source / "README.md").write_text(f"# Hello\n\n[status](docs/status.md)\n\n{broken}\n")
    with pytest.raises(CommandFailed) as raised:
        docs.build(tmp_path / "site", source)
    told = [line for line in raised.value.log_tail if "WARNING" in line and "README.md" in line]
    assert any(says in line for line in told), raised.value.log_tail
