"""What of a build's provenance holds: one check after another, each with what it proved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from hermetic_rpm import __version__, rpmfile, sbom
from hermetic_rpm.archive.index import LOCK, REPOSITORY
from hermetic_rpm.archive.index import SRPM as SRPMS
from hermetic_rpm.document import read_bytes
from hermetic_rpm.errors import AttestationMismatch, AttestationMissing, HermeticError, StageFailed
from hermetic_rpm.files import is_safe_name, sha256_of
from hermetic_rpm.lock import check as lock_check
from hermetic_rpm.lock import repository
from hermetic_rpm.lock.lockfile import LOCKFILE_NAME
from hermetic_rpm.lock.model import Lock
from hermetic_rpm.policy import gate
from hermetic_rpm.policy.load import load as load_policy
from hermetic_rpm.runner import attest, dsse, observed, outcome, statement
from hermetic_rpm.runner.attest import PROVENANCE
from hermetic_rpm.runner.dsse import Envelope
from hermetic_rpm.runner.keys import PublicKey
from hermetic_rpm.runner.statement import (
    CLAIMED,
    FURTHER_INPUT,
    LOCKFILE,
    MEASURED,
    PIPELINE,
    SIDECAR,
    SOURCE_RPM,
    STAGE_IMAGE,
    Resource,
    Statement,
)

MAX_BYTES = 64 << 20
PROVED, FAILED, OPEN = "proved", "failed", "not proved"
SIGNATURE = "signature"
REQUIRABLE = (
    SIGNATURE, "lock", "repository", "SBOM", "policy", "source RPM", "inputs", "isolation", "stage images",
)  # fmt: skip
"""The checks that may prove nothing, and that somebody may want to be proved."""
LOCKED = frozenset(
    ("bootstrap-image", "bootstrap-rpm", "key", "lockfile", "repository-metadata", "rpm", "sidecar", "target")
)
"""The kinds of input that a lock decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A question that was asked, and what the answer shows: ``proved``, ``failed`` or ``not proved``."""

    name: str
    state: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a statement is held against; ``srpm`` where it is named, or else it is looked for."""

    results: Path
    workspace: Path
    key: PublicKey | None
    policy: Path | None
    lock_date: datetime | None
    srpm: Path | None


def read(results: Path, provenance: Path | None) -> tuple[Envelope, Statement]:
    """The provenance of results, well-formed; raises `AttestationMissing`."""
    if provenance is not None:
        content, name = read_bytes(provenance, AttestationMissing), str(provenance)
    else:
        name = str(results / PROVENANCE)
        try:
            content = outcome.read_below(results, PROVENANCE, MAX_BYTES)
        except FileNotFoundError as error:
            raise AttestationMissing(f"{results} holds no {PROVENANCE}.") from error
        except StageFailed as error:
            raise AttestationMissing(error.reason) from error
    envelope = dsse.parse(content, name)
    return envelope, statement.parse(envelope.payload, name)


def checks(envelope: Envelope, made: Statement, given: Given) -> Iterator[Check]:
    """Every check in order."""
    signed = signature(envelope, given.key)
    yield signed
    yield _asked("subjects", lambda: _subjects(made, given.results))
    yield _asked("byproducts", lambda: _byproducts(made, given.results))
    path = given.workspace / LOCK / LOCKFILE_NAME
    if path.is_file():
        yield from _of_lock(path, made, given)
    else:
        yield Check(name="lock", state=OPEN, text=f"{path} is not there: name the workspace with --workspace")
        if given.policy is not None:
            yield Check(name="policy", state=FAILED, text="there is no lock to hold against it")
    yield _asked("source RPM", lambda: _source_rpm(made, given))
    for check in (inputs_given(made), isolation(made), images(made)):
        yield check if signed.state == PROVED else _unvouched(check)
    yield from _further_inputs(made)
    text = "that these inputs give these packages only another build shows: `hermetic-rpm reproduce`"
    yield Check(name="reproducible", state=OPEN, text=text)


def required(found: Iterable[Check], names: Iterable[str]) -> tuple[Check, ...]:
    """The checks, of which those with these names fail unless they proved something."""
    wanted = frozenset(names)
    made = tuple(
        replace(check, state=FAILED) if check.name in wanted and check.state == OPEN else check for check in found
    )
    absent = sorted(wanted - {check.name for check in made})
    return (*made, *(Check(name=name, state=FAILED, text="nothing could be asked") for name in absent))


def signature(envelope: Envelope, key: PublicKey | None) -> Check:
    """Whether the key signed exactly this statement; what the envelope says of keys decides nothing."""
    if key is None:
        who = "no key was given" if envelope.signatures else "nobody signed it, and no key was given"
        return Check(name=SIGNATURE, state=OPEN, text=f"{who}: anybody may have written this provenance")
    content = dsse.signed_bytes(envelope.payload)
    if any(key.verifies(one.signature, content) for one in envelope.signatures):
        return Check(name=SIGNATURE, state=PROVED, text=f"by the {key.kind} key {key.id}")
    count = len(envelope.signatures)
    text = f"none of its {count} signatures is by the {key.kind} key {key.id}" if count else "nobody signed it"
    return Check(name=SIGNATURE, state=FAILED, text=text)


