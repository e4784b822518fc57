"""Documents people and stages write (YAML, JSON), checked against the project's JSON schemas.

Validation reports *every* problem, each with its place: ``file:line:column: path: what``
for YAML, ``file: path: what`` for JSON.
"""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jsonschema

from hermetic_rpm import near
from hermetic_rpm.errors import HermeticError

MAX_DOCUMENT_BYTES = 64 << 20
MAX_YAML_DEPTH = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed document: plain data, where it came from, and the exact bytes."""

    name: str
    data: Any
    content: bytes
    positions: Any = None

    def place(self, path: Iterable[str | int]) -> str:
        """``file:line:column`` of the value at ``path``, as near as the parser knows."""
        node, line, column = self.positions, None, None
        for part in path:
            mark = _mark(node, part)
            if mark is None:
                break
            line, column = mark
            node = node[part]
        return self.name if line is None or column is None else f"{self.name}:{line + 1}:{column + 1}"


def _mark(node: Any, part: str | int) -> tuple[int, int] | None:
    lc = getattr(node, "lc", None)
    try:
        if lc is None:
            return None
        line, column = lc.key(part) if isinstance(node, dict) else lc.item(part)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    return int(line), int(column)


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """The project's schema ``name`` (for instance ``target``)."""
    package = Path(__file__).parent
    for directory in (package / "schemas", package.parent / "schemas"):
        path = directory / f"{name}.schema.json"
        if path.is_file():
            loaded: dict[str, Any] = json.loads(path.read_text())
            return loaded
    raise FileNotFoundError(f"schema {name} is not installed")


def read_bytes(path: Path, error: type[HermeticError]) -> bytes:
    """The content of a small file, or ``error``."""
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise error(f"{path} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB.")
        return path.read_bytes()
    except OSError as cause:
        raise error(f"{path} cannot be read: {cause.strerror}.") from cause


def parse_yaml(content: bytes, name: str, error: type[HermeticError], *, foreign: bool = False) -> Document:
    """Plain YAML 1.2 without tags that build objects; raises ``error`` with line and column.

    A ``foreign`` document may hold no aliases, by which a few lines stand for gigabytes, and no deep nesting.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only resolver and runner read YAML; the other images lack it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        text = content.decode()
        if foreign:
            _refuse_bombs(text, name, error)
        positions = YAML(typ="rt").load(text)
        data = YAML(typ="safe", pure=True).load(text)
    except UnicodeDecodeError as cause:
        raise error(f"{name} is not UTF-8 text.") from cause
    except MarkedYAMLError as cause:
        mark = cause.problem_mark
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        raise error(f"{place}: {cause.problem}.") from cause
    except YAMLError as cause:
        raise error(f"{name}: {cause}") from cause
    except ValueError as cause:  # dates and numbers that no calendar and no machine knows
        raise error(f"{name} holds a value that cannot be read: {cause}.") from cause
    return Document(name=name, data=data, content=content, positions=positions)


def _refuse_bombs(text: str, name: str, error: type[HermeticError]) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 - see above
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent  # noqa: PLC0415

    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        mark = event.start_mark
        if isinstance(event, AliasEvent):
            raise error(f"{name}:{mark.line + 1}:{mark.column + 1}: an alias has no place here.")
        if depth > MAX_YAML_DEPTH:
            raise error(f"{name}:{mark.line + 1}:{mark.column + 1}: this is nested too deeply.")


def yaml_text(data: Any) -> str:
    """Plain data as a YAML document; scripts as lines, other texts quoted: YAML 1.1 reads no number in them."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - see above
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString  # noqa: PLC0415

    def quoted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: quoted(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [quoted(inner) for inner in value]
        if not isinstance(value, str):
            return value
        return LiteralScalarString(value) if _is_script(value) else DoubleQuotedScalarString(value)

    writer = YAML(typ="rt")
    writer.explicit_start = True
    writer.width = MAX_DOCUMENT_BYTES
    stream = io.StringIO()
    writer.dump(quoted(data), stream)
    return stream.getvalue()


def _is_script(text: str) -> bool:
    """Whether a text is read best as lines, and means the same so."""
    lines = text.split("\n")
    return len(lines) > 2 and lines[0][:1].strip() != "" and lines[-1] == "" and all(map(str.isprintable, lines))


def parse_json(content: bytes, name: str, error: type[HermeticError]) -> Document:
    """JSON without duplicate keys, NaN or infinity; raises ``error``."""
    try:
        data = json.loads(content, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError) as cause:
        raise error(f"{name} is not JSON: {cause}.") from cause
    return Document(name=name, data=data, content=content)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """The keyword ``pattern``, with ``$`` as ECMA means it: in Python it also matches before a last newline."""
    strict = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and re.search(strict, instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Any = cast("Any", jsonschema.validators).extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def problems(document: Document, schema_name: str) -> tuple[str, ...]:
    """Every violation of the schema, sorted by place."""
    validator = _Validator(schema(schema_name))
    found = sorted(validator.iter_errors(document.data), key=lambda error: [str(part) for part in error.absolute_path])
    return tuple(
        f"{document.place(error.absolute_path)}: {_path(error.absolute_path)}{_explain(error)}" for error in found
    )


def located(document: Document, path: tuple[str | int, ...], text: str) -> str:
    """A problem that no schema can tell, in the form of those of `problems`."""
    return f"{document.place(path)}: {_path(path)}{text}"


def refuse(document: Document, found: Iterable[str], error: type[HermeticError]) -> None:
    """Raise ``error`` with every problem, if there is one."""
    if lines := [f"  {line}" for line in found]:
        raise error("\n".join((f"{document.name} is not valid:", *lines)))


def _path(parts: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    return f"{text}: " if text else ""


def _explain(error: jsonschema.ValidationError) -> str:
    message = str(error.message)
    if len(message) > 300:
        message = message[:300] + " …"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(cast("dict[str, Any]", error.schema).get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        message = "unknown " + ", ".join(repr(key) for key in unknown)
        message += near.aside(map(str, unknown), known)
    if error.validator == "enum":
        message += near.aside((str(error.instance),), map(str, cast("list[Any]", error.validator_value)))
    return message


def checked(document: Document, schema_name: str, error: type[HermeticError]) -> Any:
    """The document's data if it conforms to the schema; else ``error`` with all problems."""
    refuse(document, problems(document, schema_name), error)
    return document.data
