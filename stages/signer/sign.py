"""The flow of the signer: what the build wrote, the key, signatures, their verification, names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hermetic_rpm import made, repodata
from hermetic_rpm.edge import Report
from hermetic_rpm.errors import ResultsUnusable
from hermetic_rpm.files import write_atomically, writing_errors
from hermetic_rpm.lock.offline import INDEX, REPODATA
from hermetic_rpm.progress import Progress
from hermetic_rpm.result import outputs_of
from stages.signer import gnupg, packages

INCOMPLETE = ".incomplete-signed"
CERTIFICATE = "RPM-GPG-KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the signer was asked to do (paths inside its container)."""

    results: Path
    output: Path
    key: Path
    fingerprint: str | None
    passphrase_file: Path | None
    createrepo: bool
    expected: Mapping[str, str]


def sign(request: Request, progress: Progress, report: Report) -> None:
    """Write signed copies, the certificate and, if wanted, ``repodata/`` into the output directory."""
    output, waiting = request.output, request.output / INCOMPLETE
    made.remove(output, (*made.earlier(output), INCOMPLETE))
    with writing_errors(waiting):
        waiting.mkdir()
    try:
        unsigned = _sign(request, waiting, progress, report)
        names = sorted(path.name for path in waiting.iterdir())
        made.note(output, names)
        with writing_errors(output):
            for name in names:
                (waiting / name).replace(output / name)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    report.outputs = outputs_of(output, [path for name in names for path in _files(output / name)])
    signed = {entry.path: entry.sha256 for entry in report.outputs}
    report.facts["packages"] = {name: {"unsigned": unsigned[name], "signed": signed[name]} for name in unsigned}
    report.summary = f"signed {len(unsigned)} packages in {output} with {report.facts['signing_key']}"


def _sign(request: Request, waiting: Path, progress: Progress, report: Report) -> dict[str, str]:
    """Everything in the waiting directory; returns the sha256 of the packages before they were signed."""
    with progress.phase("check"):
        unsigned, report.inputs["result"] = packages.said(request.results, request.expected)
        if not unsigned:
            raise ResultsUnusable(f"{request.results} holds no package.")
        copies = packages.copy(request.results, unsigned, waiting)
    with gnupg.opened(request.key, fingerprint=request.fingerprint, passphrase_file=request.passphrase_file) as key:
        report.facts["signing_key"] = key.fingerprint.lower()
        progress.say(f"signing {len(copies)} packages with {key.fingerprint.lower()}")
        with progress.phase("sign"):
            packages.sign(key, copies)
            write_atomically(waiting / CERTIFICATE, key.certificate())
        with progress.phase("verify"):
            packages.verify(waiting / CERTIFICATE, copies, request.results)
        if request.createrepo:
            with progress.phase("repodata"):
                repodata.write(waiting, tuple(sorted(unsigned)))
                key.sign_detached(waiting / REPODATA / INDEX)
    return unsigned


def _files(path: Path) -> tuple[Path, ...]:
    return tuple(path.iterdir()) if path.is_dir() else (path,)
