"""How the repositories of a target are reached: proxies, and what lets the resolver in.

A target names certificates and proxies; the files that belong to these names are the user's, and
stay out of arguments, log and lock.  dnf sees them while it is online, when no package runs.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from hermetic_rpm.errors import AccessInvalid, CertificateMissing
from hermetic_rpm.target.model import Repository, Target

MAX_FILE_BYTES = 1 << 20
DIRECTORY = "access"
"""Beside dnf's configuration."""

CA_BUNDLE = "ca-bundle.pem"
PORT = 80
"""Where a proxy is that names none; to libcurl that would be 1080."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The files as the command line names them: certificates (and keys) by name, logins by proxy (``HOST[:PORT]``)."""

    ca_bundle: Path | None = None
    client_certificates: tuple[tuple[str, Path, Path | None], ...] = ()
    proxy_logins: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A client certificate and its key (PEM)."""

    certificate: bytes
    key: bytes = field(repr=False)
    context: ssl.SSLContext = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What was read from the files, ready for use; ``logins`` are user and password by proxy."""

    ca_bundle: bytes | None = None
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    certificates: Mapping[str, Certificate] = field(default_factory=dict, repr=False)
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def opener(self, repository: Repository) -> urllib.request.OpenerDirector:
        """What opens addresses of a repository: through its proxy, showing its certificate."""
        certificate = self.certificates.get(repository.client_certificate or "")
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=self.trust if certificate is None else certificate.context)
        ]
        if repository.proxy is not None:
            handlers.append(
                urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), self._proxy(repository.proxy)))
            )
        return urllib.request.build_opener(*handlers)

    def _proxy(self, address: str) -> str:
        login = self.logins.get(host_of(address))
        if login is None:
            return address
        user, password = (quote(text, safe="") for text in login)
        return address.replace("://", f"://{user}:{password}@", 1)

    def lines(self, repository: Repository, directory: str) -> list[str]:
        """The lines of dnf's configuration; ``directory`` is where it finds the files of `files`."""
        found = []
        if repository.proxy is not None:
            found.append(f"proxy=http://{host_of(repository.proxy)}")
            if login := self.logins.get(host_of(repository.proxy)):
                found += [f"proxy_username={login[0]}", f"proxy_password={login[1]}", "proxy_auth_method=basic"]
        if self.ca_bundle is not None:
            found.append(f"sslcacert={directory}/{CA_BUNDLE}")
        if (name := repository.client_certificate) is not None:
            found += [f"sslclientcert={directory}/{name}.crt", f"sslclientkey={directory}/{name}.key"]
        return found

    def files(self) -> dict[str, bytes]:
        """The content of each file that those lines name."""
        found = {} if self.ca_bundle is None else {CA_BUNDLE: self.ca_bundle}
        for name, certificate in self.certificates.items():
            found |= {f"{name}.crt": certificate.certificate, f"{name}.key": certificate.key}
        return found


NONE = Access()


def read(given: Given, target: Target) -> Access:
    """Read what a target needs of the files; raises `CertificateMissing`, or `AccessInvalid` naming the file."""
    wanted = {entry.client_certificate: entry.id for entry in target.every_repository if entry.client_certificate}
    files = {name: (certificate, key) for name, certificate, key in given.client_certificates}
    for name, repository in wanted.items():
        if name not in files:
            raise CertificateMissing(
                f"The repository {repository} is read with the client certificate {name}, which was not given.",
                solution=f"Mount certificate and key, and name them: --client-certificate {name}=CERTIFICATE,KEY",
            )
    return Access(
        ca_bundle=None if given.ca_bundle is None else _content(given.ca_bundle),
        trust=None if given.ca_bundle is None else _trust(given.ca_bundle),
        certificates={name: _certificate(given.ca_bundle, *files[name]) for name in sorted(wanted)},
        logins={host_of(f"http://{host}"): _login(path) for host, path in given.proxy_logins},
    )


def host_of(address: str) -> str:
    """The proxy that an address (``http://HOST[:PORT]``) names, as ``HOST:PORT``; raises `AccessInvalid`."""
    try:
        parts = urlsplit(address)
        if parts.hostname and not parts.path.strip("/"):
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return f"{host}:{parts.port or PORT}"
    except ValueError:
        pass
    raise AccessInvalid(f"{address.removeprefix('http://')!r} is no proxy.", solution="Write HOST or HOST:PORT.")


def _certificate(bundle: Path | None, certificate: Path, key: Path | None) -> Certificate:
    """A certificate that fits its key, which may stand in the same file."""
    context = _trust(bundle)
    files = certificate if key is None else f"{certificate} and {key}"
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise AccessInvalid(f"{files} are no certificate with its key: {_reason(error)}.") from error
    return Certificate(certificate=_content(certificate), key=_content(key or certificate), context=context)


def _trust(bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if bundle is None else str(bundle))
    except (OSError, ssl.SSLError) as error:
        raise AccessInvalid(f"{bundle} holds no certificates: {_reason(error)}.") from error


def _no_password() -> str:
    raise ValueError("the key wants a passphrase, and nobody is there to give one")


def _login(path: Path) -> tuple[str, str]:
    """``USER:PASSWORD`` on one line."""
    try:
        text = _content(path).decode().strip()
    except UnicodeError as error:
        raise _no_login(path) from error
    user, separator, password = text.partition(":")
    if not user or not separator or not text.isprintable() or text != text.strip():
        raise _no_login(path)
    return user, password


def _no_login(path: Path) -> AccessInvalid:
    return AccessInvalid(f"{path} does not hold USER:PASSWORD on one line.")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AccessInvalid(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_FILE_BYTES:
        raise AccessInvalid(f"{path} is too large for what it should hold.")
    return content


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
