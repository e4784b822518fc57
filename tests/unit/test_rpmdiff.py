"""What differs between two RPM files, told once and shortly: pure."""

from __future__ import annotations

import dataclasses
import json

import pytest

from hermetic_rpm import rpmdiff
from hermetic_rpm.rpmdiff import Difference, Dump, differences

FILES = {"/usr/bin/a": {"digest": "1", "size": "3", "mode": "100755"}, "/usr/share/b": {"digest": "2", "size": "3"}}
DUMP = Dump(
    header={
        "NAME": "a", "SUMMARY": ("A",), "REQUIRENAME": ("libc", "make"), "FILEDIGESTS": ("1", "2"),
        "FILEVERIFYFLAGS": ("1", "1"), "PAYLOADSHA256": ("p",),
    },
    signature={"SHA256": "h", "RSA": "00"}, files=FILES, payload="p", archive="z",
)  # fmt: skip


def told(after: Dump, before: Dump = DUMP) -> list[tuple[str, str, str, str]]:
    return [(d.kind, d.name, d.before, d.after) for d in differences(before, after)]


def header(**changes: object) -> Dump:
    tags = {**DUMP.header, **changes}
    return dataclasses.replace(DUMP, header={name: value for name, value in tags.items() if value is not None})


def test_the_same_is_not_told() -> None:
    assert told(DUMP) == []


def test_a_tag_has_both_values() -> None:
    assert told(header(NAME="b", SUMMARY=("B",))) == [("tag", "NAME", "a", "b"), ("tag", "SUMMARY", "A", "B")]


def test_of_several_values_the_first_that_differs_is_told() -> None:
    assert told(header(REQUIRENAME=("libc", "cmake"))) == [("tag", "REQUIRENAME[1]", "make", "cmake")]
    assert told(header(REQUIRENAME=("libc",))) == [("tag", "REQUIRENAME[1]", "make", "(absent)")]
    assert told(header(REQUIRENAME=("libc", "make", "x"))) == [("tag", "REQUIRENAME[2]", "(absent)", "x")]


def test_a_tag_of_one_only_is_told() -> None:
    assert told(header(SUMMARY=None, URL="u")) == [("tag", "SUMMARY", "A", "(absent)"), ("tag", "URL", "(absent)", "u")]


def test_a_file_is_told_and_nothing_that_follows_from_it() -> None:
    files = {**FILES, "/usr/bin/a": {**FILES["/usr/bin/a"], "digest": "9", "mode": "104755"}}
    after = dataclasses.replace(
        header(FILEDIGESTS=("9", "2"), PAYLOADSHA256=("q",)), files=files, payload="q", archive="y",
        signature={"SHA256": "i", "RSA": "00"},
    )  # fmt: skip
    assert told(after) == [
        ("file", "/usr/bin/a: digest", "1", "9"),
        ("file", "/usr/bin/a: mode", "100755", "104755"),
    ]


def test_a_file_of_one_only_is_told() -> None:
    after = dataclasses.replace(DUMP, files={"/usr/bin/a": FILES["/usr/bin/a"], "/c": {}})
    assert told(after) == [("file", "/c", "(absent)", "there"), ("file", "/usr/share/b", "there", "(absent)")]


def test_a_tag_of_files_is_told_where_the_files_tell_nothing() -> None:
    assert told(header(FILEVERIFYFLAGS=("1", "2"))) == [("tag", "FILEVERIFYFLAGS[1]", "1", "2")]


@pytest.mark.parametrize(
    ("archive", "how"),
    [
        ("z", "the same archive, compressed differently"),
        ("y", "the same files, archived or compressed differently"),
        (None, "the same files, archived or compressed differently"),
    ],
)
def test_a_payload_of_the_same_files_is_told(archive: str | None, how: str) -> None:
    assert told(dataclasses.replace(DUMP, payload="q", archive=archive)) == [("payload", how, "p", "q")]


def test_a_signature_is_told_and_no_digest_of_the_header() -> None:
    after = dataclasses.replace(DUMP, signature={"SHA256": "i", "PGP": "ff"})
    assert told(after) == [("signature", "PGP", "(absent)", "ff"), ("signature", "RSA", "00", "(absent)")]


def test_a_long_value_is_shown_around_the_difference() -> None:
    ((_, _, before, after),) = told(header(NAME="x" * 500 + "2" + "y" * 500), header(NAME="x" * 500 + "1" + "y" * 500))
    assert len(before) == len(after) == rpmdiff.MAX_VALUE + 2
    assert before.replace("1", "2") == after
    assert "1" in before
    ((_, _, before, after),) = told(header(NAME="x" * 500), header(NAME="x" * 400))
    assert before.endswith("x")
    assert after.startswith("…")


def test_what_is_shown_cannot_steer_a_terminal() -> None:
    files = {"/\x1b[2J": {"digest": "1"}}
    ((_, name, _, _), *_) = told(dataclasses.replace(DUMP, files=files))
    assert name == "/\N{REPLACEMENT CHARACTER}[2J"
    ((_, _, _, after),) = told(header(NAME="\x1b]0;"))
    assert "\x1b" not in after


def test_an_answer_is_bounded() -> None:
    after = dataclasses.replace(DUMP, files={f"/{number}": {"digest": "1"} for number in range(1000)})
    said = json.loads(rpmdiff.answer(DUMP, after))
    assert len(said["differences"]) == rpmdiff.MAX_DIFFERENCES
    assert said["more"] == 1002 - rpmdiff.MAX_DIFFERENCES
    assert Difference(**said["differences"][0]).kind == "file"
    (*_, (_, name, _, _)) = told(dataclasses.replace(DUMP, files={f"/{'x' * 5000}": {"digest": "1"}}))
    assert len(name) == rpmdiff.MAX_NAME
