"""Comps and modules of several repositories as one."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from stages.fetcher.merge import merge_comps, merge_modules

FIRST = b"""<?xml version="1.0"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group><id>core</id><name>Core</name><name xml:lang="de">Kern</name>
    <packagelist><packagereq type="mandatory">bash</packagereq></packagelist></group>
  <langpacks><match install="a-%s" name="a"/></langpacks>
</comps>"""
SECOND = b"""<comps>
  <group><id> core </id><name>Another</name>
    <packagelist><packagereq type="optional">bash</packagereq><packagereq>zsh</packagereq></packagelist></group>
  <group><id>tools</id><packagelist/></group>
  <environment><id>core</id><grouplist><groupid>core</groupid></grouplist></environment>
  <langpacks><match install="a-%s" name="a"/><match install="b-%s" name="b"/></langpacks>
</comps>"""


def test_groups_of_one_id_become_one_with_everybody_s_packages() -> None:
    root = ElementTree.fromstring(merge_comps([FIRST, SECOND]))
    assert [(child.tag, child.findtext("id")) for child in root] == [
        ("group", "core"), ("langpacks", None), ("group", "tools"), ("environment", "core"),
    ]  # fmt: skip
    core = root[0]
    assert [name.text for name in core.iter("name")] == ["Core", "Kern"]
    assert [(row.get("type"), row.text) for row in core.iter("packagereq")] == [("mandatory", "bash"), (None, "zsh")]
    assert [match.get("name") for match in root.iter("match")] == ["a", "b"]


def test_a_list_that_only_the_second_has_comes_along() -> None:
    first = b"<comps><environment><id>e</id></environment></comps>"
    second = b"<comps><environment><id>e</id><optionlist><groupid>g</groupid></optionlist></environment></comps>"
    assert [row.text for row in ElementTree.fromstring(merge_comps([first, second])).iter("groupid")] == ["g"]


def test_one_file_stays_what_it_is() -> None:
    merged = merge_comps([FIRST])
    assert b'xml:lang="de"' in merged
    assert merge_comps([merged]) == merged


@pytest.mark.parametrize("text", [b"<html/>", b"no XML", b"", b"<comps>"])
def test_what_is_no_comps_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, ElementTree.ParseError)):
        merge_comps([FIRST, text])


def test_entities_that_explode_are_refused() -> None:
    levels = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
    bomb = f'<!DOCTYPE comps [<!ENTITY e0 "{"x" * 1000}">{levels}]><comps><group><id>&e9;</id></group></comps>'
    with pytest.raises(ElementTree.ParseError, match="amplification"):
        merge_comps([bomb.encode()])


def test_module_documents_follow_each_other() -> None:
    assert merge_modules([b"---\na: 1\n...\n", b"", b"b: 2", b"---\nc: 3\n"]) == (
        b"---\na: 1\n...\nb: 2\n...\n---\nc: 3\n...\n"
    )
