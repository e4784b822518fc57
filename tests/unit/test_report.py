"""The page of a build: what it tells, and that nothing in it is taken for anything but text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hermetic_rpm.errors import LockMismatch, ResultsUnusable
from hermetic_rpm.lock.model import Lock, RepositorySource
from hermetic_rpm.runner.report import describe, gather, render
from hermetic_rpm.runner.report.checks import State, checks
from hermetic_rpm.runner.report.gather import HEAD_BYTES, TAIL_BYTES, FileState
from tests.support.report_builds import FACTS, MADE, Build, sample
from tests.support.whole_locks import lock, rpm, write

VOID = {"br", "input", "link", "meta", "rect"}
ATTACK = "<script>alert(1)</script>\"'&\x1b[31m\u202egnp\u2066\0\ud800"


class Strict(HTMLParser):
    """Balanced tags, unique ids, and references to ids that are there; gathers text, scripts and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.referred: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        assert set(self.referred) <= set(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), (tag, attrs)
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("for", "aria-labelledby", "aria-controls"):
                self.referred.append(value or "")
            if name == "href" and (value or "").startswith("#"):
                self.referred.append((value or "")[1:])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    made = Build(directory=tmp_path / "workspace", lock=sample())
    made.write()
    return made


def page_of(build: Build, **options: Any) -> str:
    found = gather.gather(build.results, lock=options.get("lock"), previous=options.get("previous"))
    return render.render(describe.describe(found))


def with_text(made: Lock, text: str) -> Lock:
    """The lock with a hostile text in every field of a package and a repository, past every schema."""
    assert made.sidecar is not None
    hostile = dataclasses.replace(
        made.lockfile.rpms[0], name=text, version=text, arch=text, license=text, url=f"javascript:{text}"
    )
    package = dataclasses.replace(made.packages[0], rpm=hostile)
    repository = RepositorySource(id=text, base_urls=(f"https://x/{text}", text), gpgcheck=True)
    return dataclasses.replace(
        made, packages=(package, *made.packages[1:]),
        lockfile=dataclasses.replace(made.lockfile, rpms=(hostile, *made.lockfile.rpms[1:])),
        sidecar=dataclasses.replace(
            made.sidecar, repositories=(repository,), static_requirements=(text,),
            srpm=dataclasses.replace(made.sidecar.srpm, name=text),
        ),
    )  # fmt: skip


@pytest.mark.promise(
    "6.5", "the report tells inputs, checks, time and memory by phase, packages, why they are there, changes and logs"
)
def test_the_page_tells_what_was_built_from_what(build: Build) -> None:
    text = Strict(page_of(build)).text
    assert "hello-1-1" in text
    assert MADE in text
    assert hashlib.sha256(b"an RPM").hexdigest() in text
    assert f"{'e' * 64}" in text  # the source RPM
    assert "package-0003" in text
    assert "GPL-2.0-or-later AND MIT" in text
    assert "89abcdef01234567" in text
    assert "minimal buildroot: @build \u203a package-0000 \u203a package-0001 \u203a package-0003" in text
    assert "BuildRequires: cc >= 4 \u203a package-0001 \u203a package-0003" in text
    assert "9.8 s" in text
    assert "60.0 MB" in text
    assert "13 of 13" in re.sub(r"\s+", " ", text)
    assert "+ make check" in text


def test_the_same_build_gives_the_same_bytes(build: Build) -> None:
    assert page_of(build) == page_of(build)


def test_nothing_but_the_two_hashed_texts_may_run_or_be_loaded(build: Build) -> None:
    html = page_of(build)
    found = Strict(html)
    (policy,) = [attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert sources["default-src"] == sources["base-uri"] == sources["form-action"] == "'none'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert sources[directive] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    attributes = {name for _, attrs in found.tags for name in attrs}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {
        "style",
        "src",
        "srcset",
        "action",
    }
    assert not {tag for tag, _ in found.tags} & {"link", "img", "iframe", "object", "embed", "form", "base", "video"}


