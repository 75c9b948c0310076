"""The stacks of the default system as they are saved once they are up."""

from __future__ import annotations

from typing import Any

import pytest

import systems
from audit.scope import Scope
from tests.platforms import Platforms, platforms

__all__ = ["platforms"]

Documents = dict[str, Any]
REGION = "eu-west-1"
OPERATORS = ("192.168.100.0/24",)
"""As in the stacks' files."""


@pytest.fixture(scope="session")
def documents(platforms: Platforms) -> Documents:
    """Stack -> its export. A test that changes one undoes it."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("hub", "dev", "stage", "prod")}


def scope(environment: str) -> Scope:
    """The default system's environment, with the settings of its stack's file."""
    return Scope(systems.load("fitsync"), environment, REGION, operators=OPERATORS)


@pytest.fixture(scope="session")
def gym(platforms: Platforms) -> Documents:
    """Gym's stacks: their network is their own."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("gym-dev", "gym-prod")}
