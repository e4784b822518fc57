"""What is wrong with a target file beyond its schema, and what is only unwise: every finding with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from hermetic_rpm.document import Document, located

KINDS = ("repositories", "source_repositories")
ADDRESSES = ("baseurl", "mirrorlist", "metalink", "gpgkey", "proxy")
SOURCES = ("baseurl", "mirrorlist", "metalink")
"""Where packages come from; a repository names one of these at least."""

UNSAFE = "this is an address with a variable or a password in it: addresses are recorded in the lock"

Place = tuple[str | int, ...]


def mistakes(document: Document) -> Iterator[str]:
    """What makes a document that conforms to the schema no target, with its places."""
    if _unsafe(document.data.get("proxy", "")):
        yield located(document, ("proxy",), UNSAFE)
    yield from _module_mistakes(document)
    seen: set[str] = set()
    for place, entry in _repositories(document):
        name = entry["id"]
        if name in seen:
            yield located(document, (*place, "id"), f"two repositories have one id, {name}")
        seen.add(name)
        if not any(entry.get(key) for key in SOURCES):
            yield located(document, place, f"repository {name} names no baseurl, mirrorlist or metalink")
        for key in ("gpgcheck", "repo_gpgcheck"):
            if entry.get(key) and not entry.get("gpgkey"):
                text = f"repository {name} has {key} on but names no gpgkey, a key that its signatures are of"
                yield located(document, (*place, key), text)
        for where, address in _addresses(place, entry):
            if _unsafe(address):
                yield located(document, where, UNSAFE)


def _module_mistakes(document: Document) -> Iterator[str]:
    chosen: set[str] = set()
    for key in ("disabled_modules", "module_streams"):
        for index, text in enumerate(document.data.get(key, ())):
            name = text.partition(":")[0]
            if name in chosen:
                yield located(document, (key, index), f"of the module {name} something else is said already")
            chosen.add(name)


def warnings(document: Document) -> Iterator[str]:
    """What is allowed but leaves packages or keys unprotected, with its places."""
    for place, entry in _repositories(document):
        if not entry["gpgcheck"]:
            yield located(document, (*place, "gpgcheck"), f"signatures of packages of {entry['id']} are not checked")
        for where, address in _addresses(place, entry):
            if address.startswith(("http://", "ftp://")) and where[2] != "proxy":
                yield located(document, where, f"{address} is not protected by TLS")


def _repositories(document: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    for kind in KINDS:
        for index, entry in enumerate(document.data.get(kind, ())):
            yield (kind, index), entry


def _addresses(place: Place, entry: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    for key in ADDRESSES:
        value = entry.get(key, ())
        if isinstance(value, str):
            yield (*place, key), value
        else:
            yield from (((*place, key, index), address) for index, address in enumerate(value))


def _unsafe(address: str) -> bool:
    try:
        return "$" in address or bool(urlsplit(address).username)
    except ValueError:  # brackets that hold no IPv6 address
        return True