@pytest.mark.promise("6.5", "names, licences, addresses and log lines are text in the report, whatever they hold")
def test_hostile_text_stays_text(build: Build) -> None:
    found = gather.gather(build.results, lock=None, previous=None)
    assert found.lock is not None
    hostile = dataclasses.replace(
        found, lock=with_text(found.lock, ATTACK), previous=found.lock,
        builder=dataclasses.replace(
            found.builder,
            result={
                **found.builder.result, "status": "failed", "tool_version": ATTACK,
                "error": {"kind": ATTACK, "exit_code": 1, "reason": f"{ATTACK}\n{ATTACK}", "solution": ATTACK,
                          "log_tail": [ATTACK]},
                "facts": {"build_options": [ATTACK], "network_interfaces_outside": [ATTACK]},
                "timings_seconds": {ATTACK: 1.0}, "inputs": {ATTACK: "0" * 64},
                "outputs": [{"path": f"{ATTACK}.rpm", "size": 1, "sha256": "0" * 64}],
            },
            logs=(gather.Log(stage="builder", name=ATTACK, size=9, head=ATTACK.encode(errors="surrogatepass")),),
        ),
        files={f"{ATTACK}.rpm": FileState.SAME},
    )  # fmt: skip
    html = render.render(describe.describe(hostile))
    html.encode()
    page = Strict(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert page.text.count("<script>alert(1)</script>\"'&") > 15
    assert not [char for char in html if char != "\n" and not char.isprintable()]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://h/x", "https:///x", "https://u:p@h/x",
        "https://h/\u202ex", "https://h/a b", "https://[x", "//h/x", "https:h", " https://h",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_become_links(build: Build, url: str) -> None:
    found = gather.gather(build.results, lock=None, previous=None)
    assert found.lock is not None
    assert found.lock.sidecar is not None
    repository = RepositorySource(id="demo", base_urls=(url, "https://good.example/x?a=1&b=2"), gpgcheck=True)
    sidecar = dataclasses.replace(found.lock.sidecar, repositories=(repository,))
    html = render.render(
        describe.describe(dataclasses.replace(found, lock=dataclasses.replace(found.lock, sidecar=sidecar)))
    )
    links = [attrs["href"] or "" for tag, attrs in Strict(html).tags if tag == "a"]
    assert "https://good.example/x?a=1&b=2" in links
    assert url not in links
    assert all(link.startswith(("#", "https://good.example/", "https://mirror.example.com/")) for link in links)


def test_what_has_changed_since_the_previous_lock(build: Build, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = write(lock(rpm("package-0000 0-1.el0.x86_64"), rpm("gone 1-1.noarch")), tmp_path / "old")
    text = Strict(page_of(build, previous=old)).text
    assert "3 added, 1 removed" in text
    assert "gone" in text
    assert "Changes since" not in Strict(page_of(build)).text


def test_a_log_is_bounded_and_says_so(tmp_path: Path) -> None:
    log = b"first line\n" + b"\x1b[1;31mred\x1b[0m\n" + b"x" * 5000 + b"\n" + b"middle\n" * 20_000 + b"last line\n"
    build = Build(directory=tmp_path / "workspace", lock=sample(), log=log)
    build.write()
    html = page_of(build)
    (found,) = gather.gather(build.results, lock=None, previous=None).builder.logs
    assert len(found.head) <= HEAD_BYTES
    assert len(found.tail) <= TAIL_BYTES
    assert len(found.head) + found.left_out + len(found.tail) == len(log) == found.size
    assert found.head.endswith(b"\n")
    assert found.tail.startswith(b"middle\n")
    assert ">first line\nred\n" in html
    assert "last line\n</pre>" in html
    assert "x" * 1000 + "…" in html
    assert "x" * 1001 not in html
    assert "left out here" in html


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"buildroot_equals_lock": False}, "The buildroot equals the lock"),
        ({"srpm_was_resolved": False}, "The source RPM is the one that was resolved"),
        ({"network_interfaces_outside": ["lo", "eth0"]}, "The container had no network"),
        ({"inside": {"rpmbuild": {**FACTS["inside"]["rpmbuild"], "uid": 0}}}, "Package code was not root"),
        (
            {"inside": {"rpmbuild": {**FACTS["inside"]["rpmbuild"], "capabilities": {"CapEff": "01"}}}},
            "Package code had no capabilities",
        ),
    ],
)
def test_a_check_that_did_not_pass_is_told(build: Build, change: dict[str, Any], title: str) -> None:
    build.edit(lambda result: result["facts"].update(change))
    found = checks(gather.gather(build.results, lock=None, previous=None))
    assert [check.title for check in found if check.state is State.FAILED] == [title]
    assert "not passed" in page_of(build)


