"""Source RPMs that attack the online resolver: in %prep, in %generate_buildrequires, and while they are parsed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_packages
import pytest

from containers import Workspace
from hermetic_rpm import errors

pytestmark = pytest.mark.promise("3.7", "hostile source RPMs are contained in the resolver")

Attack = Callable[..., Path]
ENDED = {errors.BuildTimeout.exit_code, errors.SpecFailed.exit_code}
DYNAMIC = "%generate_buildrequires\n"


@pytest.fixture(params=["rootful", "rootless"])
def resolving(request: pytest.FixtureRequest, hello: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace of either user whose cache has the minimal buildroot."""
    engine = request.getfixturevalue(request.param)
    place = hostile_packages.place_of(engine, tmp_path / "resolving")
    shutil.copytree(hello.path / "cache", place / "cache")
    (place / "lock").mkdir()
    hostile_packages.give(engine, place)
    try:
        yield Workspace(engine=engine, path=place)
    finally:
        shutil.rmtree(place)


def failed(workspace: Workspace, srpm: Path, codes: set[int], *options: str) -> str:
    """What is said of a source RPM that is refused; no lock and no container is left of it."""
    done = workspace.resolve(srpm, "demo-dnf5-x86_64", *options)
    assert done.returncode in codes, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert workspace.result("lock")["status"] == "failed"
    assert not (workspace.path / "lock/buildroot_lock.json").exists()
    left = workspace.engine.run("podman", "ps", "--all", "--quiet", "--filter", f"volume={workspace.path}")
    assert left.stdout == ""
    return done.stderr


def locked(workspace: Workspace, srpm: Path) -> list[str]:
    """The lines of the log of a source RPM that can be resolved."""
    done = workspace.resolve(srpm)
    assert done.returncode == 0, done.stderr[-3000:]
    return (workspace.path / "lock/resolver.log").read_text(errors="replace").splitlines()


def test_a_fork_bomb_is_ended_in_time(resolving: Workspace, attack: Attack) -> None:
    failed(resolving, attack(prep=f"bomb() {{ bomb | bomb & }}; bomb; sleep 1000\n{DYNAMIC}"), ENDED, "--timeout", "5")


def test_a_fork_bomb_of_a_macro_is_ended_in_time(resolving: Workspace, attack: Attack) -> None:
    bomb = "%(test -d /builddir && { bomb() { bomb | bomb & }; bomb; sleep 1000; })"
    failed(resolving, attack(preamble=bomb), ENDED, "--timeout", "5")


def test_output_without_end_is_ended_in_time(resolving: Workspace, attack: Attack) -> None:
    said = failed(resolving, attack(prep=f"yes\n{DYNAMIC}"), ENDED, "--timeout", "3")
    assert "was ended after 3 seconds" in said


def test_requirements_without_end_are_refused(resolving: Workspace, attack: Attack) -> None:
    failed(
        resolving, attack(prep=f"{DYNAMIC}yes demo-tool"), {*ENDED, errors.CommandFailed.exit_code}, "--timeout", "3"
    )


def test_daemons_end_with_the_resolver(resolving: Workspace, attack: Attack) -> None:
    daemon = """(setsid sh -c 'trap "" TERM HUP INT; exec sleep 1000' </dev/null >/dev/null 2>&1 &)"""
    log = locked(resolving, attack(prep=f"for i in 1 2 3; do {daemon}; done\n{DYNAMIC}"))
    assert [line for line in log if "processes that were left behind" in line] != []


def test_killing_everything_in_reach_kills_only_the_package(resolving: Workspace, attack: Attack) -> None:
    failed(resolving, attack(prep=f"kill -9 1 $PPID 2>&1 || :; kill -9 -1\n{DYNAMIC}"), ENDED)


def test_nothing_outside_of_the_tree_can_be_written(resolving: Workspace, attack: Attack) -> None:
    places = "/ /etc /usr /proc/1/root /proc/1/cwd /proc/sys/kernel /sys /workspace /workspace/cache /input /targets"
    lines = (
        f"for p in {places}; do if touch $p/escaped 2> /dev/null; then echo ESCAPED $p; fi; done; echo TRIED\n{DYNAMIC}"
    )
    log = locked(resolving, attack(prep=lines))
    assert "TRIED" in log
    assert [line for line in log if line.startswith("ESCAPED")] == []
    assert list(resolving.path.rglob("escaped")) == []


def test_nothing_of_the_stage_can_be_looked_at(resolving: Workspace, attack: Attack) -> None:
    """/proc shows other processes of the container, but nothing of what is theirs, and neither cache nor lock."""
    look = (
        "for p in /proc/[0-9]*; do test $(stat -c %u $p) = 1000 && continue; "
        "for f in environ root/etc cwd/. fd/0 mem maps; do "
        "if cat $p/$f > /dev/null 2>&1 || ls $p/$f/ > /dev/null 2>&1; then echo SEEN $p/$f; fi; done; done; "
        "for f in /workspace /input /targets /var/cache/dnf /hermetic-rpm-config /run/secrets; do "
        "test -e $f && echo SEEN $f; done; echo LOOKED\n"
    )
    log = locked(resolving, attack(prep=look.replace("%u", "%%u") + DYNAMIC))
    assert "LOOKED" in log
    assert [line for line in log if line.startswith("SEEN")] == []
