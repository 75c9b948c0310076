"""The stacks of the default system, brought up once and shared: a test that changes them takes a copy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sandbox.events import Result
from tests.e2e.bench import Bench

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write tests/golden anew instead of comparing with it."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``--dist loadgroup`` one worker takes all of these, so that the stacks come up once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("stacks"))


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether the golden files are to be written. The option is known when tests/e2e is named on the command line."""
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """hub and dev, up. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        bench = Bench(tmp_path_factory.mktemp("platform"))
        bench.good("up", "hub")
        bench.good("up", "dev")
    return bench


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


@pytest.fixture(scope="session")
def prod(platform: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """hub and prod, up. Not to be changed: prod's protected resources see to that."""
    bench = platform.copy(tmp_path_factory.mktemp("prod") / "stacks", ("hub",))
    bench.good("up", "prod")
    return bench