def inputs_given(made: Statement) -> Check:
    """Whether the runner had hashed lock and source RPM before the build, and told the builder to refuse others."""
    name = "inputs"
    stage = made.builder
    if stage is None or stage.container is None:
        return Check(name=name, state=OPEN, text="no runner saw the build: only the build says that it used this lock")
    told = observed.expected(stage.container)
    named = {one.kind: one.sha256 for one in made.resources if one.kind in (LOCKFILE, SIDECAR)}
    named["srpm"] = made.source.sha256
    if other := [role for role, sha256 in named.items() if told.get(role, sha256) != sha256]:
        return Check(name=name, state=FAILED, text=f"the runner gave the build another {' and '.join(other)}")
    if LOCKFILE not in told or not {SIDECAR, "srpm"} & told.keys():
        return Check(name=name, state=OPEN, text="the runner told the builder of no sha256 that it should expect")
    text = f"hashed by the runner before they were used: {', '.join(sorted(told))}"
    return Check(name=name, state=PROVED, text=text)


def isolation(made: Statement) -> Check:
    """Whether the runner saw the builder's container confined; what the build says of that proves nothing."""
    stage = made.builder
    if made.run is not None and stage is None:
        return Check(name="isolation", state=FAILED, text="what the runner saw is another build than this one")
    if stage is None or stage.container is None:
        return Check(name="isolation", state=OPEN, text="no runner saw the build: isolation is only the build's claim")
    found = [*observed.weaknesses(stage.container)]
    if stage.container.image != stage.image.id:
        found.append(f"it was made of the image {stage.container.image}")
    if found:
        return Check(name="isolation", state=FAILED, text=f"the runner saw that {'; '.join(found)}")
    capabilities = " ".join(name.removeprefix("CAP_") for name in stage.container.effective_capabilities) or "none"
    text = f"podman told the runner: no network, root read-only, no new privileges, capabilities {capabilities}"
    return Check(name="isolation", state=PROVED, text=text)


def images(made: Statement) -> Check:
    """Which images the stages ran in."""
    seen = () if made.run is None else statement.of_run(made.run)
    if seen != tuple(one for one in made.resources if one.kind in (PIPELINE, STAGE_IMAGE)):
        return Check(name="stage images", state=FAILED, text="the inputs name others than the runner saw")
    if not seen:
        return Check(name="stage images", state=OPEN, text="no runner saw them: which program built this is unknown")
    text = ", ".join(f"{one.name} sha256:{one.sha256}" for one in seen if one.kind == STAGE_IMAGE)
    return Check(name="stage images", state=PROVED, text=f"the runner saw {text}")


def _unvouched(check: Check) -> Check:
    """A check of what only the provenance says, where nothing shows who says it."""
    if check.state != PROVED:
        return check
    return Check(name=check.name, state=OPEN, text=f"no signature vouches for this: {check.text}")


def _asked(name: str, ask: Callable[[], Check | str]) -> Check:
    """A check whose failure is one of our errors."""
    try:
        found = ask()
    except HermeticError as error:
        return _failed(name, error)
    return found if isinstance(found, Check) else Check(name=name, state=PROVED, text=found)


def _failed(name: str, error: HermeticError) -> Check:
    return Check(name=name, state=FAILED, text=" ".join(error.reason.split()))


def _subjects(made: Statement, results: Path) -> Check | str:
    wrong = [attest.problem_of(results, file.name, file.sha256) for file in made.subjects]
    named = {file.name for file in made.subjects}
    wrong += (f"{path.name} is not attested" for path in results.glob(f"*{attest.RPM}") if path.name not in named)
    if found := sorted(filter(None, wrong)):
        return Check(name="subjects", state=FAILED, text="; ".join(found))
    return f"{len(named)} packages have the sha256 that is attested, and there are no others"


def _byproducts(made: Statement, results: Path) -> Check | str:
    wrong = [attest.problem_of(results, file.name, file.sha256) for file in made.byproducts]
    if found := sorted(filter(None, wrong)):
        return Check(name="byproducts", state=FAILED, text="; ".join(found))
    return f"{len(made.byproducts)} logs and other files are as attested"


def _of_lock(path: Path, made: Statement, given: Given) -> Iterator[Check]:
    try:
        lock = lock_check.check(path)
    except HermeticError as error:
        yield _failed("lock", error)
        return
    yield against_lock(lock, made)
    place = given.workspace / REPOSITORY
    if place.is_dir():
        yield _asked("repository", lambda: _repository(lock, made, place))
    else:
        yield Check(name="repository", state=OPEN, text=f"{place} is not there")
    yield _asked("SBOM", lambda: _sbom(lock, made, given))
    yield _asked("policy", lambda: _policy(lock, path, given))


