"""A target made of what a chroot configuration of Mock sets: pure.

Only facts become part of it: addresses, names of packages, numbers, macros.  What is not taken over is told.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.document import yaml_text
from hermetic_rpm.errors import MockConfigUnusable, TargetInvalid
from hermetic_rpm.target import dnfconf, load
from hermetic_rpm.target.dnfconf import Section
from hermetic_rpm.target.load import BUILD_MACROS

FEDORA = "fedora:latest"
"""The image of configurations that name none: they use what the host has, but a target needs an image."""

PACKAGE_MANAGERS = {"dnf5": "dnf5", "dnf": "dnf4", "dnf4": "dnf4", "yum": "yum3"}

SAME_HERE = {
    "main": {
        "assumeyes", "best", "cachedir", "countme", "debuglevel", "exclude", "excludepkgs", "gpgcheck",
        "install_weak_deps", "keepcache", "logfile", "mdpolicy", "metadata_expire", "module_platform_id", "obsoletes",
        "protected_packages", "proxy", "reposdir", "retries", "syslog_device", "syslog_ident", "system_cachedir",
        "timeout", "user_agent",
    },
    "repository": {
        "baseurl", "cost", "countme", "enabled", "exclude", "excludepkgs", "failovermethod",
        "fastestmirror", "gpgcheck", "gpgkey", "metadata_expire", "metalink", "mirrorlist", "module_hotfixes", "name",
        "priority", "proxy", "repo_gpgcheck", "retries", "timeout", "type",
    },
}  # fmt: skip
"""Options that the target has, that the resolver sets as a resolve needs them, or that change no result."""

CERTIFICATE_OPTIONS = ("sslcacert", "sslclientcert", "sslclientkey")
SUBSCRIPTION = "redhat-subscription"
"""The certificate's name where the configuration says that a subscription of Red Hat is needed."""


