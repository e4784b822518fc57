"""Documents and the schemas they are held against."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from hermetic_rpm import document
from hermetic_rpm.errors import LockInvalid, TargetInvalid

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted((ROOT / "schemas").glob("*.schema.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_a_valid_one_and_names_itself(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith(f"https://hermetic-rpm.invalid/schemas/{path.name.split('.')[0]}-")
    assert schema["title"]
    assert document.schema(path.name.removesuffix(".schema.json")) == schema


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_object_of_a_schema_says_what_else_it_may_hold(path: Path) -> None:
    def objects(node: object, place: str) -> list[str]:
        if isinstance(node, list):
            return [found for n, entry in enumerate(node) for found in objects(entry, f"{place}[{n}]")]
        if not isinstance(node, dict):
            return []
        open_ones = [place] if "properties" in node and node.get("additionalProperties", True) is True else []
        conditions = ("if", "then", "else", "not")
        inner = [(key, entry) for key, entry in node.items() if key not in conditions]
        return open_ones + [found for key, entry in inner for found in objects(entry, f"{place}.{key}")]

    assert objects(json.loads(path.read_text()), "") == []


def test_an_unknown_schema_is_a_bug_and_not_an_error_of_the_user() -> None:
    with pytest.raises(FileNotFoundError):
        document.schema("no-such")


def test_a_pattern_does_not_match_before_a_last_newline() -> None:
    found = document.parse_json(b'{"schema_version": "1.0.0"}', "x.json", LockInvalid)
    assert document.problems(found, "sidecar")
    with pytest.raises(LockInvalid):
        document.checked(found, "sidecar", LockInvalid)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_DOCUMENT_BYTES", 10)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(LockInvalid, match="larger than"):
        document.read_bytes(tmp_path / "big", LockInvalid)


def test_a_directory_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(LockInvalid, match="cannot be read"):
        document.read_bytes(tmp_path, LockInvalid)


def test_yaml_places_are_one_based() -> None:
    found = document.parse_yaml(b"a:\n  - b: 1\n  - c: 2\n", "x.yaml", TargetInvalid)
    assert found.place(["a", 1, "c"]) == "x.yaml:3:5"
    assert found.place(["a", 7]) == "x.yaml:1:1"
    assert found.place([]) == "x.yaml"


def test_json_places_are_paths_only() -> None:
    assert document.parse_json(b'{"a": 1}', "x.json", LockInvalid).place(["a"]) == "x.json"


def test_a_very_long_value_is_cut_in_its_message() -> None:
    content = json.dumps({"schema_version": "x" * 10_000}).encode()
    found = document.problems(document.parse_json(content, "x.json", LockInvalid), "sidecar")
    assert max(map(len, found)) < 500
