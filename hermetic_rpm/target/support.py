"""What a target may say and the resolver does not do yet: it is refused, never left out."""

from __future__ import annotations

from collections.abc import Iterator

from hermetic_rpm.errors import TargetUnsupported
from hermetic_rpm.target.model import Repository, Target

PROXIES = "http://"
"""What a proxy's address begins with: the only kind through which all requests of the resolver can go."""


def unsupported(target: Target) -> tuple[str, ...]:
    """Each thing that keeps the resolver from this target; none if it can be used."""
    return tuple(_unsupported(target))


def require(target: Target) -> None:
    """Raise `TargetUnsupported` if the resolver would have to leave something out."""
    if found := unsupported(target):
        raise TargetUnsupported(f"The target {target.name} is not supported yet by the resolver: {', '.join(found)}.")


def _unsupported(target: Target) -> Iterator[str]:
    if target.package_manager == "yum3":
        yield "package_manager yum3"
    if not target.repositories:
        yield "no repositories"
    if not target.buildroot:
        yield "no packages in buildroot"
    if names := [repository.id for repository in target.every_repository if _other_proxy(repository)]:
        yield f"proxy other than {PROXIES}HOST:PORT ({', '.join(names)})"


def _other_proxy(repository: Repository) -> bool:
    return repository.proxy is not None and not repository.proxy.startswith(PROXIES)
