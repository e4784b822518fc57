"""Which addresses the fetcher may ask, and what it asks for."""

from __future__ import annotations

import pytest

from hermetic_rpm.errors import OriginRefused
from hermetic_rpm.lock.model import Lock, RepositorySource
from stages.fetcher import image, sources, verify
from stages.fetcher.sources import allowed_origins, is_allowed, origin_of, refuse_undeclared, urls
from tests.support import locks

DECLARED = pytest.mark.promise("2.4", "nothing is asked of an origin that nobody declared")
SIGNED = pytest.mark.promise("2.4", "a package without the signature that its repository demands is refused")


def lock_of(*bases: str, location: str = "Packages/bash.rpm", gpgcheck: bool = False, key: str | None = None) -> Lock:
    repository = RepositorySource(id="demo", base_urls=bases, gpgcheck=gpgcheck)
    return locks.joined((locks.rpm(), locks.source(location, key=key)), repositories=(repository,))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.com/a", "http://example.com:80/b"),
        ("https://example.com/a", "https://example.com:443"),
        ("https://EXAMPLE.com/a", "https://example.com/b"),
        ("file:///srv/repo/", "file:///srv/repo"),
        ("file:///srv/my%20repo", "file:///srv/my repo"),
    ],
)
def test_one_origin_has_several_spellings(one: str, other: str) -> None:
    assert origin_of(one) == origin_of(other)


@DECLARED
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.com", "https://example.com"),
        ("https://example.com", "https://example.com:8443"),
        ("https://example.com", "https://example.com.evil.org"),
        ("https://example.com", "https://www.example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001"),
    ],
)
def test_scheme_host_and_port_make_an_origin(one: str, other: str) -> None:
    assert not is_allowed(other, {origin_of(one)})


@DECLARED
@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/x", "https://user@example.com/x", "https://user:word@example.com/x", "https:///x", "x.rpm",
     "https://example.com:99999/x", "https://[::1/x", "//example.com/x", "data:,x", ""],
)  # fmt: skip
def test_an_odd_address_is_no_origin(url: str) -> None:
    with pytest.raises(OriginRefused):
        origin_of(url)
    assert not is_allowed(url, {origin_of("https://example.com")})


@DECLARED
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("file:///srv/repo/Packages/a.rpm", True),
        ("file:///srv/repo", True),
        ("file:///etc/shadow", False),
        ("file:///srv/repository/a.rpm", False),
        ("file:///srv/repo/../../etc/shadow", False),
        ("file:///srv/repo/%2e%2e/%2e%2e/etc/shadow", False),
        ("http://srv/repo/a.rpm", False),
    ],
)
def test_files_are_read_below_a_declared_directory_only(url: str, *, allowed: bool) -> None:
    assert is_allowed(url, {origin_of("file:///srv/repo")}) is allowed


@DECLARED
def test_addresses_outside_are_all_named_before_anything_is_fetched() -> None:
    lock = locks.bare(*(locks.rpm(f"p{n}", url=f"https://evil.example.org/p{n}.rpm") for n in range(12)))
    with pytest.raises(OriginRefused) as caught:
        refuse_undeclared(lock, allowed_origins(lock, ("https://mirror.example.com",)))
    assert caught.value.reason.count("evil.example.org") == 10
    assert "2 more" in caught.value.reason
    assert "--allow-origin" in caught.value.solution


@DECLARED
def test_a_lock_without_a_sidecar_declares_no_origin() -> None:
    lock = locks.bare(locks.rpm())
    assert allowed_origins(lock, ()) == frozenset()
    refuse_undeclared(lock, allowed_origins(lock, ("https://mirror.example.com/anything",)))


@DECLARED
def test_the_origins_of_the_sidecar_and_of_the_user_are_allowed() -> None:
    lock = lock_of("https://a.example.com/x", "file:///srv/repo")
    allowed = allowed_origins(lock, ("http://localhost:8080",))
    assert {str(origin) for origin in allowed} == {
        "https://a.example.com:443", "file:///srv/repo", "http://localhost:8080",
    }  # fmt: skip


