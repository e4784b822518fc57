"""A dnf.conf with its repositories, read as dnf does: sections, their options, and variables in addresses."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAIN = "main"
TRUE, FALSE = ("1", "yes", "true", "on"), ("0", "no", "false", "off")
VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z0-9_]+)\}|(?P<bare>[A-Za-z0-9_]+))")

BASE_ARCHITECTURES = {
    **dict.fromkeys(("i386", "i486", "i586", "i686", "athlon", "geode"), "i386"),
    **dict.fromkeys(("armv6hl", "armv7hl", "armv7hnl", "armv8hl"), "armhfp"),
    **dict.fromkeys(("armv5tel", "armv5tejl", "armv6l", "armv7l"), "arm"),
    **dict.fromkeys(("amd64", "ia32e", "x86_64_v2", "x86_64_v3", "x86_64_v4"), "x86_64"),
    **dict.fromkeys(("sparcv8", "sparcv9"), "sparc"),
}
"""``$basearch`` where it is not the architecture itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A section with its options; those of a repository fall back on those of ``[main]`` where dnf says so."""

    name: str
    options: Mapping[str, str]

    def flag(self, option: str, *, default: bool) -> bool:
        """A boolean option; raises `ValueError` for what is none."""
        text = self.options.get(option, "1" if default else "0").strip().lower()
        if text not in (*TRUE, *FALSE):
            raise ValueError(f"[{self.name}] {option}={text} is neither true nor false")
        return text in TRUE

    def number(self, option: str) -> int | None:
        """A number, or None; raises `ValueError`."""
        text = self.options.get(option)
        if text is None:
            return None
        if not text.strip().isdecimal():
            raise ValueError(f"[{self.name}] {option}={text} is no number")
        return int(text)

    def words(self, *options: str) -> tuple[str, ...]:
        """The parts of lists, separated by commas, blanks or new lines, each once."""
        found = (word for option in options for word in re.split(r"[\s,]+", self.options.get(option, "")))
        return tuple(dict.fromkeys(word for word in found if word))


class _Parser(configparser.RawConfigParser):
    """Names of options as they are written."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def parse(text: str) -> tuple[Section, tuple[Section, ...]]:
    """``[main]`` and the repositories in their order; raises `ValueError` with the line."""
    parser = _Parser(
        strict=False, delimiters=("=",), comment_prefixes=("#", ";"), empty_lines_in_values=False,
        default_section="\0",
    )  # fmt: skip
    try:
        parser.read_string(text, source="dnf.conf")
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())) from error
    sections = {name: Section(name=name, options=dict(parser[name])) for name in parser.sections()}
    main = sections.pop(MAIN, Section(name=MAIN, options={}))
    return main, tuple(sections.values())


def variables(architecture: str, releasever: str | None, own: Mapping[str, str]) -> dict[str, str]:
    """The values of dnf's variables for a target; its ``own`` come first."""
    found = {"arch": architecture, "basearch": BASE_ARCHITECTURES.get(architecture, architecture)}
    if releasever is not None:
        major, _, minor = releasever.partition(".")
        found |= {"releasever": releasever, "releasever_major": major, "releasever_minor": minor}
    return found | dict(own)


def expanded(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its variables replaced; raises `ValueError` for an unknown one."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        if name not in values:
            raise ValueError(f"nothing says what ${name} is in {text}")
        return values[name]

    return VARIABLE.sub(value, text)
