"""The subprocess of `metadata`: comps and modules of several repositories become one file of each kind.

They are hostile input: time, memory and what may come out of a compressed file are limited.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

MEMORY_BYTES = 2 << 30
OPEN_BYTES = 64 << 20
"""What one file may hold when it is no longer compressed, and all of a kind when they are merged."""

CPU_SECONDS = 120
DOCUMENT = re.compile(rb"^---.*?(?=^---|\Z)", re.MULTILINE | re.DOTALL)
DEFAULTS = re.compile(rb"^document: *[\"']?modulemd-defaults[\"']? *$", re.MULTILINE)
MODULE = re.compile(rb"^ +module: *[\"']?([A-Za-z0-9._+-]+)[\"']? *$", re.MULTILINE)
DEFAULT = b"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: %s\n  stream: %s\n...\n"
LISTS = frozenset({"packagelist", "grouplist", "optionlist"})


def merge_comps(texts: Iterable[bytes]) -> bytes:
    """One comps document of several: what has one id becomes one, the first one's words, everybody's packages."""
    merged = ElementTree.Element("comps")
    for text in texts:
        root = ElementTree.fromstring(text)  # noqa: S314 - under limits; expat refuses entities that explode
        if root.tag != "comps":
            raise ValueError(f"the document is <{root.tag}>, not <comps>")
        _add_children(merged, root)
    ElementTree.indent(merged)
    document: bytes = ElementTree.tostring(merged, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add_children(merged: ElementTree.Element, other: ElementTree.Element) -> None:
    there = {_key(child): child for child in merged}
    for child in other:
        same = there.get(_key(child))
        if same is None:
            merged.append(child)
            there[_key(child)] = child
        elif child.find("id") is not None:
            for part in child:
                mine = same.find(part.tag)
                if part.tag in LISTS and mine is not None:
                    _add_children(mine, part)
                elif part.tag in LISTS:
                    same.append(part)
        else:
            _add_children(same, child)


def _key(element: ElementTree.Element) -> tuple[str, ...]:
    """What makes two elements of one tag the same: their id, or else their text, or else their attributes."""
    if name := (element.findtext("id") or element.text or "").strip():
        return (element.tag, name)
    return (element.tag, *(f"{key}={value}" for key, value in sorted(element.items())))


def merge_modules(texts: Iterable[bytes], chosen: Mapping[str, str | None] = MappingProxyType({})) -> bytes:
    """One stream of YAML documents of several, in which the ``chosen`` stream of a module is its default one.

    Who installs from it (Mock does) gets what was locked; None is for a module that was disabled.
    """
    stripped = (DOCUMENT.sub(lambda found: _kept(found[0], chosen), text).strip() for text in texts)
    merged = b"".join(text + (b"\n" if text.endswith(b"\n...") else b"\n...\n") for text in stripped if text)
    streams = ((name, stream) for name, stream in sorted(chosen.items()) if stream is not None)
    return merged + b"".join(DEFAULT % (name.encode(), json.dumps(stream).encode()) for name, stream in streams)


def _kept(document: bytes, chosen: Mapping[str, str | None]) -> bytes:
    """A document, but nothing for the defaults of a module of which another stream was chosen.

    What libmodulemd writes has this form; parsing YAML of this size takes minutes.
    """
    module = MODULE.search(document) if DEFAULTS.search(document) else None
    return b"" if module is not None and module[1].decode() in chosen else document


def _opened(path: str) -> bytes:
    """What a compressed file holds; its path is printed first, so that a failure can be told of it."""
    import createrepo_c  # noqa: PLC0415 - a native parser, loaded under the limits only

    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    plain = Path(f"{path}.open")
    createrepo_c.decompress_file(path, str(plain), createrepo_c.AUTO_DETECT_COMPRESSION)
    return plain.read_bytes()


def main() -> None:
    """Answer the request on standard input: for each kind the file to write those to merge, and the chosen streams."""
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OPEN_BYTES, OPEN_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, (destination, paths) in request["merge"].items():
        opened = map(_opened, paths)
        merged = merge_comps(opened) if kind == "group" else merge_modules(opened, request["streams"])
        Path(destination).write_bytes(merged)


if __name__ == "__main__":
    main()
