"""Hand-off as OCI artifacts: what a stage left goes to a registry as one tar, and to the next stage by digest.

Nobody between the two is trusted: a Task unpacks only what has the digest that the Task before told as its result.
The scripts need no more than the image of the fetcher has: a shell, tar, sha256sum and skopeo.
Source: OCI image specification 1.1, image manifest, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hermetic_rpm.errors import ExportRefused
from hermetic_rpm.export import pod
from hermetic_rpm.export.model import Export, Mount, Stage, dns_label

REPOSITORY = "hand-off"
"""The parameter that says where in a registry the artifacts go."""

URL, DIGEST = "IMAGE_URL", "IMAGE_DIGEST"
"""The results of a Task by which the next one, and Chains, knows the artifact."""

_PLACE, _LOGIN = "/artifacts", "/login"
_COMMON = """\
#!/bin/sh
set -eu
empty=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  # of {}
kind=application/vnd.hermetic-rpm.stage.v1
digest() { cut -c 1-64; }
manifest() {  # of the one layer with sha256 $1 and size $2
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"%s",' "$kind"
  printf '"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:%s","size":2},' "$empty"
  printf '"layers":[{"mediaType":"%s.tar","digest":"sha256:%s","size":%s}]}' "$kind" "$1" "$2"
}
transfer() { skopeo copy --quiet --insecure-policy --preserve-digests --retry-times=3 -- "$1" "$2"; }
if [ -e /login/.dockerconfigjson ]; then export REGISTRY_AUTH_FILE=/login/.dockerconfigjson; fi
if [ -e /login/ca.crt ]; then export SSL_CERT_FILE=/login/ca.crt; fi
copy=$(mktemp -d /var/tmp/artifact.XXXXXX)
"""
GIVE = (
    _COMMON
    + """\
# $1: the directory, $2: the repository, $3: the tag, $4 and $5: the results for repository and digest
tar --create --file "$copy/layer" --directory "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
layer=$(sha256sum < "$copy/layer" | digest)
manifest "$layer" "$(stat -c %s "$copy/layer")" > "$copy/manifest.json"
mv "$copy/layer" "$copy/$layer"
printf '{}' > "$copy/$empty"
printf 'Directory Transport Version: 1.1\\n' > "$copy/version"
transfer "dir:$copy" "docker://$2:$3"
printf %s "$2" > "$4"
printf 'sha256:%s' "$(sha256sum < "$copy/manifest.json" | digest)" > "$5"
rm -r "$copy"
"""
)
TAKE = (
    _COMMON
    + """\
# $1: the repository; then pairs of digest, directory
repository=$1
shift
while [ "$#" -gt 0 ]; do
  transfer "docker://$repository@$1" "dir:$copy"
  layer=
  for file in "$copy"/*; do
    case ${file##*/} in manifest.json | version | "$empty") ;; *) layer=$file ;; esac
  done
  if [ -f "$layer" ]; then found=$(sha256sum < "$layer" | digest); else found=nothing; fi
  made=$(manifest "$found" "$(stat -c %s "${layer:-$copy}")" | sha256sum | digest)
  if [ "sha256:$made" != "$1" ]; then
    echo "$repository@$1 is not what a stage handed on." >&2
    exit 1
  fi
  tar --extract --file "$layer" --directory "$2" --no-same-owner
  rm -r "$copy"
  mkdir "$copy"
  shift 2
done
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a volume has what a stage leaves."""

    stage: str
    volume: str
    subpath: str


def written(export: Export) -> frozenset[str]:
    """The volumes that any stage writes: with hand-off each Task has its own, empty at first."""
    return frozenset(mount.volume for stage in export.stages for mount in stage.mounts if not mount.read_only)


def made_by(stage: Stage) -> Place:
    """Where a stage leaves its output."""
    output = PurePosixPath(stage.output)
    # sorted by target: of nested mounts the inner one holds it
    mount = next(m for m in reversed(stage.mounts) if not m.read_only and output.is_relative_to(m.target))
    path = PurePosixPath(mount.subpath) / output.relative_to(mount.target)
    return Place(stage=stage.name, volume=mount.volume, subpath="" if path == PurePosixPath() else str(path))


def taken_by(export: Export, stage: Stage) -> tuple[Place, ...]:
    """What a stage sees of what earlier stages left."""
    earlier = export.stages[: export.stages.index(stage)]
    return tuple(place for place in map(made_by, earlier) if any(_shows(mount, place) for mount in stage.mounts))


def carrier(export: Export) -> str:
    """The image whose tools carry the artifacts: that of the fetcher; raises `ExportRefused` if there is none."""
    for stage in export.stages:
        if not stage.sandbox:
            return stage.image
    raise ExportRefused("No stage is a fetcher, whose image would carry the artifacts.")


def volumes(export: Export, stage: Stage, login: str) -> list[dict[str, Any]]:
    """The volumes of a stage's Task that take the place of a shared one, and that of the login."""
    names = sorted({mount.volume for mount in stage.mounts} & written(export))
    empty: list[dict[str, Any]] = [{"name": _volume(name), "emptyDir": {}} for name in names]
    secret = {"secretName": dns_label(login, "The secret"), "optional": True}
    return [*empty, {"name": "login", "secret": secret}]


def mounts(export: Export, stage: Stage) -> list[dict[str, Any]]:
    """The mounts of these volumes as the stage wants them."""
    own = written(export)
    return [_mount(m.volume, m.subpath, m.target, read_only=m.read_only) for m in stage.mounts if m.volume in own]


def taking_step(export: Export, places: tuple[Place, ...]) -> dict[str, Any]:
    """A step that fills the volumes with what earlier stages left, held against the digests told."""
    pairs = [part for place in places for part in (f"$(params.{digest_of(place)})", f"{_PLACE}/{place.stage}")]
    return {
        **_carrying("take", export, TAKE, [f"$(params.{REPOSITORY})", *pairs]),
        "volumeMounts": [
            *(_mount(place.volume, place.subpath, f"{_PLACE}/{place.stage}", read_only=False) for place in places),
            *_tools(),
        ],
    }


def giving_step(export: Export, stage: Stage) -> dict[str, Any]:
    """A step that pushes what the stage left, and tells its digest."""
    place = made_by(stage)
    told = [f"$(results.{name}.path)" for name in (URL, DIGEST)]
    return {
        **_carrying("give", export, GIVE, [_PLACE, f"$(params.{REPOSITORY})", "$(context.taskRun.name)", *told]),
        "volumeMounts": [_mount(place.volume, place.subpath, _PLACE, read_only=True), *_tools()],
    }


def digest_of(place: Place) -> str:
    """The parameter that says which artifact of a stage is meant."""
    return f"{place.stage}-artifact"


def _carrying(name: str, export: Export, script: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": carrier(export),
        "script": script,
        "args": arguments,
        "securityContext": pod.PLAIN,
    }


def _tools() -> list[dict[str, Any]]:
    return [*pod.scratch_mounts(), {"name": "login", "mountPath": _LOGIN, "readOnly": True}]


def _shows(mount: Mount, place: Place) -> bool:
    seen, made = PurePosixPath(mount.subpath), PurePosixPath(place.subpath)
    return mount.volume == place.volume and (seen.is_relative_to(made) or made.is_relative_to(seen))


def _mount(volume: str, subpath: str, target: str, *, read_only: bool) -> dict[str, Any]:
    below = {"subPath": subpath} if subpath else {}
    return {"name": _volume(volume), "mountPath": target, "readOnly": read_only, **below}


def _volume(name: str) -> str:
    return dns_label(f"made-{name}", "The volume")
