"""What the stacks consist of, for a person to review: a change of the program shows up as a change of these files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bench import Bench
from tests.e2e.golden import GOLDEN, compare, manifests, tree
from tests.platforms import Platforms


@pytest.mark.parametrize(
    ("stack", "fixture"), [("hub", "platform"), ("dev", "platform"), ("stage", "stage"), ("prod", "prod")]
)
def test_resources_and_outputs(request: pytest.FixtureRequest, update_golden: bool, stack: str, fixture: str) -> None:
    """A renamed or moved resource is deleted and made anew; one that nobody meant to add is paid for; a lost output,
    or one that is secret or no longer so, breaks who reads it."""
    bench: Bench = request.getfixturevalue(fixture)
    name = f"fitsync-{stack}.txt"
    compare({GOLDEN / name: tree(stack, bench.resources(stack))}, GOLDEN, name, update_golden)


@pytest.mark.parametrize("stack", ["orion-prod", "gym-prod", "neotool-prod", "myhealth-prod"])
def test_production_of_the_other_systems(platforms: Platforms, update_golden: bool, stack: str) -> None:
    """A generator that was made for one system and changes another shows here."""
    name = f"{stack}.txt"
    compare({GOLDEN / name: tree(stack, platforms.bench(stack).resources(stack))}, GOLDEN, name, update_golden)


def test_kubernetes_objects(platform: Bench, update_golden: bool) -> None:
    """A policy that became wider, a limit that went, a label that another object selects by."""
    folder: Path = GOLDEN / "fitsync-dev-manifests"
    found = {folder / name: text for name, text in manifests(platform.resources("dev")).items()}
    compare(found, folder, "*.yaml", update_golden)
