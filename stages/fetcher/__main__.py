"""``hermetic-fetch``: the command line of the fetcher."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hermetic_rpm import edge
from hermetic_rpm.errors import HermeticError
from hermetic_rpm.progress import Progress
from stages.fetcher import outdated
from stages.fetcher.access import Given
from stages.fetcher.download import Patience
from stages.fetcher.fetch import Request, fetch
from stages.fetcher.sources import VARIABLE, VARIABLES, Alternatives, Rewrite

FILE = click.Path(path_type=Path)
URL = re.compile(r"(https?://|file:///|docker://)[!-~]+")


class Mirror(edge.Pair):
    """``OLD=NEW``, two URL prefixes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split and check one rewrite."""
        old, new = super().convert(value, param, ctx)
        if not all(URL.fullmatch(url) and url.endswith("/") for url in (old, new)):
            self.fail(f"{value!r} is not two URLs that end in a slash, such as https://old/=https://new/", param, ctx)
        return old, new


class Template(click.ParamType[str]):
    """A URL with variables in its path."""

    name = "template"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check one template."""
        unknown = [name for name in VARIABLE.findall(value) if name not in VARIABLES]
        if unknown:
            self.fail(f"{unknown[0]!r} is no variable; there are {', '.join(VARIABLES)}", param, ctx)
        if not URL.fullmatch(value) or value.count("/", 0, value.find("{")) < 3:
            self.fail(f"{value!r} is no URL with variables in its path only", param, ctx)
        return str(value)


def _several(name: str, kind: click.ParamType[Any], text: str, *, metavar: str | None = None) -> Callable[..., Any]:
    """An option that may be given more than once."""
    return click.option(f"--{name}", multiple=True, type=kind, metavar=metavar, help=text)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--lockfile",
    type=FILE,
    default=Path("/lock/buildroot_lock.json"),
    show_default=True,
    help="The lockfile; its sidecar and keys lie beside it.",
)
@click.option(
    "--output", type=FILE, default=Path("/repo"), show_default=True, help="Directory for the offline repository."
)
@click.option("--cache", type=FILE, help="Directory that keeps packages by their sha256; share it with the resolver.")
@click.option("--sources", type=FILE, help="Directory that gets the source RPMs of all locked packages, too.")
@_several("mirror", Mirror("OLD/=NEW/"), "What lies below the URL OLD is below NEW, too; asked after the lock's own.")
@_several(
    "fallback",
    Template(),
    f"A URL to try after mirrors, with any of {{{'}, {'.join(VARIABLES)}}} in it.",
    metavar="URL",
)
@_several("from", FILE, "A directory (or another offline repository) to look in last.", metavar="DIRECTORY")
@_several(
    "allow-origin",
    click.STRING,
    "A URL whose host may be asked though no repository of the lock declares it; docker://HOST for the image.",
    metavar="URL",
)
@_several("key", FILE, "An OpenPGP key that must have signed the packages of a lock without sidecar.", metavar="FILE")
@click.option("--ca-bundle", type=FILE, help="Certificates (PEM) to trust instead of the system's.")
@_several(
    "client-certificate",
    edge.Pair("HOST=CERTIFICATE[,KEY]"),
    "A client certificate (PEM) for a host (HOST or HOST:PORT).",
)
@_several(
    "bearer-token", edge.Pair("HOST=FILE"), "A file with a token for a host; http://HOST to send it in the clear."
)
@click.option("--netrc", type=FILE, help="A netrc file with passwords, sent to its machines over TLS only.")
@click.option("--registry-auth", type=FILE, help="Logins for registries, as `podman login --authfile` writes them.")
@click.option("--jobs", type=click.IntRange(1, 64), default=10, show_default=True, help="Downloads at a time.")
@click.option(
    "--retries",
    type=click.IntRange(0, 20),
    default=3,
    show_default=True,
    help="How often all addresses of a file are asked again where that may help.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=60,
    show_default=True,
    help="Seconds after which a server that gives (nearly) nothing is given up.",
)
@click.option(
    "--policy",
    type=FILE,
    help="A policy file that the lock must keep before anything is fetched; its origins may be asked, too.",
)
@click.option("--lock-date", type=edge.Date(), help="When the lock was made, for the policy (ISO 8601).")
@click.option(
    "--outdated",
    "only_ask",
    is_flag=True,
    help="Fetch nothing: print what the repositories would give today and what nobody gives any more, as JSON.",
)
@edge.common_options
def main(
    lockfile: Path, output: Path, cache: Path | None, sources: Path | None, log_format: str,
    expect: tuple[tuple[str, str], ...], policy: Path | None, lock_date: datetime | None,
    jobs: int, retries: int, timeout: float, only_ask: bool, **more: Any,
) -> None:  # fmt: skip
    """Download exactly what a lockfile names into a verified offline repository."""
    alternatives = Alternatives(
        rewrites=tuple(Rewrite(old=old, new=new) for old, new in more["mirror"]),
        templates=more["fallback"],
        directories=tuple(directory.absolute() for directory in more["from"]),
    )
    if only_ask:
        question = outdated.Request(
            lockfile=lockfile, allow_origins=more["allow_origin"], alternatives=alternatives, access=_given(more),
            workers=jobs, idle_seconds=timeout,
        )  # fmt: skip
        _say_outdated(question, log_format)
        return
    request = Request(
        lockfile=lockfile, output=output, cache=cache, sources=sources, policy=policy, lock_date=lock_date,
        expected=dict(expect), workers=jobs, patience=Patience(rounds=retries + 1, idle_seconds=timeout),
        allow_origins=more["allow_origin"], keys=more["key"], access=_given(more),
        alternatives=alternatives,
    )  # fmt: skip
    edge.run("fetcher", output, log_format, lambda progress, report: fetch(request, progress, report))


def _say_outdated(question: outdated.Request, log_format: str) -> None:
    progress = Progress(stage="fetcher", log_format=log_format)
    try:
        click.echo(outdated.line(question, progress))
    except HermeticError as error:
        edge.show(progress, error)
        sys.exit(error.exit_code)


def _given(options: dict[str, Any]) -> Given:
    certificates = ((host, *files.partition(",")[::2]) for host, files in options["client_certificate"])
    return Given(
        ca_bundle=options["ca_bundle"],
        client_certificates=tuple((host, Path(cert), Path(key) if key else None) for host, cert, key in certificates),
        bearer_tokens=tuple((host, Path(file)) for host, file in options["bearer_token"]),
        netrc=options["netrc"],
        registry_auth=options["registry_auth"],
    )


if __name__ == "__main__":
    main()