@pytest.mark.parametrize("facts", [{}, {"inside": "x"}, {"inside": {"rpmbuild": []}}, {"sidecar": None}])
def test_facts_that_no_builder_writes_are_not_known(build: Build, facts: dict[str, Any]) -> None:
    build.edit(lambda result: result.update(facts=facts))
    found = checks(gather.gather(build.results, lock=None, previous=None))
    assert {check.state for check in found if check.by == "builder"} == {State.UNKNOWN}
    Strict(page_of(build))


def test_files_that_changed_since_are_told(build: Build) -> None:
    (build.results / MADE).write_bytes(b"another")
    found = gather.gather(build.results, lock=None, previous=None)
    assert found.files == {MADE: FileState.ALTERED}
    (build.results / MADE).unlink()
    found = gather.gather(build.results, lock=None, previous=None)
    assert found.files == {MADE: FileState.MISSING}
    assert checks(found)[-1].state is State.FAILED


def test_no_link_is_followed_out_of_the_results(build: Build, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("very secret")
    (build.results / "evil.log").symlink_to(tmp_path / "secret")
    assert "very secret" not in page_of(build)


def test_a_build_that_failed_has_a_page_too(build: Build) -> None:
    error = {"kind": "BuildFailed", "exit_code": 70, "reason": "make failed", "solution": "Read it.",
             "log_tail": ["*** Error 2"]}  # fmt: skip
    build.edit(lambda result: result.update(status="failed", error=error, outputs=[], facts={}))
    text = Strict(page_of(build)).text
    assert "Why it failed" in text
    assert "make failed" in text
    assert "*** Error 2" in text
    assert "+ make check" in text


def test_a_named_lock_must_be_that_of_the_build(build: Build, tmp_path: Path) -> None:
    other = Build(directory=tmp_path / "other", lock=sample(5))
    other.write()
    with pytest.raises(LockMismatch):
        page_of(build, lock=other.directory / "lock/buildroot_lock.json")


def test_a_lock_beside_it_that_is_not_that_of_the_build_is_left_out(build: Build) -> None:
    build.edit(lambda result: result["inputs"].update(lockfile="0" * 64))
    found = gather.gather(build.results, lock=None, previous=None)
    assert (found.lock, found.resolver, found.fetcher) == (None, None, None)
    assert "No lock of this build" in Strict(page_of(build)).text


def test_a_lock_that_the_builder_does_not_name_is_not_vouched_for(build: Build) -> None:
    build.edit(lambda result: result.update(inputs={}))
    found = checks(gather.gather(build.results, lock=None, previous=None))
    assert (found[0].by, found[0].state) == ("this report", State.UNKNOWN)


def test_results_of_other_stages_count_only_for_the_same_lock(build: Build) -> None:
    fetched = build.directory / "repo/result.json"
    digest = gather.gather(build.results, lock=None, previous=None).builder.result["inputs"]["lockfile"]
    fetched.write_text(fetched.read_text().replace(digest, "0" * 64))
    found = gather.gather(build.results, lock=None, previous=None)
    assert found.resolver is not None
    assert found.fetcher is None


def test_a_lock_without_sidecar_has_a_page(tmp_path: Path) -> None:
    bare = lock(rpm("bash 5-1.x86_64"), with_sidecar=False)
    build = Build(directory=tmp_path / "workspace", lock=sample())
    build.write()
    found = gather.gather(build.results, lock=None, previous=None)
    text = Strict(render.render(describe.describe(dataclasses.replace(found, lock=bare)))).text
    assert "no sidecar" in text
    assert "not recorded" in text


def test_what_is_no_result_of_a_builder_is_refused(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable):
        gather.gather(tmp_path, lock=None, previous=None)
    with pytest.raises(ResultsUnusable):
        gather.gather(build.directory / "lock", lock=None, previous=None)


@pytest.mark.promise("6.5", "a lock of 5,000 packages makes a report below 5 MB")
def test_five_thousand_packages_stay_below_five_megabytes(tmp_path: Path) -> None:
    build = Build(directory=tmp_path / "workspace", lock=sample(5000))
    build.write()
    html = page_of(build)
    assert "package-4999" in html
    assert len(html.encode()) < 5_000_000
