"""podman's inspect, read: with what it leaves out, and with times as any host writes them."""

from __future__ import annotations

from typing import Any

import pytest

from hermetic_rpm.runner import observed
from hermetic_rpm.runner.observed import Mounted


def attributes(**host: Any) -> dict[str, Any]:
    return {
        "Id": "3" * 64, "Image": "1" * 64, "ImageDigest": f"sha256:{'2' * 64}", "OCIRuntime": "crun",
        "EffectiveCaps": None, "BoundingCaps": None, "Mounts": None, "Config": {"Cmd": None},
        "State": {"StartedAt": "2026-11-23T20:35:13.950889809+02:00", "FinishedAt": "2026-11-23T20:35:14Z"},
        "HostConfig": {
            "NetworkMode": "none", "ReadonlyRootfs": True, "Privileged": False, "SecurityOpt": None, "Devices": None,
            **host,
        },
    }  # fmt: skip


def test_what_podman_leaves_out_is_empty() -> None:
    found = observed.container(attributes())
    assert (found.effective_capabilities, found.bounding_capabilities, found.mounts) == ((), (), ())
    assert (found.arguments, found.security_options, found.devices) == ((), (), ())
    assert found.image == f"sha256:{'1' * 64}"


def test_times_are_told_in_utc_to_the_second() -> None:
    found = observed.container(attributes())
    assert (found.started, found.finished) == ("2026-11-23T18:35:13Z", "2026-11-23T20:35:14Z")


def test_mounts_and_devices_are_told_by_their_place_in_the_container() -> None:
    inspected = attributes(Devices=[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/disk"}])
    inspected["Mounts"] = [
        {"Source": "/home/b", "Destination": "/results", "RW": True},
        {"Source": "/home/a", "Destination": "/lock", "RW": False},
    ]
    found = observed.container(inspected)
    assert found.devices == ("/dev/disk",)
    assert found.mounts == (Mounted(target="/lock", read_only=True), Mounted(target="/results", read_only=False))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), {}),
        (("--expect", "srpm=ab", "--output", "/x", "--expect", "input:a=cd"), {"srpm": "ab", "input:a": "cd"}),
        (("--expect",), {}),
    ],
)
def test_what_a_stage_was_told_to_expect_is_read_from_its_arguments(
    words: tuple[str, ...], told: dict[str, str]
) -> None:
    inspected = attributes()
    inspected["Config"] = {"Cmd": list(words)}
    assert observed.expected(observed.container(inspected)) == told
