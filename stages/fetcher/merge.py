"""The subprocess of `metadata`: comps and modules of several repositories become one file of each kind.

They are hostile input: time, memory and what may come out of a compressed file are limited.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

MEMORY_BYTES = 2 << 30
OPEN_BYTES = 64 << 20
"""What one file may hold when it is no longer compressed, and all of a kind when they are merged."""

CPU_SECONDS = 120
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


def merge_modules(texts: Iterable[bytes]) -> bytes:
    """One stream of YAML documents of several."""
    stripped = (text.strip() for text in texts)
    return b"".join(text + (b"\n" if text.endswith(b"\n...") else b"\n...\n") for text in stripped if text)


MERGE = {"group": merge_comps, "modules": merge_modules}


def _opened(path: str) -> bytes:
    """What a compressed file holds; its path is printed first, so that a failure can be told of it."""
    import createrepo_c  # noqa: PLC0415 - a native parser, loaded under the limits only

    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    plain = Path(f"{path}.open")
    createrepo_c.decompress_file(path, str(plain), createrepo_c.AUTO_DETECT_COMPRESSION)
    return plain.read_bytes()


def main() -> None:
    """Answer the request on standard input: for each kind the file to write and those to merge."""
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OPEN_BYTES, OPEN_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, (destination, paths) in request.items():
        Path(destination).write_bytes(MERGE[kind](map(_opened, paths)))


if __name__ == "__main__":
    main()
