"""Building again from the same inputs, and holding what comes out against what came out before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hermetic_rpm import rpmdiff
from hermetic_rpm.errors import InputsDiffer, PipelineInvalid, ResultsUnusable, SrpmMissing, StageFailed
from hermetic_rpm.files import is_safe_name, sha256_of
from hermetic_rpm.progress import printable
from hermetic_rpm.result import RESULT_NAME
from hermetic_rpm.rpmdiff import Difference
from hermetic_rpm.runner import outcome, record
from hermetic_rpm.runner.pipeline import BUILDER, Pipeline
from hermetic_rpm.runner.plan import StagePlan
from hermetic_rpm.runner.record import StageImage

SAME, DIFFERENT, MISSING, ADDITIONAL = "same", "different", "missing", "additional"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A build as its ``result.json`` tells it: sha256 of inputs by role and of outputs by file name.

    ``image`` is the builder's, if a runner recorded it.
    ``options`` are those that the caller gave to the builder, as one may where the lock has no sidecar.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    other_srpm: bool
    options: tuple[str, ...] = ()
    tool_version: str
    image: StageImage | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one package in the second build.

    ``state`` is ``same``, ``different``, ``missing`` (not made again) or ``additional`` (not there
    before); ``more`` counts differences beyond those listed; ``altered`` tells that the first
    build's file is not what that build wrote.
    """

    name: str
    state: str
    sha256: str
    altered: bool = False
    differences: tuple[Difference, ...] = ()
    more: int = 0


def result_of(results: Path) -> dict[str, Any]:
    """The valid ``result.json`` of a build that succeeded; raises `ResultsUnusable`."""
    try:
        found = outcome.read_result(results, stage=BUILDER, kind=BUILDER)
    except (StageFailed, OSError) as error:
        raise ResultsUnusable(f"{results / RESULT_NAME} cannot be used: {error}") from error
    if found is None:
        raise ResultsUnusable(f"{results} holds no {RESULT_NAME}.")
    if found["status"] != "ok":
        raise ResultsUnusable(f"{results / RESULT_NAME} tells of a build that failed.")
    return found


def read(results: Path) -> Built:
    """What a build that succeeded says in its results directory; raises `ResultsUnusable`."""
    found = result_of(results)
    return Built(
        inputs=found["inputs"],
        outputs={output["path"]: output["sha256"] for output in found["outputs"]},
        other_srpm=found["facts"].get("srpm_was_resolved") is False,
        options=_options(found),
        tool_version=found["tool_version"],
        image=record.image_of(results, outcome.result_sha256(results)),
    )


def _options(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The builder's options for the spec, as far as no sidecar brings them; raises `ResultsUnusable`."""
    words = [] if "sidecar" in result["inputs"] else result["facts"].get("build_options", [])
    if (
        not isinstance(words, list)
        or not all(isinstance(word, str) for word in words)
        or {*words[::2]} - {"--with", "--without", "--define"}
        or len(words) % 2 != 0
    ):
        raise ResultsUnusable("The results tell of build options that there are not.")
    return tuple(words)


def find_srpm(built: Built, places: Iterable[Path]) -> Path:
    """The source RPM that was built, by its sha256, in one of some directories; raises `SrpmMissing`."""
    directories = tuple(places)
    for path in (path for directory in directories for path in _rpms(directory)):
        if path.name.endswith(".src.rpm") and sha256_of(path) == built.inputs.get("srpm"):
            return path
    raise SrpmMissing(
        f"The source RPM with the sha256 {built.inputs.get('srpm')} is not in {', '.join(map(str, directories))}.",
        solution="Name the source RPM that was built: --srpm FILE.",
    )


def builder_only(pipeline: Pipeline) -> Pipeline:
    """The pipeline without its other stages; raises `PipelineInvalid` unless it has one builder."""
    builders = tuple(stage for stage in pipeline.stages if stage.kind == BUILDER)
    if len(builders) != 1:
        raise PipelineInvalid(
            f"{pipeline.path} has {len(builders)} stages of the kind builder.", solution="Name one with one builder."
        )
    return replace(pipeline, stages=builders)


def again(stage: StagePlan, built: Built, output: Path, further: Mapping[str, str] = MappingProxyType({})) -> StagePlan:
    """The builder's stage with the same inputs and another output directory; ``further`` inputs by role.

    Raises `InputsDiffer`, or `PipelineInvalid` where the output directory is no mount of its own.
    """
    if not any(bind.source == stage.output and not bind.read_only for bind in stage.binds):
        raise PipelineInvalid(
            f"The stage {stage.name} does not mount its output {stage.output} by itself.",
            solution="Mount that directory for the results of the builder, so that another can take its place.",
        )
    paths = {expected.role: expected.path for expected in stage.expects}
    now = {role: sha256_of(path) for role, path in paths.items() if path.is_file()}
    refuse_other_inputs(built.inputs, {**now, **further})
    return replace(
        stage,
        arguments=(*stage.arguments, *(("--allow-other-srpm",) if built.other_srpm else ()), *built.options),
        binds=tuple(replace(bind, source=output) if bind.source == stage.output else bind for bind in stage.binds),
        directories=tuple(output if path == stage.output else path for path in stage.directories),
        expects=tuple(expected for expected in stage.expects if expected.role in built.inputs),
        output=output,
    )


def refuse_other_inputs(then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise `InputsDiffer` unless every input (sha256 by role) is the same and none came or went."""
    lines = [
        f"{role}: sha256 {then.get(role, '(none)')} then, {now.get(role, '(none)')} now"
        for role in sorted(then.keys() | now.keys())
        if then.get(role) != now.get(role)
    ]
    if lines:
        raise InputsDiffer("\n".join(("The inputs are not those of the first build:", *lines)))


def other_image(then: Built, now: Built) -> str | None:
    """What is to be said of the builder's image: None if both builds had the same."""
    if then.image is None:
        return "nobody recorded which builder image made the first build (`hermetic-rpm run` does)"
    if now.image is not None and then.image.id != now.image.id:
        return f"the first build was made by {printable(str(then.image))}, the second by {now.image}"
    return None


def verdicts(results: Path, built: Built, made: Path) -> tuple[Verdict, ...]:
    """Every package of either build, by name, compared bit for bit."""
    before = {path.name: path for path in _rpms(results)}
    after = {path.name: path for path in _rpms(made)}
    return tuple(_verdict(name, before.get(name), after.get(name), built) for name in sorted(before | after))


def _verdict(name: str, before: Path | None, after: Path | None, built: Built) -> Verdict:
    if before is None:
        assert after is not None
        return Verdict(name=name, state=ADDITIONAL, sha256=sha256_of(after))
    digest = sha256_of(before)
    altered = digest != built.outputs.get(name)
    if after is None:
        return Verdict(name=name, state=MISSING, sha256=digest, altered=altered)
    if digest == sha256_of(after):
        return Verdict(name=name, state=SAME, sha256=digest, altered=altered)
    differences, more = rpmdiff.compare(before, after)
    return Verdict(name=name, state=DIFFERENT, sha256=digest, altered=altered, differences=differences, more=more)


def _rpms(directory: Path) -> tuple[Path, ...]:
    """The packages directly in a directory: regular files with names that a builder gives."""
    return tuple(
        path
        for path in sorted(directory.glob("*.rpm"))
        if is_safe_name(path.name) and path.is_file() and not path.is_symlink()
    )
