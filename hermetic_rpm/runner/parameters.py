"""What the caller gave with ``-p NAME=VALUE``, joined with the defaults into the values of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hermetic_rpm import near
from hermetic_rpm.errors import HermeticError, PipelineInvalid, SrpmMissing
from hermetic_rpm.runner.interpolate import LOG_FORMAT, interpolate
from hermetic_rpm.runner.pipeline import Parameter, Pipeline

_GIVE_PARAMETERS = "`hermetic-rpm plan --help` shows how to give parameters; the pipeline file declares them."


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping; the last of a name wins."""
    given: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise PipelineInvalid(f"-p {assignment}: this is not NAME=VALUE.", solution=_GIVE_PARAMETERS)
        given[name] = value
    return given


def resolve(
    pipeline: Pipeline,
    given: Mapping[str, str],
    *,
    cwd: Path,
    log_format: str,
    is_file: Callable[[Path], bool] = Path.is_file,
) -> dict[str, str]:
    """The value of every parameter, empty where it has none; paths are absolute.

    What the caller gave is relative to ``cwd``, a default to the pipeline file's directory.
    Raises `SrpmMissing` or `PipelineInvalid`, with every problem.
    """
    found = [*_unknown(pipeline, given), *_absent(pipeline, given)]
    if found:
        raise PipelineInvalid("\n".join(found), solution=_GIVE_PARAMETERS)
    values = {LOG_FORMAT: log_format}
    for parameter in pipeline.parameters:
        if parameter.name in given:
            values[parameter.name] = _value(parameter, given[parameter.name], cwd)
        elif parameter.default is None:
            values[parameter.name] = ""
        else:
            default = interpolate(parameter.default, values)
            values[parameter.name] = _value(parameter, default, pipeline.directory)
        value = values[parameter.name]
        if parameter.type == "file" and value and not is_file(Path(value)):
            raise _no_file(parameter, value)
    return values


def _unknown(pipeline: Pipeline, given: Mapping[str, str]) -> list[str]:
    known = [parameter.name for parameter in pipeline.parameters]
    problems = []
    for name in given:
        if name not in known:
            hint = near.aside((name,), known) or f" (there are: {', '.join(known)})"
            problems.append(f"-p {name}=…: {pipeline.path} declares no parameter {name!r}{hint}")
    return problems


def _absent(pipeline: Pipeline, given: Mapping[str, str]) -> list[str]:
    problems = []
    for parameter in pipeline.parameters:
        name, other = parameter.name, parameter.unless
        if given.get(name):
            if other is not None and given.get(other):
                problems.append(f"-p {name}=… and -p {other}=… exclude each other.")
        elif name in given or (parameter.required and not (other and given.get(other))):
            instead = f", or -p {other}=…" if other else ""
            problems.append(f"The parameter {name} is missing: -p {name}=… ({parameter.description}){instead}")
    return problems


def _value(parameter: Parameter, text: str, base: Path) -> str:
    return text if parameter.type == "string" else os.path.normpath(base / text)


def _no_file(parameter: Parameter, path: str) -> HermeticError:
    error = SrpmMissing if parameter.name == "srpm" else PipelineInvalid
    return error(
        f"-p {parameter.name}: {path} is not an existing file.",
        solution=f"Give the path of {parameter.description}: -p {parameter.name}=PATH",
    )
