"""Which addresses the fetcher may ask, and what it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.errors import AccessInvalid, OriginRefused
from hermetic_rpm.lock.model import Lock, LockedRpm, Package, RepositorySource
from stages.fetcher import origins, verify
from stages.fetcher.origins import allowed_origins, declared_only, is_allowed, origin_of
from stages.fetcher.sources import Alternatives, Rewrite, image_locations, index, urls
from tests.support import locks

DECLARED = pytest.mark.promise("2.4", "nothing is asked of an origin that nobody declared")
ORDER = pytest.mark.promise(
    "4.2", "cache, canonical URL, mirrors, rewrites, fallbacks and directories are asked in this order"
)
KEYS = pytest.mark.promise("4.1", "keys can be given for a lock that has no sidecar")
SIGNED = pytest.mark.promise("2.4", "a package without the signature that its repository demands is refused")


def lock_of(*bases: str, location: str = "Packages/bash.rpm", gpgcheck: bool = False, key: str | None = None) -> Lock:
    repository = RepositorySource(id="demo", base_urls=bases, gpgcheck=gpgcheck)
    return locks.joined((locks.rpm(), locks.source(location, key=key)), repositories=(repository,))


def addresses(lock: Lock) -> dict[Package, tuple[str, ...]]:
    return {package: urls(lock, package) for package in lock.packages}


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
        declared_only(addresses(lock), allowed_origins(lock, ("https://mirror.example.com",)))
    assert caught.value.reason.count("evil.example.org") == 10
    assert "2 more" in caught.value.reason
    assert "--allow-origin" in caught.value.solution


@DECLARED
def test_a_lock_without_a_sidecar_declares_no_origin() -> None:
    lock = locks.bare(locks.rpm())
    assert allowed_origins(lock, ()) == frozenset()
    named = allowed_origins(lock, ("https://mirror.example.com/anything",))
    assert declared_only(addresses(lock), named) == addresses(lock)


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


@DECLARED
def test_an_address_outside_is_left_out_where_another_one_is_declared() -> None:
    lock = locks.bare(locks.rpm(url="https://evil.example.org/bash.rpm"))
    package = lock.packages[0]
    both = {package: ("https://evil.example.org/bash.rpm", "file:///srv/rpms/bash.rpm")}
    assert declared_only(both, allowed_origins(lock, ("file:///srv/rpms",))) == {package: both[package][1:]}


# -- what a user adds ---------------------------------------------------------------------


@ORDER
def test_mirrors_rewrites_templates_and_directories_are_asked_in_this_order(tmp_path: Path) -> None:
    file = tmp_path / "repo" / "deep" / "bash.rpm"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    lock = lock_of("https://a.example.com/os", "https://b.example.com/os")
    more = Alternatives(
        rewrites=(Rewrite(old="https://a.example.com/", new="https://c.example.com/copy/"),),
        templates=("https://koji.example.com/{name}/{version}/{release}/{arch}/{file}",),
        directories=(tmp_path,),
    )
    assert urls(lock, lock.packages[0], more, index(more.directories)) == (
        "https://a.example.com/os/Packages/bash.rpm",
        "https://b.example.com/os/Packages/bash.rpm",
        "https://c.example.com/copy/os/Packages/bash.rpm",
        "https://koji.example.com/bash/5.2/1.demo1/x86_64/bash.rpm",
        f"file://{file}",
    )


def test_a_template_quotes_what_it_is_filled_with() -> None:
    lock = locks.bare(locks.rpm("g++", url="https://a.example.com/g%2B%2B%20x.rpm"))
    more = Alternatives(templates=("https://k.example.com/{name}?{epoch}/{file}",))
    assert urls(lock, lock.packages[0], more)[1] == "https://k.example.com/g++?0/g++%20x.rpm"


@pytest.mark.parametrize("rpm", [locks.rpm(version=".."), locks.rpm(signature=None)], ids=["dots", "unsigned"])
def test_a_template_that_asks_for_what_is_not_known_is_left_out(rpm: LockedRpm) -> None:
    lock = locks.bare(rpm)
    more = Alternatives(templates=("https://k.example.com/{version}/{key}/{file}",))
    assert len(urls(lock, lock.packages[0], more)) == 1


def test_naming_an_alternative_names_its_origin() -> None:
    more = Alternatives(
        rewrites=(Rewrite(old="https://a.example.com/", new="https://c.example.com/copy/"),),
        templates=("https://koji.example.com/{name}/{file}",),
        directories=(Path("/srv/my rpms"),),
    )
    assert {str(origin) for origin in allowed_origins(locks.bare(locks.rpm()), more.named)} == {
        "https://c.example.com:443", "https://koji.example.com:443", "file:///srv/my rpms",
    }  # fmt: skip


def test_a_directory_is_searched_by_name_and_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    for name in ("b/x.rpm", "a/x.rpm", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert index((tmp_path,)) == {"x.rpm": (tmp_path / "a/x.rpm", tmp_path / "b/x.rpm")}


# -- the image ----------------------------------------------------------------------------


def test_the_image_is_asked_for_by_digest_where_its_place_can_say_so() -> None:
    side = locks.beside(locks.locked())
    assert side.image.locations == ("docker://registry.example.com/bootstrap:latest",)
    assert image_locations(lock_of("https://a.example.com")) == (
        f"docker://registry.example.com/bootstrap@{locks.MANIFEST}",
    )


@pytest.mark.promise("4.3", "the image's registry needs to be declared, named or allowed by the policy")
def test_without_a_sidecar_the_image_comes_from_its_reference_once_its_registry_is_named() -> None:
    lock = locks.bare(locks.rpm())
    found = (f"docker://registry.example.com/bootstrap@{locks.MANIFEST}",)
    assert image_locations(lock, registries=("registry.example.com",)) == found
    for registries in ((), ("registry.example.com.evil.org",), ("example.com",)):
        with pytest.raises(OriginRefused) as caught:
            image_locations(lock, registries=registries)
        assert "--allow-origin docker://registry.example.com" in caught.value.solution


def test_an_image_can_come_from_another_registry_or_offline_repository(tmp_path: Path) -> None:
    carried = tmp_path / f"registry.example.com/bootstrap@{locks.MANIFEST}"
    carried.mkdir(parents=True)
    rewrite = Rewrite(old="docker://registry.example.com/", new="docker://mirror.example.org:5000/x/")
    assert image_locations(
        lock_of("https://a.example.com"), Alternatives(rewrites=(rewrite,), directories=(tmp_path,))
    ) == (
        f"docker://registry.example.com/bootstrap@{locks.MANIFEST}",
        f"docker://mirror.example.org:5000/x/bootstrap@{locks.MANIFEST}",
        f"dir:{carried}",
    )  # fmt: skip


# -- verification -------------------------------------------------------------------------


@SIGNED
def test_a_verified_package_has_no_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True, key="cbc39a413991c178")
    sound = locks.header(signers=("cbc39a413991c178",), verified_by="keys/demo-1.asc")
    assert verify.problems(lock, lock.packages[0], sound, keys=False) == ()


@SIGNED
def test_an_unsigned_package_of_a_signed_repository_is_a_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    (problem,) = verify.problems(lock, lock.packages[0], locks.header(), keys=False)
    assert "demands a signature" in problem
    assert "signed by nobody" in problem


@SIGNED
def test_a_signature_by_another_key_names_its_signer() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    (problem,) = verify.problems(lock, lock.packages[0], locks.header(signers=("feedfeedfeedfeed",)), keys=False)
    assert "signed by feedfeedfeedfeed" in problem


@SIGNED
def test_a_signature_that_was_locked_may_not_vanish_even_where_none_is_demanded() -> None:
    lock = lock_of("https://a.example.com", key="cbc39a413991c178")
    (problem,) = verify.problems(lock, lock.packages[0], locks.header(), keys=False)
    assert "cbc39a413991c178 as it was when locked" in problem


def test_an_unreadable_file_is_one_problem() -> None:
    lock = lock_of("https://a.example.com", gpgcheck=True)
    assert verify.problems(lock, lock.packages[0], locks.header(problem="unreadable"), keys=False) == (
        "bash.rpm: unreadable",
    )


def test_every_difference_of_a_header_is_told() -> None:
    lock = lock_of("https://a.example.com")
    assert len(verify.problems(lock, lock.packages[0], locks.header(version="9", sigmd5="f" * 32), keys=False)) == 2


def test_a_repository_without_gpgcheck_demands_no_signature() -> None:
    lock = lock_of("https://a.example.com")
    assert verify.problems(lock, lock.packages[0], locks.header(), keys=False) == ()


@KEYS
def test_keys_given_for_a_lock_without_sidecar_must_have_signed_everything() -> None:
    lock = locks.bare(locks.rpm())
    (problem,) = verify.problems(lock, lock.packages[0], locks.header(), keys=True)
    assert "must be signed by a given key; signed by nobody" in problem
    assert verify.problems(lock, lock.packages[0], locks.header(verified_by="key.asc"), keys=True) == ()


@KEYS
def test_keys_are_not_added_to_those_of_a_lock(tmp_path: Path) -> None:
    with pytest.raises(AccessInvalid, match="brings its keys"):
        verify.certificates(lock_of("https://a.example.com"), tmp_path, (tmp_path / "key.asc",))
    with pytest.raises(AccessInvalid, match="does not exist"):
        verify.certificates(locks.bare(locks.rpm()), tmp_path, (tmp_path / "key.asc",))


def test_a_declared_directory_covers_its_files() -> None:
    assert origins.Origin(scheme="file", host="", port=None, directory="/srv") == origin_of("file:///srv/")
