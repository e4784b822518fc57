"""The documents as a forge shows them: links, and what must be said where."""

from __future__ import annotations

import pytest

from tests.support.documents import ROOT, anchors, links, pages

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}


@pytest.mark.promise("6.7", "the site is built and its links are checked")
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
