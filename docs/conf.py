"""How the documentation becomes a site (``make docs``); the files stay plain Markdown."""

from typing import Any

project = "hermetic-rpm"
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "demo/README.md", "docs/**.md"]
exclude_patterns = [".*", "build"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = project
html_copy_source = False

KINDS = {
    "Tutorial": "docs/tutorial/*",
    "How-to": "docs/how-to/*",
    "Reference": "docs/reference/*",
    "Explanation": "docs/explanation/*",
    "Project": "docs/README\ndocs/status\nCHANGELOG\nCONTRIBUTING\ndemo/README",
}


def add_navigation(_app: object, document: str, source: list[str]) -> None:
    """Give the first page the tree of pages, which would only be noise on a forge."""
    if document == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {kind}\n\n{pages}\n```\n" for kind, pages in KINDS.items()
        )


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_navigation)
