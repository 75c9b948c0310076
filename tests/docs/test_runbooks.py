"""What the runbooks have people write into a stack's settings does what they say: previewed on stacks that are up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import pytest
import yaml

import derive.cluster.k3s
from sandbox.events import Step
from systems.fitsync import SYSTEM
from tests.conftest import ROOT
from tests.docs.guide import blocks
from tests.platforms import Platforms

DATA: Final = "fitsync-dev-data"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
MADE: Final = ("create", "replace", "delete")


def settings(name: str, index: int) -> dict[str, Any]:
    """A runbook's block of YAML, counted from 0: a stack's whole ``config``, or the part of it that is shown."""
    found: dict[str, Any] = yaml.safe_load(list(blocks((RUNBOOKS / f"{name}.md").read_text(), "yaml"))[index])
    return {key.removeprefix("wheelhouse:"): value for key, value in found.get("config", found).items()}


def previewed(platforms: Platforms, stack: str, values: dict[str, Any], protected: Iterable[str] = ()) -> list[Step]:
    """What would change in a stack that is up. ``protected``: names of what would be in the way of it."""
    config = {key: json.dumps(value) for key, value in values.items()}
    result = platforms.bench(stack).run("preview", stack, config)
    assert {name for text in result.errors for name in re.findall(r" '([^']+)' \(urn:", text)} == set(protected)
    assert result.succeeded or protected, result.errors
    return [step for step in result.steps if step.op != "same"]


def named(steps: Iterable[Step], *ops: str) -> set[tuple[str, str]]:
    """The kind and the name of what is done."""
    return {(step.type.rpartition(":")[2], step.name) for step in steps if step.op in ops}


def test_rotating_and_restoring_change_what_the_runbooks_say(platforms: Platforms) -> None:
    """A name that the stack does not know is refused; anything else that changes would surprise in a bad hour."""
    rotation = settings("rotate-a-secret", 0)
    point = settings("postgresql", 1)
    snapshot = {"trainingdb": settings("postgresql", 2)["userdb"]}
    steps = previewed(platforms, "dev", {**rotation, "databaseStates": {**point, **snapshot}})
    replaced = named(steps, "replace")
    assert ("RandomPassword", "fitsync-dev-passwords-jwt-secrets-jwt-secret") in replaced
    assert {name for kind, name in replaced if kind == "RandomPassword"} == {
        f"fitsync-dev-passwords-{name}" for name in rotation["rotations"]
    }
    made = named(steps, "create", "replace")
    for database in ("userdb", "trainingdb"):
        machine = {("Volume", f"{DATA}-{database}-data-h2"), ("Instance", f"{DATA}-{database}-instance")}
        assert machine <= made
    assert not [name for _, name in named(steps, *MADE) if re.search("scheduledb|progressdb", name)]
    assert {name for kind, name in named(steps, "update") if kind == "Deployment"} == {
        f"fitsync/{service.name}" for service in SYSTEM.services if "JWT_SECRET" in service.env
    }


def test_promoting_the_standby_keeps_its_volume(platforms: Platforms) -> None:
    """The standby's volume is the data, once it is the primary's."""
    steps = previewed(
        platforms, "prod", {"databaseStates": settings("postgresql", 3)}, ["fitsync-prod-data-userdb-data"]
    )
    volumes = {name for kind, name in named(steps, *MADE) if kind == "Volume"}
    assert "fitsync-prod-data-userdb-data-v2" in volumes
    assert "fitsync-prod-data-userdb-standby-data" not in volumes
    assert not [name for _, name in named(steps, *MADE) if re.search("trainingdb|progressdb", name)]


def test_a_server_made_of_a_snapshot_is_replaced_and_nothing_in_its_cluster(platforms: Platforms) -> None:
    """The snapshot holds what runs there; made anew, it would be as empty as a new cluster."""
    steps = previewed(platforms, "neotool-dev", {"serverSnapshots": {"0": "snap-0123456789abcdef0"}})
    assert {name for _, name in named(steps, *MADE)} == {
        f"neotool-dev-cluster-server-0-{part}" for part in ("volume", "instance", "attachment", "association", "ready")
    }


def test_a_new_release_of_k3s_replaces_nothing(platforms: Platforms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that run are replaced by hand, one by one: all at once, the cluster is gone."""
    monkeypatch.setattr(derive.cluster.k3s, "K3S", "v1.36.3+k3s1")
    steps = previewed(platforms, "dev", {})
    assert named(steps, *MADE) == set()
    assert {kind for kind, _ in named(steps, "update")} >= {"LaunchTemplate"}


def test_an_environment_is_unprotected_by_its_declaration(platforms: Platforms) -> None:
    """What stays protected stops the destruction halfway. That alone makes or deletes nothing."""
    steps = previewed(platforms, "prod", {"environments": {"prod": {"protect": False}}})
    assert named(steps, *MADE) == set()
