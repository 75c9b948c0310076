"""The stacks of the default system, brought up once and shared: a test that changes them takes a copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.bench import Bench


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write tests/golden anew instead of comparing with it."
    )


@pytest.fixture
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


@pytest.fixture(scope="session")
def stage(platform: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """hub and stage, up. Not to be changed."""
    bench = platform.copy(tmp_path_factory.mktemp("stage") / "stacks", ("hub",))
    bench.good("up", "stage")
    return bench


@pytest.fixture(scope="session")
def prod(platform: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """hub and prod, up. Not to be changed: prod's protected resources see to that."""
    bench = platform.copy(tmp_path_factory.mktemp("prod") / "stacks", ("hub",))
    bench.good("up", "prod")
    return bench
