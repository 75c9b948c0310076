"""The stacks as registered, for the tests that hold them to the requirements."""

from __future__ import annotations

import json

import pytest

from tests.platforms import Platforms, platforms
from tests.requirements.fitsync import DATABASES, SPOKES
from tests.requirements.registered import Registered

__all__ = ["platforms"]


def _environments(platforms: Platforms, system: str) -> dict[str, Registered]:
    """A system's environments by name."""
    return {name: Registered(platforms.bench(f"{system}-{name}"), f"{system}-{name}") for name in ("dev", "prod")}


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


RECONFIGURED = {
    "databases": dict.fromkeys(DATABASES, "cluster"),
    "imageTags": {"default": "2.0.0", "user-service": "2.1.0"},
    "adminRanges": ["192.168.7.0/24"],
    "environments": {"dev": {"replicas": 2, "servers": {"instance": "t3.large"}, "domain": "trial.fitsync.com"}},
}
"""What a stack's own configuration can change."""


@pytest.fixture(scope="session")
def reconfigured(platforms: Platforms) -> Registered:
    """dev with another configuration: among it, its databases inside the cluster."""
    config = {key: json.dumps(value) for key, value in RECONFIGURED.items()}
    config["registry"] = "registry.example.com/team"
    return Registered(platforms.bench("dev", config, "-reconfigured"), "dev")


@pytest.fixture(scope="session")
def orion(platforms: Platforms) -> Registered:
    """Orion's production."""
    return Registered(platforms.bench("orion-prod"), "orion-prod")


@pytest.fixture(scope="session")
def gyms(platforms: Platforms) -> dict[str, Registered]:
    """Gym's environments by name."""
    return _environments(platforms, "gym")


@pytest.fixture(scope="session", params=["dev", "prod"])
def gym(request: pytest.FixtureRequest, gyms: dict[str, Registered]) -> Registered:
    """Each of them in turn."""
    return gyms[request.param]


@pytest.fixture(scope="session")
def neotools(platforms: Platforms) -> dict[str, Registered]:
    """Neotool's environments by name."""
    return _environments(platforms, "neotool")


@pytest.fixture(scope="session")
def neotool(neotools: dict[str, Registered]) -> Registered:
    """Neotool's production."""
    return neotools["prod"]


@pytest.fixture(scope="session")
def orion_dev(platforms: Platforms) -> Registered:
    """Orion's other environment."""
    return Registered(platforms.bench("orion-dev"), "orion-dev")


@pytest.fixture(scope="session")
def myhealths(platforms: Platforms) -> dict[str, Registered]:
    """myHealth's environments by name."""
    return _environments(platforms, "myhealth")


@pytest.fixture(scope="session", params=["dev", "prod"])
def myhealth(request: pytest.FixtureRequest, myhealths: dict[str, Registered]) -> Registered:
    """Each of them in turn."""
    return myhealths[request.param]


@pytest.fixture(scope="session")
def myhealth_dev(myhealths: dict[str, Registered]) -> Registered:
    return myhealths["dev"]


@pytest.fixture(scope="session")
def myhealth_prod(myhealths: dict[str, Registered]) -> Registered:
    return myhealths["prod"]