ACTIONS = ("enable", "disable", "install", "reset")
INSTALLED = ": the stream is enabled, but no profile of it installed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """A target document (YAML), and what of the configuration it does not say."""

    name: str
    content: bytes
    left_out: tuple[str, ...]


def imported(name: str, options: Mapping[str, Any], *, place: str) -> Imported:
    """The target of an evaluated configuration; raises `MockConfigUnusable`.

    ``place`` is where the configurations are from, for instance an address with a commit; it may be empty.
    """
    left_out: list[str] = []
    try:
        content = yaml_text(_document(name, options, place, left_out)).encode()
        load.read(content, f"the target of {name}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MockConfigUnusable(f"No target can be made of {name}: {error}.") from error
    except TargetInvalid as error:
        raise MockConfigUnusable(f"No target can be made of {name}: {error.reason}") from error
    return Imported(name=name, content=content, left_out=tuple(dict.fromkeys(left_out)))


def _document(name: str, options: Mapping[str, Any], place: str, left_out: list[str]) -> dict[str, Any]:
    main, sections = dnfconf.parse(options.get("dnf.conf") or "")
    architecture = options["target_arch"]
    releasever = None if options.get("releasever") is None else str(options["releasever"])
    manager = _package_manager(options)
    values = dnfconf.variables(architecture, releasever, options["dnf_vars"])
    certificate = SUBSCRIPTION if options["redhat_subscription_required"] else None
    enabled = [section for section in sections if section.flag("enabled", default=True)]
    left_out += _left_out(options, main, sections, enabled)
    document = {
        "version": 1,
        "description": options.get("description"),
        "origin": {"mock_config": name, **({"from": place} if place else {})},
        "architecture": architecture,
        "legal_host_arches": list(options.get("legal_host_arches") or (architecture,)),
        "image": {
            "reference": options["bootstrap_image"],
            "ready": _has_image(options) and bool(options["bootstrap_image_ready"]),
        },
        "package_manager": manager,
        "options": _main_options(main, manager),
        **_modules(options, left_out),
        "module_platform_id": main.options.get("module_platform_id"),
        "repositories": [_repository(section, main, values, certificate) for section in enabled],
        "buildroot": _buildroot(options),
        "dist": options.get("dist") or None,
        "releasever": releasever,
        "macros": _macros(options["macros"]),
    }
    optional = (
        "description",
        "options",
        "module_streams",
        "disabled_modules",
        "module_platform_id",
        "dist",
        "releasever",
        "macros",
    )
    return {key: value for key, value in document.items() if value or key not in optional}


def _package_manager(options: Mapping[str, Any]) -> str:
    name = options["package_manager"]
    if name not in PACKAGE_MANAGERS:
        raise ValueError(f"the package manager {name} is none of {', '.join(PACKAGE_MANAGERS)}")
    if not _has_image(options) and options["bootstrap_image"] == FEDORA and name != "yum":
        return "dnf5"
    return PACKAGE_MANAGERS[name]


def _has_image(options: Mapping[str, Any]) -> bool:
    return bool(options["use_bootstrap"] and options["use_bootstrap_image"])


def _main_options(main: Section, manager: str) -> dict[str, bool | int]:
    """The options whose value is not the resolver's own; weak dependencies are dnf's default."""
    found: dict[str, bool | int] = {}
    if manager != "yum3" and main.flag("install_weak_deps", default=True):
        found["install_weak_deps"] = True
    if not main.flag("best", default=True):
        found["best"] = False
    for option in ("retries", "timeout"):
        if (number := main.number(option)) is not None:
            found[option] = number
    return found


def _modules(options: Mapping[str, Any], left_out: list[str]) -> dict[str, list[str]]:
    """The streams in the end: each command changes what those before it chose of a module."""
    commands = [
        *(("enable", streams) for streams in options["module_enable"]),
        *(("install", streams) for streams in options["module_install"]),
        *((action, streams) for action, streams in options["module_setup_commands"]),
    ]
    chosen: dict[str, str | None] = {}
    for action, streams in commands:
        for spec in re.findall(r"[^\s,]+", streams or ""):
            name, _, stream = spec.partition("/")[0].partition(":")
            if action == "disable":
                chosen[name] = None
            elif action == "reset":
                chosen.pop(name, None)
            elif stream and action in {"enable", "install"}:
                chosen[name] = stream
            if action == "install" or (action == "enable" and not stream) or action not in ACTIONS:
                left_out.append(f"module {action} {spec}{INSTALLED if action == 'install' and stream else ''}")
    return {
        "module_streams": [f"{name}:{stream}" for name, stream in chosen.items() if stream is not None],
        "disabled_modules": [name for name, stream in chosen.items() if stream is None],
    }


def _repository(
    section: Section, main: Section, values: Mapping[str, str], certificate: str | None
) -> dict[str, Any]:  # fmt: skip
    inherited = Section(name=section.name, options={**main.options, **section.options})
    addresses = Section(name=section.name, options={
        key: dnfconf.expanded(value, values) for key, value in section.options.items()
        if key in {"baseurl", "gpgkey", "metalink", "mirrorlist"}
    })  # fmt: skip
    entry = {
        "id": dnfconf.expanded(section.name, values),
        "baseurl": list(addresses.words("baseurl")),
        "mirrorlist": addresses.options.get("mirrorlist", "").strip(),
        "metalink": addresses.options.get("metalink", "").strip(),
        "gpgcheck": inherited.flag("gpgcheck", default=False),
        "repo_gpgcheck": inherited.flag("repo_gpgcheck", default=False),
        "gpgkey": list(addresses.words("gpgkey")),
        "client_certificate": _certificate(inherited, certificate),
        "proxy": inherited.options.get("proxy"),
        "priority": section.number("priority"),
        "cost": section.number("cost"),
        "exclude": list(
            dict.fromkeys((*main.words("exclude", "excludepkgs"), *section.words("exclude", "excludepkgs")))
        ),
        "options": _repository_options(section),
    }
    return {key: value for key, value in entry.items() if value or key == "gpgcheck"}


def _certificate(section: Section, name: str | None) -> str | None:
    """The name of the certificate with which a repository is read: its path is that of one machine."""
    path = section.options.get("sslclientcert")
    if not path:
        return None
    return name or re.sub(r"[^A-Za-z0-9._-]", "-", PurePosixPath(path).stem).lstrip("-._")[:64]


def _repository_options(section: Section) -> dict[str, bool | int]:
    found: dict[str, bool | int] = {
        option: section.flag(option, default=False)
        for option in ("fastestmirror", "module_hotfixes")
        if option in section.options
    }
    for option in ("retries", "timeout"):
        if (number := section.number(option)) is not None:
            found[option] = number
    return found


def _buildroot(options: Mapping[str, Any]) -> list[str]:
    """The packages and groups of the minimal buildroot; raises `ValueError` for a command that does something else."""
    command, *packages = _words(options["chroot_setup_cmd"]) or ("install",)
    if command in {"groupinstall", "group"}:
        packages = [f"@{package}" for package in packages if (command, package) != ("group", "install")]
    elif command != "install":
        raise ValueError(f"chroot_setup_cmd is {command!r}, neither install nor groupinstall")
    return list(dict.fromkeys((*packages, *_words(options["chroot_additional_packages"]))))


def _words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return tuple(shlex.split(value)) if isinstance(value, str) else tuple(value or ())


def _macros(macros: Mapping[str, Any]) -> dict[str, Any]:
    """The macros beyond those that every build gets."""
    return {
        key: value for key, value in sorted(macros.items())
        if key != "%_buildhost" and (key not in BUILD_MACROS or BUILD_MACROS[key] != value)
    }  # fmt: skip


def _left_out(
    options: Mapping[str, Any], main: Section, sections: Iterable[Section], enabled: Iterable[Section]
) -> Iterator[str]:
    """Whatever the target does not say, although the configuration does."""
    if options["ignored"]:
        yield f"config_opts: {', '.join(options['ignored'])}"
    if not _has_image(options):
        image = options["bootstrap_image"]
        yield f"no bootstrap image is used, but a target needs one: {image}{' with dnf5' if image == FEDORA else ''}"
    if names := [section.name for section in sections if section not in enabled]:
        yield f"repositories that are not enabled: {', '.join(names)}"
    if not main.flag("obsoletes", default=True):
        yield "[main] obsoletes: packages that others obsolete are always replaced here"
    for section, kind in ((main, "main"), *((section, "repository") for section in enabled)):
        yield from (f"[{section.name}] {text}" for text in _left_out_of(section, SAME_HERE[kind]))


def _left_out_of(section: Section, same_here: set[str]) -> Iterator[str]:
    if names := [option for option in CERTIFICATE_OPTIONS if section.options.get(option)]:
        yield f"{', '.join(names)}: where a certificate is, each machine says for itself"
    if section.flag("skip_if_unavailable", default=False):
        yield "skip_if_unavailable: a repository that cannot be read is an error here"
    if not section.flag("sslverify", default=True):
        yield "sslverify: the certificates of servers are always checked here"
    said = {*same_here, *CERTIFICATE_OPTIONS, "skip_if_unavailable", "sslverify"}
    for option, value in sorted(section.options.items()):
        if option not in said:
            yield option if "password" in option else f"{option}={value}"
