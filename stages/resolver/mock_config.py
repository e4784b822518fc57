"""Mock's chroot configurations, evaluated: Python files with includes, whose texts are Jinja templates.

They are programs.  ``hermetic-resolve --mock-config`` runs them in a container of its own, without a network,
that sees nothing but their directory, and prints what they set; `hermetic_rpm.target.from_mock` makes a target of it.
"""

from __future__ import annotations

import collections
import contextlib
import glob
import grp
import json
import os
import pwd
import re
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import jinja2

BEFORE = ("site-defaults.cfg", "chroot-aliases.cfg")
"""Read before every chroot where they are there; no chroots themselves."""

INCLUDE = re.compile(r"^\s*include\((.*)\)", re.MULTILINE)
MAX_RENDERINGS = 5

MODULES = {module.__name__: module for module in (glob, grp, json, os, pwd, re, shlex, socket, sys)}
"""What a configuration finds imported."""

ALIASES = {
    **dict.fromkeys(("yum.conf", "dnf4.conf", "dnf5.conf"), "dnf.conf"),
    **{f"dnf_{name}": f"dnf4_{name}" for name in (
        "command", "common_opts", "install_command", "disable_plugins", "avoid_opts", "builddep_opts")},
    **{f"system_{name}_command": f"{name}_system_command" for name in ("dnf4", "dnf5", "yum", "microdnf")},
    "system_dnf_command": "dnf4_system_command",
}  # fmt: skip
"""Other names under which an option may be set or read."""

TAKEN = (
    "bootstrap_image", "bootstrap_image_ready", "chroot_additional_packages", "chroot_setup_cmd", "description",
    "dist", "dnf.conf", "dnf_vars", "legal_host_arches", "macros", "module_enable", "module_install",
    "module_setup_commands", "package_manager", "redhat_subscription_required", "releasever", "target_arch",
    "use_bootstrap", "use_bootstrap_image",
)  # fmt: skip
"""The options that a target is made of."""

SILENT = frozenset({
    "chroot_name", "config_file", "config_path", "config_paths", "extra_chroot_dirs", "no-config", "repo_arch",
    "root", "rpmbuild_arch",
})  # fmt: skip
"""Options that are set everywhere and mean nothing for a target."""


