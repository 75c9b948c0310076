"""The stacks of the default system as they are saved once they are up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platforms import Platforms, platforms

__all__ = ["platforms"]

STACKS = ("hub", "dev", "stage", "prod")


@pytest.fixture(scope="session")
def documents(platforms: Platforms) -> dict[str, Any]:
    """Stack -> its export. Not to be changed."""
    return {stack: platforms.bench(stack).export(stack) for stack in STACKS}
