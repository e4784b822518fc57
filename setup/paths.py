"""Where things are in the tree and in ``build/``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CONTAINERS = ROOT / "containers"
IMAGES = BUILD / "images"
HOST_ENV = BUILD / "host.env"
CONTAINERS_CONF = BUILD / "containers.conf"
VENV = ROOT / ".venv"
DOCS_VENV = BUILD / "docs-venv"
SITE = BUILD / "site"
DEV_REQUIREMENTS = ROOT / "requirements" / "dev.txt"
DOCS_REQUIREMENTS = ROOT / "requirements" / "docs.txt"
STAGES = ("resolver", "fetcher", "builder", "signer")
