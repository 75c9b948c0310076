"""The servers are those of the cluster that is deployed, and what they need is told in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from derive.versions import K3S
from tests.cluster import programs


def test_the_servers_have_the_version_of_the_cluster() -> None:
    """Another version serves other kinds and fields: `go get k8s.io/kubernetes@...` in tests/cluster/servers."""
    assert programs.version() == K3S.partition("+")[0]


def test_each_staging_module_has_the_version_that_belongs_to_it() -> None:
    """Kubernetes' own go.mod leaves them open; one at another version is a server that nobody released."""
    text = (programs.MODULE / "go.mod").read_text()
    required = [line.split()[:2] for line in text.splitlines() if line.startswith("\tk8s.io/") and " v" in line]
    staging = {name: version for name, version in required if version.startswith("v0.") and version.count("-") == 0}
    assert len(staging) > 20
    assert set(staging.values()) == {programs.version().replace("v1.", "v0.", 1)}


def test_what_is_missing_is_said_in_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    message = (
        "the tests on a Kubernetes API server need etcd (on Debian: apt-get install etcd-server) and Go, of the "
        "version in tests/cluster/servers/go.mod or newer"
    )
    with pytest.raises(programs.Unavailable) as refused:
        programs.build()
    assert str(refused.value) == message


def test_servers_that_are_not_built_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "etcd").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(programs.Unavailable, match="is not built yet; `make cluster-test` builds it"):
        programs.require()
