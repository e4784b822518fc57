"""How the fetcher talks to servers: broken downloads, silent servers, credentials, proxies; and where else it looks."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from demo import signing
from hermetic_rpm.errors import AccessInvalid, DiskFull, DownloadFailed, OutputRefused, VerificationFailed
from hermetic_rpm.files import sha256_of
from hermetic_rpm.image.manifest import Image
from tests.support import fetching, servers
from tests.support.fetching import ROOT, Case, Room
from tests.support.server import serving

RESUME = pytest.mark.promise("4.4", "a broken download resumes by range, and only where the file is still the same")
SILENT = pytest.mark.promise("4.4", "a server that gives nothing is given up")
SECRET = pytest.mark.promise(
    "4.4", "client certificates, netrc and bearer tokens are used for their hosts only, and never shown"
)
FOLLOWS = pytest.mark.promise("4.4", "no credential follows a redirect to another host")
ORDER = pytest.mark.promise(
    "4.2", "cache, canonical URL, mirrors, rewrites, fallbacks and directories are asked in this order"
)
FAULTS = pytest.mark.promise(
    "4.bad", "every fault of the table is a clear error with its own exit code, and nothing is lost or half-named"
)
BAD = "demo-epoch-1.0-1.demo1.noarch.rpm"
WORD = "a-secret-of-the-test"


def ranges(case: Case) -> list[str]:
    """The ranges that were asked for of the file that is spoilt."""
    return [
        seen.get("range", "") for path, seen in zip(case.server.asked, case.server.seen, strict=True) if BAD in path
    ]


# -- broken downloads -----------------------------------------------------------------------


@RESUME
@pytest.mark.parametrize("fault", ["truncated", "stall"])
def test_a_broken_download_goes_on_where_it_broke(case: Case, fault: str) -> None:
    case.server.faults[BAD] = (fault, "ok")
    ran = case.room.fetch("--timeout", "1")
    assert ran.code == 0, ran.err
    assert case.sound()
    half = next(path for path in case.files if path.name == BAD).stat().st_size // 2
    assert ranges(case) == ["", f"bytes={half}-"]


@RESUME
@pytest.mark.parametrize("second", ["whole", "elsewhere", "unwilling", "changed", "status:503"])
def test_a_server_that_does_not_go_on_is_asked_for_the_whole(case: Case, second: str) -> None:
    case.server.faults[BAD] = ("truncated", second, "ok")
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert case.sound()
    assert ranges(case)[0] == ""
    assert ranges(case)[1].startswith("bytes=")


@RESUME
def test_a_file_that_changed_in_the_middle_is_not_put_together(case: Case) -> None:
    """The first half is of another version: what is there then is thrown away."""
    case.server.faults[BAD] = ("changed", "ok")
    ran = case.room.fetch()
    assert ran.code == 0, ran.err
    assert case.sound()


@SILENT
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hang", "timed out"),
        ("stall", "timed out"),
        ("drip", "bytes a second"),
        ("headers", "timed out"),
        ("chunks", "timed out"),
    ],
)
def test_a_server_that_gives_nothing_is_given_up(case: Case, fault: str, words: str) -> None:
    case.server.faults[BAD] = (fault,)
    ran = case.room.fetch("--timeout", "1", "--retries", "1")
    assert ran.code == DownloadFailed.exit_code, ran.err
    assert ran.said(f"{BAD}: ", words)


# -- credentials ------------------------------------------------------------------------------


@SECRET
@FOLLOWS
def test_a_token_goes_to_its_host_and_to_no_other(case: Case, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{WORD}\n")
    case.server.demand = f"Bearer {WORD}"
    with serving(case.files[0].parent) as other:
        case.lock(case.server.url, other.url)
        case.server.faults[BAD] = (f"redirect:{other.url}/{BAD}",)
        ran = case.room.fetch("--bearer-token", f"{case.server.url}={token}")
        assert ran.code == 0, ran.err
        assert other.asked == [f"/{BAD}"]
        assert "authorization" not in other.seen[0]
    assert case.sound()
    for text in (ran.err, *(path.read_text() for path in case.room.repo.glob("*.json"))):
        assert WORD not in text


@SECRET
def test_a_token_that_is_not_accepted_is_not_shown(case: Case, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(WORD)
    case.server.demand = "Bearer another one"
    ran = case.room.fetch("--bearer-token", f"{case.server.url}={token}")
    assert ran.code == DownloadFailed.exit_code
    assert ran.said("HTTP 401")
    assert WORD not in ran.err


@SECRET
def test_passwords_do_not_go_over_the_wire_in_the_clear(case: Case, tmp_path: Path) -> None:
    secrets = tmp_path / ".netrc"
    secrets.write_text(f"machine 127.0.0.1 login somebody password {WORD}\ndefault login x password {WORD}\n")
    ran = case.room.fetch("--netrc", str(secrets), env={"HOME": str(tmp_path), "NETRC": str(secrets)})
    assert ran.code == 0, ran.err
    assert all("authorization" not in seen for seen in case.server.seen)


@SECRET
@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--bearer-token=127.0.0.1={}", "two words"),
        ("--bearer-token=127.0.0.1={}", ""),
        ("--bearer-token=http://127.0.0.1/path={}", WORD),
        ("--netrc={}", f"password {WORD}"),
        ("--client-certificate=127.0.0.1={}", WORD),
        ("--ca-bundle={}", WORD),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_shown(
    case: Case, tmp_path: Path, option: str, content: str
) -> None:  # fmt: skip
    file = tmp_path / "file"
    file.write_text(content)
    ran = case.room.fetch(option.format(file))
    assert ran.code == AccessInvalid.exit_code, ran.err
    assert WORD not in ran.err
    assert "Traceback" not in ran.err
    assert case.server.asked == []


@pytest.fixture
def guarded(demo: Path, tmp_path: Path) -> Iterator[tuple[str, tuple[str, ...], dict[str, Path]]]:
    """nginx with TLS that wants a client certificate and a password; its URL, the options, the files."""
    certificate, key = servers.certificate(tmp_path, "server")
    client, client_key = servers.certificate(tmp_path, "client")
    users = subprocess.run(
        (servers.program("htpasswd"), "-nbB", "somebody", WORD), check=True, capture_output=True, text=True
    ).stdout
    (tmp_path / "users").write_text(users)
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1\nlogin somebody\npassword {WORD}\n")
    more = (
        f"ssl_certificate {certificate};\nssl_certificate_key {key};\nssl_client_certificate {client};\n"
        f"ssl_verify_client on;\nauth_basic demo;\nauth_basic_user_file {tmp_path / 'users'};\n"
    )
    with servers.nginx(tmp_path, demo / "repo", listen=" ssl", more=more) as port:
        options = {
            "--ca-bundle": certificate, "--netrc": tmp_path / "netrc",
            "--client-certificate": f"127.0.0.1:{port}={client},{client_key}",
        }  # fmt: skip
        yield (
            f"https://127.0.0.1:{port}/Packages",
            tuple(f"{name}={value}" for name, value in options.items()),
            {"certificate": certificate},
        )


@SECRET
@pytest.mark.promise("4.4", "a CA bundle of one's own is trusted")
def test_nginx_with_tls_a_client_certificate_and_a_password(
    guarded: tuple[str, tuple[str, ...], dict[str, Path]], tiny: Image, tiny_layout: Path, tmp_path: Path
) -> None:
    url, options, files = guarded
    room = Room(directory=tmp_path / "work")
    fetching.write_lock(room, fetching.rpms(), (url,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
    for left_out, words in (("--ca-bundle", "TLS failed"), ("--client", "HTTP 400"), ("--netrc", "HTTP 401")):
        refused = room.fetch(*(option for option in options if not option.startswith(left_out)))
        assert refused.code == DownloadFailed.exit_code, left_out
        assert refused.said(words), (left_out, refused.err)
    system = room.fetch(*options[1:], env={"SSL_CERT_FILE": str(files["certificate"])})
    assert system.code == 0, system.err
    shutil.rmtree(room.repo)
    room.repo.mkdir()
    ran = room.fetch(*options)
    assert ran.code == 0, ran.err
    assert WORD not in ran.err


@pytest.mark.promise("4.4", "proxies are honoured")
def test_a_proxy_is_asked_for_what_nobody_else_reaches(case: Case) -> None:
    case.lock("http://repository.invalid/os")
    shutil.copytree(case.files[0].parent, case.files[0].parent / "os", dirs_exist_ok=True)
    ran = case.room.fetch(env={"http_proxy": case.server.url})
    assert ran.code == 0, ran.err
    assert {path.partition("/os/")[0] for path in case.server.asked} == {"http://repository.invalid"}
    assert case.sound()


@pytest.mark.promise("4.4", "proxies are honoured")
def test_tls_passes_a_proxy_in_a_tunnel(
    guarded: tuple[str, tuple[str, ...], dict[str, Path]], tiny: Image, tiny_layout: Path, tmp_path: Path
) -> None:
    url, options, _ = guarded
    room = Room(directory=tmp_path / "work")
    fetching.write_lock(room, fetching.rpms(), (url,), image=tiny, image_locations=(f"oci:{tiny_layout}:latest",))
    with servers.tunnels() as (port, heads):
        ran = room.fetch(*options, env={"https_proxy": f"http://some%40body:{WORD}@127.0.0.1:{port}"})
    assert ran.code == 0, ran.err
    login = base64.b64encode(f"some@body:{WORD}".encode())
    assert heads
    assert all(head.startswith(f"CONNECT {urlsplit(url).netloc} ".encode()) for head in heads)
    assert all(b"Proxy-Authorization: Basic " + login in head for head in heads)
    assert WORD not in ran.err


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(case: Case, proxy: str) -> None:
    ran = case.room.fetch(env={"http_proxy": proxy.replace("//", f"//me:{WORD}@")})
    assert ran.code == DownloadFailed.exit_code
    assert ran.said("the proxy that the environment names is not http://HOST:PORT")
    assert WORD not in ran.err


# -- where else -------------------------------------------------------------------------------


@ORDER
def test_rewrites_templates_and_directories_help_where_the_repository_has_died(case: Case, tmp_path: Path) -> None:
    rpms = tmp_path / "rpms/deep"
    rpms.mkdir(parents=True)
    names = [path.name for path in case.files]
    shutil.copy(case.files[0], rpms)
    with serving(case.files[0].parent) as mirror, serving(case.files[0].parent) as koji:
        mirror.faults = {names[0]: ("missing",), names[1]: ("missing",)}
        koji.faults = {names[0]: ("wrong",)}
        case.lock("http://127.0.0.1:1/os", "http://127.0.0.1:1/mirror")
        ran = case.room.fetch(
            "--mirror", f"http://127.0.0.1:1/os/={mirror.url}/", "--fallback", f"{koji.url}/{{file}}",
            "--from", str(tmp_path / "rpms"), "--retries", "0",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert len(mirror.asked) == len(names)
        assert {unquote(path)[1:] for path in koji.asked} == {names[0], names[1]}
    assert case.sound()
    assert ran.said(f"{koji.url}/", "its sha256 is")


@ORDER
def test_a_dead_repository_is_told_once_and_asked_last(case: Case) -> None:
    case.lock("http://127.0.0.1:1/os", case.server.url)
    ran = case.room.fetch("--jobs", "1")
    assert ran.code == 0, ran.err
    assert ran.err.count("warning: http://127.0.0.1:1/os/") == 3
    assert len(case.server.asked) == len(case.files)


@pytest.mark.promise("4.2", "what fails everywhere is listed in full at the end")
def test_everything_that_fails_is_listed_at_once(case: Case) -> None:
    names = [path.name for path in case.files]
    case.server.faults = {names[0]: ("missing",), names[1]: ("wrong",), names[2]: ("status:503",)}
    ran = case.room.fetch("--retries", "0", cache=True)
    assert ran.code == DownloadFailed.exit_code
    text = ran.err[ran.err.index("Nobody gives:") :]
    assert [name for name in names if f"{name}: " in text] == sorted(names[:3])
    case.server.faults.clear()
    asked = len(case.server.asked)
    assert case.room.fetch(cache=True).code == 0
    assert len(case.server.asked) == asked + 3  # the others are in the cache


@ORDER
def test_another_offline_repository_gives_packages_and_image(case: Case, tmp_path: Path) -> None:
    assert case.room.fetch().code == 0
    again = Room(directory=tmp_path / "again")
    fetching.write_lock(
        again, case.files, ("http://127.0.0.1:1/os",), image=case.image,
        image_locations=("docker://127.0.0.1:1/tiny:latest",),
    )  # fmt: skip
    ran = again.fetch("--from", str(case.room.repo), "--retries", "0")
    assert ran.code == 0, ran.err
    assert again.tree().keys() == case.room.tree().keys()


@ORDER
def test_without_a_sidecar_the_next_source_helps_where_the_header_is_wrong(case: Case, tmp_path: Path) -> None:
    served = tmp_path / "served"
    shutil.copytree(case.files[0].parent, served)
    shutil.copy(next(path for path in case.files if path.name != BAD), served / BAD)
    with serving(served) as liar:
        case.lock(liar.url, with_sidecar=False)
        (case.room.directory / "lock/key.asc").write_bytes(fetching.KEY.read_bytes())
        ran = case.room.fetch(
            "--allow-origin", liar.url, "--mirror", f"{liar.url}/={case.server.url}/",
            "--from", str(_carried(case, tmp_path)), "--key", str(fetching.KEY),
        )  # fmt: skip
    assert ran.code == 0, ran.err
    assert case.sound()
    assert ran.said(f"warning: {liar.url}/{BAD}: ", "its name is")


def _carried(case: Case, tmp_path: Path) -> Path:
    """A directory with nothing but the image, where another offline repository has it."""
    place = tmp_path / f"carried/localhost/hermetic-rpm/tiny@{case.image.identity.pull_digest}"
    shutil.copytree(case.image.directory, place)
    return tmp_path / "carried"


@pytest.mark.promise("4.1", "keys can be given for a lock that has no sidecar")
def test_a_lock_without_sidecar_and_a_key_of_somebody_else(case: Case, tmp_path: Path) -> None:
    with signing.opened_key(tmp_path / "secret.asc") as key:
        key.export(tmp_path / "other.asc")
    case.lock(with_sidecar=False)
    ran = case.room.fetch(
        "--allow-origin", case.server.url, "--from", str(_carried(case, tmp_path)), "--key", str(tmp_path / "other.asc")
    )  # fmt: skip
    assert ran.code == VerificationFailed.exit_code
    assert ran.err.count("must be signed by a given key; signed by") == len(case.files)


# -- what a hostile or poor machine does ---------------------------------------------------------


@FAULTS
def test_a_full_disk_is_said_and_leaves_nothing(case: Case) -> None:
    ran = _mounted(case, "mount -t tmpfs -o size=16k none")
    assert ran.returncode == DiskFull.exit_code, ran.stderr
    assert "No space left" in ran.stderr
    assert case.room.fetch().code == 0


@FAULTS
def test_an_output_that_cannot_be_written_is_said(case: Case) -> None:
    ran = _mounted(case, "mount -t tmpfs -o ro none")
    assert ran.returncode == OutputRefused.exit_code, ran.stderr
    assert case.server.asked == []


def _mounted(case: Case, mount: str) -> subprocess.CompletedProcess[str]:
    """Run the fetcher with something else mounted at its output, in a mount namespace of its own."""
    script = f'{mount} "$1" && shift && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", script, "-", str(case.room.repo), *case.room.command())
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))


@FAULTS
def test_headers_made_to_crash_a_parser_are_all_named(case: Case, tmp_path: Path) -> None:
    """A lock whose checksums are those of damaged files: only the headers tell."""
    served = tmp_path / "served"
    served.mkdir()
    damaged = []
    for number, path in enumerate(case.files):
        content = bytearray(path.read_bytes())
        content[96 + 8 : 96 + 16] = bytes((0x7F, 0xFF, 0xFF, number)) * 2
        (served / path.name).write_bytes(content)
        damaged.append(served / path.name)
    with serving(served) as server:
        case.lock(server.url)
        _relock(case, damaged)
        ran = case.room.fetch()
    assert ran.code == VerificationFailed.exit_code, ran.err
    assert all(ran.said(f"{path.name}: ") for path in damaged)
    assert "Traceback" not in ran.err
    assert list(case.room.repo.glob("*.rpm")) == []


def _relock(case: Case, files: list[Path]) -> None:
    """Make the sidecar say the sha256 and size of other files."""
    path = case.room.directory / "lock/buildroot_lock.sources.json"
    side = json.loads(path.read_text())
    by_name = {file.name: file for file in files}
    for row in side["rpms"]:
        file = by_name[row["location"]]
        row |= {"sha256": sha256_of(file), "size": file.stat().st_size}
    path.write_text(json.dumps(side))
