"""Lists of mirrors: what is read in them, in which order the lock has them, which of them dnf gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest

from stages.resolver import package_manager, web
from stages.resolver.mirrors import MAX_ASKED, MAX_MIRRORS, Listed, choose, parse, recorded, render
from tests.unit.test_package_manager import target

GOOD, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
A, B, C = "https://a.example.com/os", "http://b.example.com/os", "https://c.example.com:8443/pub/os~1"
KEPT = pytest.mark.promise("3.5", "all mirrors known from a metalink are kept")
PASSED = pytest.mark.promise(
    "3.5", "a dead mirror and a corrupt one are passed over, and the order of a list does not change the lock"
)
METALINK = f"""\
<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <verification><hash type="md5">00</hash><hash type="sha256">{GOOD}</hash></verification>
   <mm0:alternates>
    <mm0:alternate><verification><hash type="sha256">{OLD}</hash></verification></mm0:alternate>
   </mm0:alternates>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" preference="100">rsync://a.example.com/os/repodata/repomd.xml</url>
    <url protocol="http" type="http" location="DE" preference="90">{B}/repodata/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="100">{A}/repodata/repomd.xml</url>
    <url protocol="https" type="https" preference="95"> {C}/repodata/repomd.xml </url>
   </resources>
  </file>
 </files>