def test_mirrors_are_asked_in_their_order_and_once() -> None:
    lock = lock_of("https://b.example.com/os/", "https://a.example.com/os", "https://b.example.com/os")
    assert urls(lock, lock.packages[0]) == (
        "https://b.example.com/os/Packages/bash.rpm",
        "https://a.example.com/os/Packages/bash.rpm",
    )


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("g/g%2B%2B.rpm", "g/g%2B%2B.rpm"),
        ("g/g++.rpm", "g/g++.rpm"),
        ("a/a~rc1^git:2.rpm", "a/a~rc1^git:2.rpm"),
        ("a/a b.rpm", "a/a%20b.rpm"),
        ("a/\u00e4.rpm", "a/%C3%A4.rpm"),
        ("a/100%25.rpm", "a/100%25.rpm"),
    ],
)
def test_what_is_quoted_already_is_not_quoted_again(location: str, asked: str) -> None:
    lock = lock_of("https://a.example.com", location=location)
    assert urls(lock, lock.packages[0]) == (f"https://a.example.com/{asked}",)


def test_the_address_in_a_lock_of_mock_s_is_not_quoted_again() -> None:
    lock = locks.bare(locks.rpm(url="https://a.example.com/g%2B%2B.rpm"))
    assert urls(lock, lock.packages[0]) == ("https://a.example.com/g%2B%2B.rpm",)


# -- the image ----------------------------------------------------------------------------


def test_the_image_is_asked_for_by_digest_where_its_place_can_say_so() -> None:
    side = locks.beside(locks.locked())
    assert side.image.locations == ("docker://registry.example.com/bootstrap:latest",)
    assert image.locations(lock_of("https://a.example.com")) == (
        f"docker://registry.example.com/bootstrap@{locks.MANIFEST}",
    )


def test_without_a_sidecar_the_image_comes_from_its_reference() -> None:
    assert image.locations(locks.bare(locks.rpm())) == (f"docker://registry.example.com/bootstrap@{locks.MANIFEST}",)


# -- verification -------------------------------------------------------------------------


@SIGNED
def test_a_verified_package_has_no_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True, key="cbc39a413991c178")
    sound = locks.header(signers=("cbc39a413991c178",), verified_by="keys/demo-1.asc")
    assert verify.problems(lock, lock.packages[0], sound) == ()


@SIGNED
def test_an_unsigned_package_of_a_signed_repository_is_a_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    (problem,) = verify.problems(lock, lock.packages[0], locks.header())
    assert "demands a signature" in problem
    assert "signed by nobody" in problem


@SIGNED
def test_a_signature_by_another_key_names_its_signer() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    (problem,) = verify.problems(lock, lock.packages[0], locks.header(signers=("feedfeedfeedfeed",)))
    assert "signed by feedfeedfeedfeed" in problem


@SIGNED
def test_a_signature_that_was_locked_may_not_vanish_even_where_none_is_demanded() -> None:
    lock = lock_of("https://a.example.com", key="cbc39a413991c178")
    (problem,) = verify.problems(lock, lock.packages[0], locks.header())
    assert "cbc39a413991c178 as it was when locked" in problem


def test_an_unreadable_file_is_one_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    assert verify.problems(lock, lock.packages[0], locks.header(problem="unreadable")) == ("bash.rpm: unreadable",)


def test_every_difference_of_a_header_is_told() -> None:
    lock = lock_of("https://a.example.com")
    assert len(verify.problems(lock, lock.packages[0], locks.header(version="9", sigmd5="f" * 32))) == 2


def test_a_repository_without_gpgcheck_demands_no_signature() -> None:
    lock = lock_of("https://a.example.com")
    assert verify.problems(lock, lock.packages[0], locks.header()) == ()


def test_a_declared_directory_covers_its_files() -> None:
    assert sources.Origin(scheme="file", host="", port=None, directory="/srv") == origin_of("file:///srv/")
