"""``python -m demo``: make the demo distribution, once."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

from demo.apt import PrivateApt
from demo.handmade import build_handmade, build_samples, masters_of
from demo.image import make_image
from demo.parallel import run_all
from demo.recipe import (
    HEADER_SIGNED,
    IMAGES,
    MINIMAL_GROUP,
    RPM_MACROS,
    SAMPLE_SOURCES,
    SOURCE_DATE_EPOCH,
    WANTED,
    ImageRecipe,
)
from demo.repackage import repackage
from demo.repository import comps_xml, index
from demo.rpmbuild import Rpmbuild
from demo.signing import opened_key, sign_all
from hermetic_rpm.errors import HermeticError, Interrupted, OutputRefused, ToolMissing
from hermetic_rpm.files import write_atomically

HERE = Path(__file__).parent
IMAGE_FILES = ("image.py", "oci.py")
TOOLS = ("apt-get", "createrepo_c", "dpkg-deb", "gpg", "mmdebstrap", "rpmbuild", "rpmsign")


def main() -> int:
    """Parse the arguments, make the distribution, say what was made."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Make the demo distribution.")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="where to make it")
    parser.add_argument("--cache", type=Path, help="what may be used again (default: OUTPUT-cache)")
    arguments = parser.parse_args()
    output = arguments.output.absolute()
    cache = arguments.cache.absolute() if arguments.cache else output.with_name(f"{output.name}-cache")
    try:
        made = make(output, cache)
    except HermeticError as error:
        sys.stderr.write("\n".join((*error.log_tail, error.reason, error.solution, "")))
        return error.exit_code
    except KeyboardInterrupt:
        return Interrupted.exit_code
    sys.stdout.write(f"{output}: {'made' if made else 'up to date'}\n")
    return 0


def recipe_hash(names: tuple[str, ...] = ()) -> str:
    """The hash of the recipe: every file of this package, or only those named."""
    files = [HERE / name for name in names] or [path for path in HERE.rglob("*") if path.is_file()]
    content = hashlib.sha256()
    for path in sorted(files):
        relative = path.relative_to(HERE)
        hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
        if not hidden and path.suffix != ".md":
            content.update(f"{relative}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def make(output: Path, cache: Path) -> bool:
    """Make the distribution at ``output`` unless it is there already; whether it had to."""
    stamp = recipe_hash()
    if _is_made(output, stamp):
        return False
    _check_machine()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_made(output, stamp):
            return False
        _make(output, cache, stamp)
    return True


def _is_made(output: Path, stamp: str) -> bool:
    stamp_file = output / "stamp"
    return stamp_file.is_file() and stamp_file.read_text().strip() == stamp


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise OutputRefused(
            "Only root can unpack packages with their owners.", solution="Run `sudo python3 -m demo` in the checkout."
        )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise ToolMissing(f"These programs are not installed: {', '.join(missing)}.")


def _make(output: Path, cache: Path, stamp: str) -> None:
    fresh = output.with_name(f"{output.name}.incomplete-new")
    work = cache / "work"
    for leftover in (fresh, work):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    say = _Progress()
    images = (partial(_image, recipe, fresh / "images", cache, say) for recipe in IMAGES)
    run_all((partial(_packages, fresh, cache, work, say), *images), workers=1 + len(IMAGES))
    write_atomically(fresh / "stamp", f"{stamp}\n")
    _replace(output, fresh)
    shutil.rmtree(work)


def _replace(output: Path, fresh: Path) -> None:
    old = output.with_name(f"{output.name}.incomplete-old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    fresh.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def _packages(fresh: Path, cache: Path, work: Path, say: _Progress) -> None:
    apt = PrivateApt(root=cache / "apt")
    apt.update()
    debs = apt.debs(WANTED)
    tarballs = apt.upstream_tarballs(SAMPLE_SOURCES, cache / "sources")
    say(f"{len(debs)} packages and {len(tarballs)} sources of Debian are here")
    rpmbuild = Rpmbuild(home=work / "rpmbuild")
    rpmbuild.prepare()
    masters = masters_of(debs, work / "base-passwd")
    packages = repackage(debs, rpmbuild, masters.names())
    say(f"{len(packages)} of them are RPMs")
    build_handmade(rpmbuild, masters)
    build_samples(rpmbuild, tarballs)
    say("hand-made packages and samples are built")
    rpms, sources = rpmbuild.made(), rpmbuild.made("SRPMS")
    with opened_key(cache / "secret-key.asc") as key:
        sign_all(key, rpms, header_only=HEADER_SIGNED)
        sign_all(key, sources, header_only=tuple(path.name for path in sources))
        key.export(fresh / "keys" / "RPM-GPG-KEY-demo")
    say(f"{len(rpms)} packages and {len(sources)} source packages are signed")
    _move(rpms, fresh / "repo" / "Packages")
    _move(sources, fresh / "repo-source" / "Packages")
    _move(rpmbuild.made("SAMPLES"), fresh / "srpms")
    index(fresh / "repo", groups=comps_xml(MINIMAL_GROUP), modules=HERE / "modules.yaml")
    index(fresh / "repo-source")


def _move(files: tuple[Path, ...], directory: Path) -> None:
    directory.mkdir(parents=True)
    for path in files:
        shutil.move(path, directory / path.name)


def _image(recipe: ImageRecipe, directory: Path, cache: Path, say: _Progress) -> None:
    """Put a bootstrap image into ``directory``, from the cache where its recipe is the same."""
    key = f"{recipe!r} {RPM_MACROS} {SOURCE_DATE_EPOCH} {recipe_hash(IMAGE_FILES)}"
    kept = cache / "images" / f"{recipe.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not kept.is_dir():
        for outdated in kept.parent.glob(f"{recipe.name}-*"):
            shutil.rmtree(outdated)
        incomplete = kept.with_name(f"{kept.name}.incomplete-new")
        make_image(recipe, layout=incomplete, work=cache / "mmdebstrap" / recipe.name)
        incomplete.rename(kept)
    shutil.copytree(kept, directory / recipe.name)
    say(f"bootstrap image {recipe.name} is ready")


class _Progress:
    """Lines on stderr with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, message: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._start:5.1f} s] {message}\n")


if __name__ == "__main__":
    sys.exit(main())
