"""Locked packages whose scriptlets attack: contained in resolver and builder, each attack told by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import hostile_packages
import pytest

from containers import DEMO, TARGETS, Engine, Workspace, sample, workspace_at
from hermetic_rpm import errors

pytestmark = pytest.mark.promise("5.bad", "a suite of hostile source RPMs and packages is contained in the builder")
OFFLINE = pytest.mark.promise("5.bad", "scriptlets of dependencies reach no network in resolver and builder alike")

ATTACKS = (
    "tcp", "udp", "abstract-socket", "path-socket", "vsock", "raw-packets", "interfaces", "name-servers",
    "network-of-another-process", "root-of-another-process", "memory-of-another-process", "repository",
    "repository-remounted", "repository-remounted-from-a-user-namespace", "unmount", "mount", "device-node",
    "inputs-and-outputs", "bootstrap", "package-cache", "configuration", "kernel-settings", "capabilities",
)  # fmt: skip
SCRIPTLETS = ("pre", "post", "posttrans", "filetrigger", "lua")
PHASES = {"resolver": (*SCRIPTLETS, "profile"), "builder": (*SCRIPTLETS, "profile", "build", "setuid")}
SERVERS = {"tcp": "tcp", "udp": "udp", "abstract-socket": "abstract", "path-socket": "path"}
"""By attack the server that it wants to reach."""

CONTROLS = {
    "left-chroot": {"resolver": SCRIPTLETS, "builder": SCRIPTLETS},
    "sees-repository": {"resolver": SCRIPTLETS, "builder": PHASES["builder"]},
    "sees-package-cache": {"resolver": SCRIPTLETS, "builder": ()},
    "sees-configuration": {"resolver": SCRIPTLETS, "builder": ()},
    "sees-other-processes": PHASES,
    "user-namespace": PHASES,
}
"""What attacks need to have something before them, and in which phases they have it."""


def expected(stage: str, control: str) -> dict[str, set[str]]:
    """By phase whether a control holds."""
    return {phase: {"yes" if phase in CONTROLS[control][stage] else "no"} for phase in PHASES[stage]}


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A workspace in which everything attacked, the servers that were reached, and the log of each stage.

    ``freely`` are the servers that the same program reached as root of a container beside them.
    """

    workspace: Workspace
    reached: tuple[str, ...]
    freely: tuple[str, ...]
    logs: dict[str, list[str]]

    def outcomes(self, stage: str, name: str, kind: str = "ATTACK") -> dict[str, set[str]]:
        """By phase how an attack (or a control) ended."""
        found: dict[str, set[str]] = {}
        for words in (line.split() for line in self.logs[stage] if line.startswith(f"{kind} ")):
            if words[2] == name:
                found.setdefault(words[1], set()).add(words[3])
        return found


