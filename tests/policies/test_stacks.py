"""The project's own stacks obey the pack."""

from __future__ import annotations

import pytest
from pulumi_policy import EnforcementLevel

from tests.conftest import ROOT
from tests.platforms import Platforms
from tests.policies.analyzer import configured, judge

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))

ADVICE_NOT_TAKEN = {
    "encryption-own-key": "AWS' own keys do for log groups and for secrets that only nodes of the same account read",
}
"""Advisory policy -> why this project goes without. docs/policies.md has what is allowed of mandatory ones."""


@pytest.mark.parametrize("stack", STACKS)
def test_no_stack_violates_a_policy(platforms: Platforms, stack: str) -> None:
    """What we ask of others' stacks holds for ours."""
    found = judge(platforms.bench(stack).resources(stack), configured())
    assert [item.message for item in found if item.policy not in ADVICE_NOT_TAKEN] == []
    assert all(item.level is EnforcementLevel.ADVISORY for item in found if item.policy in ADVICE_NOT_TAKEN)


def test_what_is_allowed_is_needed(platforms: Platforms) -> None:
    """An exception that nothing needs any more is a hole."""
    resources = [item for stack in STACKS for item in platforms.bench(stack).resources(stack)]
    assert {item.policy for item in judge(resources)} == configured().keys() | ADVICE_NOT_TAKEN.keys()
