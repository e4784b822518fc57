"""What the runner records of a run, and what is said where another builder image made the first build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hermetic_rpm.errors import ResultsUnusable
from hermetic_rpm.runner import record, reproduce
from hermetic_rpm.runner.record import Run, StageImage, StageRecord
from hermetic_rpm.runner.reproduce import Built

IMAGE = StageImage(reference="localhost/builder:latest", id=f"sha256:{'1' * 64}", digest=f"sha256:{'2' * 64}")
OTHER = StageImage(reference="localhost/builder:latest", id=f"sha256:{'3' * 64}", digest=f"sha256:{'2' * 64}")
ELSEWHERE = StageImage(reference="example.com/builder:1", id=IMAGE.id, digest=f"sha256:{'4' * 64}")
RECORDED = pytest.mark.promise("5.6", "`hermetic-rpm reproduce` tells when another builder image made the first build")


def built(image: StageImage | None) -> Built:
    return Built(inputs={}, outputs={}, other_srpm=False, tool_version="0", image=image)


@RECORDED
def test_the_image_is_found_by_the_result_that_its_stage_left(tmp_path: Path) -> None:
    stages = (
        StageRecord(name="fetcher", kind="fetcher", image=OTHER, result="a" * 64),
        StageRecord(name="build", kind="builder", image=IMAGE, result="b" * 64),
    )
    record.write(tmp_path, Run(stages=stages))
    assert record.image_of(tmp_path, "b" * 64) == IMAGE
    assert record.image_of(tmp_path, "c" * 64) is None  # the record of an earlier run


def test_without_a_record_no_image_is_known(tmp_path: Path) -> None:
    assert record.image_of(tmp_path, "b" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stages": []}'])
def test_a_record_that_nobody_writes_is_refused(tmp_path: Path, text: str) -> None:
    record.place(tmp_path).write_text(text)
    with pytest.raises(ResultsUnusable):
        record.image_of(tmp_path, "b" * 64)


def test_a_record_with_an_odd_image_is_refused(tmp_path: Path) -> None:
    record.write(tmp_path, Run(stages=(StageRecord(name="b", kind="builder", image=IMAGE, result="b" * 64),)))
    document = json.loads(record.place(tmp_path).read_text())
    document["stages"][0]["image"]["id"] = "sha256:\x1b[2J"
    record.place(tmp_path).write_text(json.dumps(document))
    with pytest.raises(ResultsUnusable):
        record.image_of(tmp_path, "b" * 64)


@RECORDED
def test_another_image_is_told_with_both() -> None:
    said = reproduce.other_image(built(IMAGE), built(OTHER))
    assert said is not None
    assert IMAGE.id in said
    assert OTHER.id in said


@RECORDED
def test_the_same_image_is_the_same_under_any_name_and_digest_of_a_registry() -> None:
    assert reproduce.other_image(built(IMAGE), built(ELSEWHERE)) is None


def test_it_is_told_that_nobody_recorded_the_image() -> None:
    assert "nobody recorded" in (reproduce.other_image(built(None), built(IMAGE)) or "")
