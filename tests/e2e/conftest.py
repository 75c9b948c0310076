"""The stacks of the default system, brought up once and shared: a test that changes them takes a copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.events import Result
from tests.e2e.bench import Bench
from tests.platforms import Platforms, platforms

__all__ = ["platforms"]


@pytest.fixture(scope="session")
def platform(platforms: Platforms) -> Bench:
    """hub and dev, up. Not to be changed."""
    return platforms.bench("dev")


@pytest.fixture(scope="session")
def stage(platforms: Platforms) -> Bench:
    """hub and stage, up. Not to be changed."""
    return platforms.bench("stage")


@pytest.fixture(scope="session")
def prod(platforms: Platforms) -> Bench:
    """hub and prod, up. Not to be changed: prod's protected resources see to that."""
    return platforms.bench("prod")


@pytest.fixture
def own(platform: Bench, tmp_path: Path) -> Bench:
    """hub and dev, up, to be changed at will."""
    return platform.copy(tmp_path / "stacks", ("hub", "dev"))


@pytest.fixture
def hub_only(platform: Bench, tmp_path: Path) -> Bench:
    """The hub, up, to be changed at will."""
    return platform.copy(tmp_path / "stacks", ("hub",))


@pytest.fixture(scope="session")
def release(platform: Bench, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What a run on dev did for a new image of one service."""
    bench = platform.copy(tmp_path_factory.mktemp("release") / "stacks", ("hub", "dev"))
    return bench.good("up", "dev", {"imageTags": json.dumps({"default": "1.0.0", "user-service": "1.0.1"})})