class Options(MutableMapping[str, Any]):
    """``config_opts``: plain while the files run; once ``expand`` is on, each text read is rendered."""

    def __init__(self) -> None:
        self.plain: dict[str, Any] = defaults()
        self.expand = False

    def __getitem__(self, key: str) -> Any:
        value = self.plain[ALIASES.get(key, key)]
        return self._rendered(value) if self.expand else value

    def __setitem__(self, key: str, value: Any) -> None:
        self.plain[ALIASES.get(key, key)] = value

    def __delitem__(self, key: str) -> None:
        del self.plain[ALIASES.get(key, key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)

    def _rendered(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._render(value)
        if isinstance(value, list):
            return [self._rendered(inner) for inner in value]
        if isinstance(value, dict):
            return {key: self._rendered(inner) for key, inner in value.items()}
        return value

    def _render(self, text: str) -> str:
        """A template may give a template: render until nothing changes."""
        limit = self.plain.get("jinja_max_recursion", MAX_RENDERINGS)
        for _ in range(limit):
            # The result is a dnf.conf or a package name, never HTML.
            template = jinja2.Template(text, keep_trailing_newline=True)
            rendered = template.render(self.plain)
            if rendered == text:
                return text
            text = rendered
        raise ValueError(f"templates within templates, more than {limit} deep: {text[:80]!r}")


def defaults() -> dict[str, Any]:
    """What is set before the first file runs, as far as files build upon it."""
    return {
        "basedir": "/var/lib/mock", "cache_topdir": "/var/cache/mock", "chroothome": "/builddir",
        "chrootgid": 135, "chrootgroup": "mock", "chrootuid": 1000, "chrootuser": "mockbuild",
        "config_paths": [], "host_arch": os.uname().machine,
        "resultdir": "{{basedir}}/{{root}}/result", "rootdir": "{{basedir}}/{{root}}/root",
        "user_agent": "Mock ({{ root }}; {{ target_arch }})", "version": "6",
        # the target
        "bootstrap_image": "fedora:latest", "bootstrap_image_ready": False, "chroot_additional_packages": [],
        "chroot_setup_cmd": ("groupinstall", "buildsys-build"), "dnf_vars": {}, "forcearch": None,
        "macros": {"%_topdir": "/builddir/build", "%_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"},
        "module_enable": [], "module_install": [], "module_setup_commands": [], "package_manager": "dnf",
        "redhat_subscription_required": False, "releasever": None, "repo_arch": None, "repo_arch_map": {},
        "rpmbuild_arch": None, "target_arch": "i386", "use_bootstrap": True, "use_bootstrap_image": True,
        # commands and options that files add to
        "dnf4_command": "/usr/bin/dnf-3", "dnf4_system_command": "/usr/bin/dnf-3",
        "dnf4_install_command": "install python3-dnf python3-dnf-plugins-core", "dnf4_avoid_opts": {},
        "dnf4_builddep_opts": [],
        "dnf4_common_opts": ["--setopt=deltarpm=False", "--setopt=allow_vendor_change=yes", "--allowerasing"],
        "dnf4_disable_plugins": ["local", "spacewalk", "versionlock"],
        "dnf5_command": "/usr/bin/dnf5", "dnf5_system_command": "/usr/bin/dnf5",
        "dnf5_install_command": "install dnf5 dnf5-plugins", "dnf5_avoid_opts": {}, "dnf5_builddep_opts": [],
        "dnf5_common_opts": [], "dnf5_disable_plugins": [],
        "yum_command": "/usr/bin/yum", "yum_system_command": "/usr/bin/yum",
        "yum_install_command": "install yum yum-utils", "yum_builddep_command": "/usr/bin/yum-builddep",
        "yum_avoid_opts": {}, "yum_builddep_opts": [], "yum_common_opts": [],
        "microdnf_install_command": "dnf-install microdnf dnf dnf-plugins-core", "microdnf_common_opts": [],
        # everything else that is a collection: files add to it without asking whether it is there
        "environment": {}, "exclude_from_homedir_cleanup": [], "extra_chroot_dirs": [], "files": {},
        "more_buildreqs": {}, "no-config": {}, "nspawn_args": [], "oci_platform_map": {},
        "plugin_conf": collections.defaultdict(dict), "plugins": [], "qemu_user_static_mapping": {},
        "scm_opts": {}, "ssl_copied_ca_trust_dirs": [],
    }  # fmt: skip


def chroots(directory: Path) -> tuple[str, ...]:
    """The names of every chroot directly in a directory of configurations, sorted."""
    return tuple(sorted(path.stem for path in directory.glob("*.cfg") if path.name not in BEFORE))


def lines(directory: Path, names: Iterable[str]) -> Iterator[str]:
    """A line of JSON for each chroot: its name, and what it sets or why it cannot be evaluated."""
    for name in names:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = {"name": name, "options": evaluate(directory, name)}
            yield json.dumps(found)
        except Exception as error:  # noqa: BLE001 - the files are programs, and may raise anything
            yield json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"})


def evaluate(directory: Path, name: str) -> dict[str, Any]:
    """The options of a chroot that a target is made of, and the names of others that were set (``ignored``)."""
    options = Options()
    before = defaults()
    options.update({"config_path": str(directory), "chroot_name": name, "config_file": str(directory / f"{name}.cfg")})
    for file in (*(directory / other for other in BEFORE if (directory / other).exists()), directory / f"{name}.cfg"):
        _execute(options, file, directory)
    options["repo_arch"] = options["repo_arch"] or options["repo_arch_map"].get(
        options["target_arch"], options["target_arch"]
    )
    options["rpmbuild_arch"] = options["rpmbuild_arch"] or options["target_arch"]
    options.expand = True
    ignored = sorted(
        key for key, value in options.plain.items()
        if key not in {*TAKEN, *SILENT} and (key not in before or before[key] != value)
    )  # fmt: skip
    return {**{key: options[key] for key in TAKEN if key in options}, "ignored": ignored}


def _execute(options: Options, file: Path, directory: Path) -> None:
    text = _with_includes(str(file), directory, set())
    # A chroot's configuration is a Python program: to read it is to run it.
    exec(compile(text, str(file), "exec"), {**MODULES, "config_opts": options})  # noqa: S102
    options["macros"] = {key if key.startswith("%") else f"%{key}": value for key, value in options["macros"].items()}


def _with_includes(file: str, directory: Path, seen: set[str]) -> str:
    """The text of a file with that of the included ones in it; a file is included once."""
    path = str(directory / file)
    if path in seen:
        return ""
    seen.add(path)
    text = Path(path).read_text(encoding="utf-8")
    for argument in INCLUDE.findall(text):
        included = _with_includes(eval(argument, dict(MODULES)), directory, seen)  # noqa: S307 - as the whole file
        # The text is a template of `re.sub`, as it is for Mock: a backslash in it is read twice.
        text = INCLUDE.sub(included, text, count=1)
    return text