def attacked_by(engine: Engine, place: Path, target: str, *, build: bool) -> Attacked:
    """Resolve, and then fetch and ``build``, what attacks; the resolver is in the host's network, where servers wait.

    Without a build the packages come from a web server, so that dnf must have downloaded them.
    """
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(hostile_packages.servers(place / "sockets", f"hostile-{engine.name}-{target}"))
        repository = hostile_packages.packages(place / "packages", servers.addresses())
        address = f"file://{hostile_packages.PLACE}"
        if not build:
            address = stack.enter_context(hostile_packages.web_server(repository))
        targets = hostile_packages.target(place / "targets", target, address)
        srpm = hostile_packages.source_rpm(place / "packages")
        made = workspace_at(engine, place / "workspace")
        hostile_packages.give(engine, place)
        volumes = (f"{repository}:{hostile_packages.PLACE}:ro", f"{place}/sockets:/sockets")
        made = replace(made, options=tuple(part for volume in volumes for part in ("-v", volume)))
        done = made.stage(
            "resolver", "--srpm", f"/input/{srpm.name}", "--target", target, "--output", "/workspace/lock",
            "--cache", "/workspace/cache", options=("--network=host",),
            mounts=(f"{srpm.parent}:/input:ro", f"{targets}:/targets:ro", f"{DEMO}:/distribution:ro",
                    f"{made.path}:/workspace"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        names = {"resolver": "lock/resolver.log"}
        if build:
            for done in (made.fetch(), made.build(srpm)):
                assert done.returncode == 0, done.stderr[-3000:]
            names["builder"] = "results/build.log"
        logs = {stage: (made.path / name).read_text(errors="replace").splitlines() for stage, name in names.items()}
        reached = tuple(servers.reached)
        logs["free"] = unconfined(made, place).splitlines()
    return Attacked(workspace=made, reached=reached, freely=tuple(servers.reached[len(reached) :]), logs=logs)


def unconfined(made: Workspace, place: Path) -> str:
    """The same attacks from the resolver's container, but outside of any sandbox."""
    done = made.stage(
        "resolver", "/usr/share/hostile/attack.pl", "free", options=("--network=host", "--entrypoint=perl"),
        mounts=(f"{place}/packages/SOURCES:/usr/share/hostile:ro",),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["rootful", "rootless"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    engine: Engine = request.getfixturevalue(request.param)
    place = hostile_packages.place_of(engine, tmp_path_factory.mktemp("attacked"))
    return attacked_by(engine, place, TARGETS[0], build=True)


@OFFLINE
@pytest.mark.parametrize("stage", PHASES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_fails_in_every_scriptlet(attacked: Attacked, stage: str, attack: str) -> None:
    assert attacked.outcomes(stage, attack) == {phase: {"refused"} for phase in PHASES[stage]}


@pytest.mark.parametrize("stage", PHASES)
@pytest.mark.parametrize("control", CONTROLS)
def test_an_attack_has_something_before_it(attacked: Attacked, stage: str, control: str) -> None:
    assert attacked.outcomes(stage, control, "CONTROL") == expected(stage, control)


def test_outside_of_a_sandbox_every_server_is_reached(attacked: Attacked) -> None:
    assert {attack: attacked.outcomes("free", attack) for attack in SERVERS} == {
        attack: {"free": {"REACHED"}} for attack in SERVERS
    }
    assert sorted(attacked.freely) == sorted(SERVERS.values())


@OFFLINE
def test_no_server_of_the_host_was_reached(attacked: Attacked) -> None:
    assert attacked.reached == ()


@OFFLINE
@pytest.mark.parametrize("target", TARGETS)
def test_what_dnf_downloaded_from_a_server_it_installs_offline(rootful: Engine, tmp_path: Path, target: str) -> None:
    found = attacked_by(rootful, tmp_path, target, build=False)
    assert found.reached == ()
    phases = {phase: {"refused"} for phase in PHASES["resolver"]}
    assert {attack: found.outcomes("resolver", attack) for attack in ATTACKS} == dict.fromkeys(ATTACKS, phases)
    for control in CONTROLS:
        assert found.outcomes("resolver", control, "CONTROL") == expected("resolver", control)


@pytest.mark.parametrize("stage", PHASES)
def test_no_daemon_outlives_its_transaction(attacked: Attacked, stage: str) -> None:
    assert {line for line in attacked.logs[stage] if line.startswith("daemons:")} == {"daemons: 0"}


def test_what_a_package_prepared_for_the_build_gives_no_power(attacked: Attacked) -> None:
    assert "setuid shell: 1000" in attacked.logs["builder"]
    assert "planted macro: none" in attacked.logs["builder"]


def test_no_trace_is_left_on_the_host(attacked: Attacked) -> None:
    names = {path.name for path in attacked.workspace.path.rglob("*")}
    assert not names & {"escaped", "report", "cell", "hostile-shell"}
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"hostile-daemon" in command for command in commands)


@pytest.mark.promise("5.2", "what was found inside and outside is recorded")
@pytest.mark.promise("5.2", "package code sees no network, capability, descriptor or mount of the outside")
def test_what_was_found_inside_and_outside_is_recorded(attacked: Attacked) -> None:
    facts = attacked.workspace.result("results")["facts"]
    assert facts["network_interfaces_outside"] == ["lo"]
    assert facts["outside"]["uid"] == 0
    assert facts["outside"]["no_new_privileges"] is True
    for name, uid in (("install", 0), ("rpmbuild", 1000)):
        inside = facts["inside"][name]
        assert (inside["uid"], inside["network_interfaces"]) == (uid, ["lo"])
        assert inside["no_new_privileges"] is inside["seccomp_filter"] is True
        assert "/hermetic_repo" in inside["mounts"]
        assert not set(inside["mounts"]) & {"/lock", "/repo", "/results", "/work", "/input"}
        assert inside["user_namespace"]
    assert set(facts["inside"]["rpmbuild"]["capabilities"].values()) == {"0" * 16}


# -- packages that leave no buildroot behind ----------------------------------------------------


@pytest.fixture(params=["rootful", "rootless"])
def bare(request: pytest.FixtureRequest, hello: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The lock of hello without its sidecar, and its repository, of that user."""
    engine: Engine = request.getfixturevalue(request.param)
    with hostile_packages.bare_copy(hello, engine, tmp_path) as made:
        yield made


def spoilt(workspace: Workspace, tmp_path: Path, name: str, script: str, *options: str) -> Workspace:
    """Build hello with one more package, named for its attack: no result, no trace, one clear error."""
    hostile_packages.add_to_lock(workspace, hostile_packages.scriptlet_rpm(tmp_path / "attacker", name, script))
    done = workspace.build(sample("hello"), *options)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert workspace.rpms() == ()
    result = workspace.result("results")
    assert (result["status"], result["error"]["exit_code"]) == ("failed", done.returncode)
    left = workspace.engine.run("podman", "ps", "--all", "--quiet", "--filter", f"volume={workspace.path}/results")
    assert left.stdout == ""
    return workspace


def error_of(workspace: Workspace) -> str:
    kind: str = workspace.result("results")["error"]["kind"]
    return kind


SPOILERS: dict[str, tuple[str, type[errors.HermeticError]]] = {
    "kills-its-parents": ("kill -9 1 $PPID; kill -9 -1", errors.BuildrootMismatch),
    "erases-the-rpm-database": ("rm -rf /usr/lib/sysimage/rpm", errors.BuildrootMismatch),
    "puts-a-pipe-for-passwd": ("rm -f /etc/passwd; mkfifo /etc/passwd", errors.BuildrootUnusable),
    "puts-a-link-for-rpms": ("mkdir -p /builddir/build; ln -s /nowhere /builddir/build/RPMS", errors.BuildrootUnusable),
    "puts-a-link-for-a-mount-point": ("rmdir /hermetic_repo; ln -s /etc /hermetic_repo", errors.BuildrootUnusable),
}


@pytest.mark.promise("5.4", "the installed set equals the lock, or the build ends")
@pytest.mark.parametrize("attack", SPOILERS)
def test_a_package_that_spoils_the_buildroot(bare: Workspace, tmp_path: Path, attack: str) -> None:
    script, error = SPOILERS[attack]
    assert error_of(spoilt(bare, tmp_path, attack, script)) == error.__name__


ENDLESS = {"never-ends": "sleep 1000", "forks-without-end": "bomb() { bomb | bomb & }; bomb; sleep 1000"}


@pytest.mark.parametrize("attack", ENDLESS)
def test_a_package_that_does_not_end_is_ended(bare: Workspace, tmp_path: Path, attack: str) -> None:
    """A bomb may run into the container's limit of processes before its time is up: rpm then fails."""
    made = spoilt(bare, tmp_path, attack, ENDLESS[attack], "--timeout", "6")
    assert error_of(made) in ({"BuildTimeout"} if attack == "never-ends" else {"BuildTimeout", "BuildrootMismatch"})


def test_a_package_that_fills_the_disk(bare: Workspace, tmp_path: Path) -> None:
    small = replace(bare, scratch=("--mount=type=tmpfs,destination=/work,tmpfs-size=1g",))
    script = "dd if=/dev/zero of=/filled bs=1M; exit 1"
    assert error_of(spoilt(small, tmp_path, "fills-the-disk", script)) == "DiskFull"
