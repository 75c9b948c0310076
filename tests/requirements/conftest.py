"""The stacks as registered, for the tests that hold them to the requirements."""

from __future__ import annotations

import json

import pytest

from tests.platforms import Platforms, platforms
from tests.requirements.fitsync import DATABASES, SPOKES
from tests.requirements.registered import Registered

__all__ = ["platforms"]


@pytest.fixture(scope="session")
def hub(platforms: Platforms) -> Registered:
    """The shared network and edge."""
    return Registered(platforms.bench("hub"), "hub")


@pytest.fixture(scope="session")
def spokes(platforms: Platforms) -> dict[str, Registered]:
    """Every environment by its name."""
    return {name: Registered(platforms.bench(name), name) for name in SPOKES}


@pytest.fixture(scope="session", params=list(SPOKES))
def spoke(request: pytest.FixtureRequest, spokes: dict[str, Registered]) -> Registered:
    """Each environment in turn."""
    return spokes[request.param]


@pytest.fixture(scope="session")
def dev(spokes: dict[str, Registered]) -> Registered:
    return spokes["dev"]


@pytest.fixture(scope="session")
def prod(spokes: dict[str, Registered]) -> Registered:
    return spokes["prod"]


@pytest.fixture(scope="session")
def in_cluster(platforms: Platforms) -> Registered:
    """dev with its databases inside the cluster."""
    placement = {"databases": json.dumps(dict.fromkeys(DATABASES, "cluster"))}
    return Registered(platforms.bench("dev", placement, "-in-cluster"), "dev")
