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
class Trust:
    """Files in PEM that were read once without a fault: whom TLS trusts (None: as the system), and what it shows."""

    bundle: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What was read from the files, ready for use."""

    trust: Trust
    certified: Mapping[Origin, Trust]
    tokens: Mapping[Origin, str] = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)

    def tls(self, origin: Origin) -> Trust | None:
        """What TLS with an origin trusts and shows, None where there is no TLS."""
        return None if origin.scheme == "http" else self.certified.get(origin, self.trust)

    def authorization(self, url: str) -> str | None:
        """The Authorization header for a URL, or None; passwords of a netrc file go over TLS only."""
        origin = origin_of(url)
        if origin in self.tokens:
            return self.tokens[origin]
        return self.passwords.get(origin.host) if origin.scheme == "https" else None


def read(given: Given) -> Access:
    """Read all files; raises `AccessInvalid` naming the file, never what it holds."""
    return Access(
        trust=_checked(Trust(bundle=given.ca_bundle)),
        certified={
            _origin(host): _checked(Trust(bundle=given.ca_bundle, certificate=certificate, key=key))
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


def _checked(trust: Trust) -> Trust:
    """The files, once they were found to be certificates and a key; those of the system are not read here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if trust.bundle is not None:
            context.load_verify_locations(trust.bundle)
    except (OSError, ssl.SSLError) as error:
        raise AccessInvalid(f"{trust.bundle} holds no certificates: {_reason(error)}.") from error
    try:
        if trust.certificate is not None:
            context.load_cert_chain(trust.certificate, trust.key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        files = trust.certificate if trust.key is None else f"{trust.certificate} and {trust.key}"
        raise AccessInvalid(f"{files} are no certificate with its key: {_reason(error)}.") from error
    return trust


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
