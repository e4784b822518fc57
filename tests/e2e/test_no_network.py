"""A package that tries the network everywhere, and looks for what it must not see, in both stages."""

from __future__ import annotations

import pytest

from containers import Workspace, sample, unpack_rpm

PHASES = ("prep", "generate_buildrequires", "build")


@pytest.mark.promise("2.done", "a spec that tries the network in every phase reaches nothing in either stage")
@pytest.mark.promise("2.4", "package code sees no capability, no cache and no output in resolver and builder alike")
def test_package_code_reaches_nothing_and_sees_nothing(workspace: Workspace) -> None:
    srpm = sample("demo-network")
    workspace.whole(srpm)
    package = next(path for path in workspace.rpms() if path.name.endswith(".noarch.rpm"))
    report = (unpack_rpm(package, workspace.path / "x") / "usr/share/demo-network/report").read_text()
    builder = report.splitlines()
    # The resolver runs %prep and %generate_buildrequires too; the probe prints what it finds.
    resolver = [
        line for line in (workspace.path / "lock/resolver.log").read_text().splitlines() if line.startswith(PHASES)
    ]
    for lines, phases in ((builder, PHASES), (resolver, PHASES[:2])):
        assert {line.split()[0] for line in lines} == set(phases)
        assert [line for line in lines if "REACHED" in line] == []
        assert [line for line in lines if " visible" in line] == []
        assert any(" refused" in line for line in lines)
        interfaces = {line.split()[-1] for line in lines if " interface " in line}
        assert interfaces == {"lo"}
        capabilities = {line.split()[-1] for line in lines if " Cap" in line}
        assert capabilities == {"0000000000000000"}