</metalink>
"""


@KEPT
def test_a_metalink_names_mirrors_by_preference_and_the_right_indexes() -> None:
    assert parse(METALINK.encode(), metalink=True) == Listed(mirrors=(A, C, B), indexes=(GOOD, OLD))
    assert parse(METALINK.encode(), metalink=False) == Listed(mirrors=(A, C, B), indexes=(GOOD, OLD))


def test_a_mirrorlist_names_mirrors_in_its_order() -> None:
    text = f"# a comment\n\n{B}/\r\n  {A}\n{A}/\nrsync://a.example.com/os\nhttp://d:65535//os/\n"
    assert parse(text.encode(), metalink=False) == Listed(mirrors=(B, A, "http://d:65535//os"))


@pytest.mark.parametrize(
    "address",
    [
        "https://me:secret@a.example.com/os",
        "https://me@a.example.com/os",
        "https://a.example.com/os?token=1",
        "https://a.example.com/os#x",
        "https://a.example.com/$basearch/os",
        "https://a.example.com/os,https://evil.example.com/",
        "https://a.example.com/o s",
        "https://a.example.com/os\\..",
        "https://a.example.com/\u00f6s",
        "https://a.example.com/os\x1b[2J",
        "https://a.example.com:123456/os",
        "https://a.example.com:0/os",
        "https://a.example.com:65536/os",
        "https://a.example.com/os/../../etc",
        "https://a.example.com/%2e%2e/etc",
        "https://[::1]/os",
        "https:///os",
        "https://-/os",
        "ftp://a.example.com/os",
        "file:///etc",
        "/etc",
        f"https://a.example.com/{'x' * 1000}",
        "os",
        "",
    ],
)
def test_what_is_no_plain_address_is_left_out(address: str) -> None:
    assert parse(f"{address}\n{A}\n".encode(), metalink=False).mirrors == (A,)
    with pytest.raises(ValueError, match="names no mirror"):
        parse(address.encode(), metalink=False)


def test_only_a_list_on_this_file_system_names_directories_of_it() -> None:
    assert parse(b"file:///distribution/repo\n", metalink=False, local=True).mirrors == ("file:///distribution/repo",)
    for address, local in (("file:///distribution/repo", False), ("file:///", True), ("file://", True)):
        with pytest.raises(ValueError, match="names no mirror"):
            parse(address.encode(), metalink=False, local=local)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<metalink ", '<!DOCTYPE metalink [<!ENTITY e "x">]><metalink ', "has a document type"),
        ("</metalink>", "", "is no XML"),
        ("repomd.xml", "other.xml", "no metalink of a repomd.xml"),
        ('"sha256"', '"sha1"', "gives no sha256"),
        (GOOD, "zz", "names no mirror"),
        ("example.com", "exam ple.com", "names no mirror"),
    ],
)
def test_a_metalink_that_cannot_be_relied_on_is_refused(old: str, new: str, message: str) -> None:
    text = METALINK.replace(old, new) if old != GOOD else METALINK.replace("/repodata/", "/elsewhere/")
    with pytest.raises(ValueError, match=message):
        parse(text.encode(), metalink=True)


def test_what_is_no_text_is_refused() -> None:
    for content in (METALINK.encode("utf-16"), b"\xff\xfe", b"", b"<html>Log in first</html>"):
        with pytest.raises(ValueError, match=r".+"):
            parse(content, metalink=True)


@PASSED
def test_the_lock_has_base_urls_first_then_mirrors_in_an_order_of_their_own() -> None:
    own = ("http://z.example.com/os/",)
    for listed in permutations((A, B, C, "http://z.example.com/os")):
        assert recorded(own, listed) == (*own, A, C, B)
        assert recorded((), listed) == (A, C, B, "http://z.example.com/os")


@KEPT
def test_the_number_of_mirrors_is_bounded() -> None:
    many = tuple(f"https://m{number:04}.example.com" for number in range(MAX_MIRRORS + 50))
    assert len(recorded((A,), many)) == MAX_MIRRORS + 1


def answers(**found: str) -> Callable[[str], str]:
    """What mirrors answer by the first letter of their host: a checksum, or nothing at all."""

    def ask(url: str) -> str:
        answer = found.get(url.partition("://")[2][0])
        if answer is None:
            raise web.Unreadable("nobody there")
        return answer

    return ask


@PASSED
def test_of_a_metalink_the_mirrors_with_the_newest_index_are_used() -> None:
    tried = choose((A, B, C), (GOOD, OLD), answers(a=OLD, b=OTHER, c=GOOD))
    assert tried.working == (C,)
    assert tried.passed_over == (f"{B}: its repomd.xml is not that of the metalink",)
    assert tried.index == GOOD
    older = choose((A, B, C), (GOOD, OLD), answers(a=OLD, c=OLD))
    assert (older.working, older.index) == ((A, C), OLD)


@PASSED
def test_of_a_mirrorlist_the_mirrors_that_agree_with_the_first_are_used() -> None:
    tried = choose((A, B, C), (), answers(b=GOOD, c=OTHER))
    assert tried.working == (B,)
    assert tried.passed_over == (f"{A}: nobody there", f"{C}: its repomd.xml is not the same")


def test_what_dnf_gets_is_a_metalink_of_the_mirrors_that_were_chosen() -> None:
    tried = choose((B, "https://d.example.com/?a=1&b=", A), (), answers(b=GOOD, d=GOOD, a=GOOD))
    text = render(tried)
    assert "?a=1&amp;b=/repodata/repomd.xml" in text
    assert parse(text.encode(), metalink=True) == Listed(mirrors=(B, A), indexes=(GOOD,))


def test_no_more_mirrors_are_asked_than_needed() -> None:
    many = tuple(f"https://m{number}.example.com" for number in range(MAX_ASKED + 10))
    assert choose(many, (GOOD,), answers(m=GOOD)).working == many[:3]
    assert len(choose(many, (GOOD,), answers()).passed_over) == MAX_ASKED
    assert choose(many, (GOOD,), answers()).working == ()


def test_dnf_gets_the_mirrors_at_an_address_that_stays() -> None:
    repository = replace(target().repositories[0], id="my-metalink", metalink=f"{A}/metalink")
    lines = package_manager.configuration(target(repositories=(repository,))).splitlines()
    given = next(line for line in lines if line.startswith("metalink="))
    assert given.startswith("metalink=file:///hermetic-rpm-config/metalink-")
    assert not [line for line in lines if line.startswith("baseurl=")]
    moved = package_manager.configuration(target(repositories=(replace(repository, baseurl=(C,)),)))
    assert given in moved.splitlines()