def against_lock(lock: Lock, made: Statement) -> Check:
    """Whether the statement names exactly what the lock names, source RPM apart."""
    named = {(one.kind, one.name): one for one in made.resources if one.kind in LOCKED}
    measured = {one.name: one.sha256 for one in made.resources if one.known_from == MEASURED}
    try:
        locked = {(one.kind, one.name): one for one in statement.of_lock(lock, measured) if one.kind != SOURCE_RPM}
    except KeyError as error:
        return Check(name="lock", state=FAILED, text=f"the provenance does not name {error.args[0]}")
    if other := sorted(key for key in named.keys() | locked.keys() if named.get(key) != locked.get(key)):
        shown = ", ".join(f"{kind} {name}" for kind, name in other[:5])
        more = f" and {len(other) - 5} more" if len(other) > 5 else ""
        return Check(name="lock", state=FAILED, text=f"lock and provenance do not agree on {shown}{more}")
    text = f"{len(locked)} inputs are attested exactly as lockfile, sidecar and keys have them"
    return Check(name="lock", state=PROVED, text=text)


def _repository(lock: Lock, made: Statement, place: Path) -> Check | str:
    repository.check(lock, place)
    measured = [one for one in made.resources if one.known_from == MEASURED]
    if other := [one.name for one in measured if sha256_of(place / one.name) != one.sha256]:
        return Check(name="repository", state=FAILED, text=f"{', '.join(other)} has another sha256 than is attested")
    return f"{len(lock.every_package)} packages and the bootstrap image are, byte for byte, what the lock names"


def _sbom(lock: Lock, made: Statement, given: Given) -> Check | str:
    """Bills of materials once more from lock and packages; another version writes them otherwise."""
    if made.tool_version != __version__:
        text = f"they are of hermetic-rpm {made.tool_version}; this is {__version__}, which may write others"
        return Check(name="SBOM", state=OPEN, text=text)
    if not is_safe_name(made.source.name):
        return Check(name="SBOM", state=OPEN, text="nothing tells the name of the source RPM, which they hold")
    if any(attest.problem_of(given.results, file.name, file.sha256) for file in made.subjects):
        return Check(name="SBOM", state=FAILED, text="the packages are not those that are attested")
    expected = {given.results / name: content for name, content in _of_build(lock, made, given.results).items()}
    place = given.workspace / REPOSITORY
    if place.is_dir():
        expected |= {place / name: content for name, content in sbom.documents(lock).items()}
    if wrong := [str(path) for path, content in expected.items() if _content(path) != content]:
        return Check(name="SBOM", state=FAILED, text=f"not what follows from lock and packages: {', '.join(wrong)}")
    return f"{len(expected)} documents are what follows from lock and packages"


def _of_build(lock: Lock, made: Statement, results: Path) -> dict[str, bytes]:
    headers = rpmfile.inspect([results / file.name for file in made.subjects])
    if unsound := next((header for header in headers if header.problem), None):
        raise AttestationMismatch(f"{unsound.path} cannot be read: {unsound.problem}.")
    found = [(header, file.sha256) for header, file in zip(headers, made.subjects, strict=True)]
    return sbom.build_documents(lock, srpm=made.source.name, srpm_sha256=made.source.sha256, made=found)


def _policy(lock: Lock, path: Path, given: Given) -> Check | str:
    if given.policy is None:
        return Check(name="policy", state=OPEN, text="none was given")
    gate.enforce(load_policy(given.policy), lock, path, dated=given.lock_date)
    return f"the lock keeps {given.policy}"


def _source_rpm(made: Statement, given: Given) -> Check | str:
    source = made.source
    places = (given.results, given.workspace / SRPMS, given.workspace / LOCK)
    found = tuple(place / source.name for place in places) if is_safe_name(source.name) else ()
    candidates = found if given.srpm is None else (given.srpm,)
    if any(path.is_file() and sha256_of(path) == source.sha256 for path in candidates):
        return f"{source.name} is the one that is attested{_of_whom(source)}"
    if given.srpm is not None:
        return Check(name="source RPM", state=FAILED, text=f"{given.srpm} has not the sha256 {source.sha256}")
    text = f"{source.name} with sha256 {source.sha256} is not here: name it with --srpm"
    return Check(name="source RPM", state=OPEN, text=text)


def _of_whom(source: Resource) -> str:
    return ", but only the build says that it was built" if source.known_from == CLAIMED else ""


def _further_inputs(made: Statement) -> Iterator[Check]:
    found = [one for one in made.resources if one.kind == FURTHER_INPUT]
    if found:
        said = "; ".join(
            f"{one.name} ({'only the build says its sha256' if one.known_from == CLAIMED else 'hashed by the runner'})"
            for one in found
        )
        yield Check(name="further inputs", state=OPEN, text=f"not at hand: {said}")


def _content(path: Path) -> bytes | None:
    """The content of a regular file; None if there is none."""
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None
