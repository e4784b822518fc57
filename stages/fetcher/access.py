"""What a user gives so that servers let the fetcher in: files with certificates, tokens, passwords.

Secrets come from files only, are used for the host they are given for and for no other one,
and never get into a message: no value of this module shows them.
"""

from __future__ import annotations

import base64
import netrc
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hermetic_rpm.errors import AccessInvalid
from stages.fetcher.origins import Origin, origin_of

MAX_SECRET_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The files as the command line names them; hosts are ``HOST[:PORT]`` (https) or ``http://HOST[:PORT]``."""

    ca_bundle: Path | None = None
    client_certificates: tuple[tuple[str, Path, Path | None], ...] = ()
    bearer_tokens: tuple[tuple[str, Path], ...] = ()
    netrc: Path | None = None
    registry_auth: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What was read from the files, ready for use."""

    trust: ssl.SSLContext | None = field(repr=False)
    certified: Mapping[Origin, ssl.SSLContext] = field(repr=False)
    tokens: Mapping[Origin, str] = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)

    def tls(self, origin: Origin) -> ssl.SSLContext | None:
        """What TLS with an origin trusts and shows; what the system trusts takes 20 ms to read, so only when needed."""
        return None if origin.scheme == "http" else self.certified.get(origin) or self.trust or _context(None)

    def authorization(self, url: str) -> str | None:
        """The Authorization header for a URL, or None; passwords of a netrc file go over TLS only."""
        origin = origin_of(url)
        if origin in self.tokens:
            return self.tokens[origin]
        return self.passwords.get(origin.host) if origin.scheme == "https" else None


def read(given: Given) -> Access:
    """Read all files; raises `AccessInvalid` naming the file, never what it holds."""
    return Access(
        trust=None if given.ca_bundle is None else _context(given.ca_bundle),
        certified={
            _origin(host): _context(given.ca_bundle, certificate, key)
            for host, certificate, key in given.client_certificates
        },
        tokens={_origin(host): f"Bearer {_token(path)}" for host, path in given.bearer_tokens},
        passwords={} if given.netrc is None else _passwords(given.netrc),
    )


def _origin(host: str) -> Origin:
    url = host if "://" in host else f"https://{host}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.query or parts.fragment:
        raise AccessInvalid(f"{host!r} is no host.", solution="Write HOST, HOST:PORT or http://HOST:PORT.")
    return origin_of(url)


def _context(bundle: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """TLS that trusts the bundle, or else what the system (or SSL_CERT_FILE) says."""
    try:
        context = ssl.create_default_context(cafile=None if bundle is None else str(bundle))
    except (OSError, ssl.SSLError) as error:
        raise AccessInvalid(f"{bundle} holds no certificates: {_reason(error)}.") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            files = certificate if key is None else f"{certificate} and {key}"
            raise AccessInvalid(f"{files} are no certificate with its key: {_reason(error)}.") from error
    return context


def _no_password() -> str:
    raise ValueError("the key wants a passphrase, and nobody is there to give one")


def _token(path: Path) -> str:
    token = _text(path).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise AccessInvalid(f"{path} does not hold one token on one line.")
    return token


def _passwords(path: Path) -> dict[str, str]:
    """The machines of a netrc file; its ``default`` is left out, since any mirror would get it."""
    _text(path)
    try:
        machines = netrc.netrc(str(path)).hosts
    except netrc.NetrcParseError as error:
        raise AccessInvalid(f"{path}, line {error.lineno}: this is no netrc file.") from error
    return {
        name.lower(): "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()
        for name, (login, _, password) in machines.items()
        if name != "default"
    }


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
        if len(content) > MAX_SECRET_BYTES:
            raise AccessInvalid(f"{path} is too large for what it should hold.")
        return content.decode()
    except OSError as error:
        raise AccessInvalid(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise AccessInvalid(f"{path} is no text.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
