"""The project's own stacks obey the pack, and so does what its vocabulary can say besides."""

from __future__ import annotations

import pytest
from pulumi_policy import EnforcementLevel

from derive.application import ApplicationPlan
from tests.conftest import ROOT
from tests.platforms import Platforms
from tests.policies.analyzer import configured, judge, resource
from tests.unit.declared import derived, parts
from tests.unit.replicated import replicated
from tests.unit.test_manifests_valid import everything

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))

ADVICE_NOT_TAKEN = {
    "encryption-own-key": "AWS' own keys do for log groups and for secrets that only nodes of the same account read",
    "database-deletion": "what is not protected goes with its environment, its managed database included",
    "machine-public-address": "a machine that is its own edge is reached by its own address",
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


@pytest.mark.parametrize("plan", [everything(), derived(replicated())], ids=["everything", "replicated"])
def test_what_no_stack_declares_obeys_too(plan: ApplicationPlan) -> None:
    """A kind of store or workload that only other systems use would be refused in their stacks."""
    objects = [item for part in parts(plan) for item in part.objects]
    assert len(objects) > 50
    found = [
        resource(f"kubernetes:{_group(item['apiVersion'])}:{item['kind']}", item, f"{index}")
        for index, item in enumerate(objects)
    ]
    assert [item.message for item in judge(found, configured())] == []


def _group(version: str) -> str:
    """Pulumi calls the group without a name ``core``."""
    return version if "/" in version else f"core/{version}"
