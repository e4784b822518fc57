"""What podman is told where there is SELinux; nothing of it was run on such a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermetic_rpm.runner import observed, podman, selinux
from hermetic_rpm.runner.command import argv
from hermetic_rpm.runner.plan import Bind, StagePlan

OWN = Bind(source=Path("/w"), target="/workspace", read_only=False)
LOCK = Bind(source=Path("/w/lock"), target="/workspace/lock", read_only=True)
USERS = Bind(source=Path("/home/me/targets"), target="/targets", read_only=True)


def stage(kind: str, *binds: Bind) -> StagePlan:
    return StagePlan(
        name=kind, kind=kind, image=kind, arguments=(), network="none", capabilities=(), environment=(), binds=binds,
        directories=(Path("/w"), Path("/w/lock")), expects=(), output=Path("/w/lock"),
    )  # fmt: skip


@pytest.fixture(params=[True, False], ids=["SELinux", "none"])
def enabled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    if request.param:
        (tmp_path / "enforce").touch()
    monkeypatch.setattr(selinux, "ENFORCE", tmp_path / "enforce")
    return bool(request.param)


def test_a_fetcher_in_its_own_directories_stays_confined_and_they_are_relabelled(enabled: bool) -> None:
    words = argv(stage("fetcher", OWN, LOCK))
    options = podman._options(stage("fetcher", OWN, LOCK), ())
    assert "--security-opt=label=disable" not in words
    assert "security_opt" not in options
    assert sum(word.endswith(",relabel=shared") for word in words) == 2 * enabled
    assert [mount.get("relabel") for mount in options["mounts"][:2]] == ["z" if enabled else None] * 2


@pytest.mark.parametrize(
    "made", [stage("fetcher", OWN, USERS), stage("resolver", OWN), stage("builder", LOCK)], ids=lambda one: one.kind
)
def test_whoever_sees_the_users_files_or_mounts_is_unlabelled_and_nothing_is_relabelled(
    made: StagePlan, enabled: bool
) -> None:
    words, options = argv(made), podman._options(made, ())
    assert ("--security-opt=label=disable" in words) == enabled
    assert options.get("security_opt") == (["disable"] if enabled else None)
    assert "relabel" not in f"{words} {options}"


def test_it_is_no_weakness_of_a_builder() -> None:
    found = observed.container(
        {
            "Id": "1", "Image": "2", "ImageDigest": "3", "OCIRuntime": "runc", "Config": {},
            "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True, "Privileged": False,
                           "SecurityOpt": ["no-new-privileges", "label=disable"]},
            "State": {"StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "2026-01-01T00:00:00Z"},
        }
    )  # fmt: skip
    assert tuple(observed.weaknesses(found)) == ()
