"""Repositories of images, the roles of workflows, and the budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import pytest

from tests.components import built
from tests.components.strict_monitor import StrictMonitor, plain, register

REPOSITORY = "aws:ecr/repository:Repository"


@cache
def made(program: Callable[[], None]) -> StrictMonitor:
    def run() -> None:
        program()

    return register(run)


def open_registry() -> None:
    built.registry(False)


def kept_registry() -> None:
    built.registry(True)


@pytest.mark.parametrize("program", [open_registry, kept_registry])
def test_every_push_is_scanned_and_encrypted(program: Callable[[], None]) -> None:
    repositories = made(program).of(REPOSITORY)
    assert {item.inputs["name"] for item in repositories.values()} == {"shop/web", "shop/orders"}
    for item in repositories.values():
        assert item.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert item.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS"}]


def test_tags_stay_with_their_image_but_those_that_may_move() -> None:
    """A tag that moves runs what nobody tested; ECR refuses exclusions where tags are all immutable."""
    for item in made(open_registry).of(REPOSITORY).values():
        assert item.inputs["imageTagMutability"] == "IMMUTABLE"
        assert "imageTagMutabilityExclusionFilters" not in item.inputs
    for item in made(kept_registry).of(REPOSITORY).values():
        assert item.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert item.inputs["imageTagMutabilityExclusionFilters"] == [{"filter": "latest", "filterType": "WILDCARD"}]


def test_the_last_images_are_kept_whatever_their_tags() -> None:
    policies = made(open_registry).of("aws:ecr/lifecyclePolicy:LifecyclePolicy")
    assert {item.inputs["repository"] for item in policies.values()} == {"shop/web", "shop/orders"}
    for item in policies.values():
        (rule,) = json.loads(item.inputs["policy"])["rules"]
        assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}
        assert rule["action"] == {"type": "expire"}


def test_images_of_a_protected_environment_are_not_lost_with_it() -> None:
    forced = {
        program.__name__: {item.inputs["forceDelete"] for item in made(program).of(REPOSITORY).values()}
        for program in (open_registry, kept_registry)
    }
    assert forced == {"open_registry": {True}, "kept_registry": {False}}


def test_each_role_is_for_its_own_workflows_only() -> None:
    """A trust without a subject lets every repository on GitHub in."""
    monitor = made(built.workflows)
    issuer = monitor.one("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert issuer.inputs["url"] == "https://tokens.example"
    assert issuer.inputs["clientIdLists"] == ["sts.amazonaws.com"]
    trusts = {
        item.parent: json.loads(plain(item.inputs["assumeRolePolicy"]))["Statement"]
        for item in monitor.of("aws:iam/role:Role").values()
    }
    subjects = {
        "pipeline-build": "repo:shop/web:ref:refs/heads/main",
        "pipeline-plan": "repo:shop/web:pull_request",
    }
    assert trusts == {
        name: [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": issuer.outputs["arn"]},
                "Condition": {
                    "StringEquals": {"tokens.example:aud": "sts.amazonaws.com", "tokens.example:sub": [subject]}
                },
            }
        ]
        for name, subject in subjects.items()
    }


def test_a_role_may_do_what_it_is_given() -> None:
    monitor = made(built.workflows)
    (policy,) = monitor.of("aws:iam/rolePolicy:RolePolicy").values()
    assert policy.parent == "pipeline-build"
    (statement,) = json.loads(plain(policy.inputs["policy"]))["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["ecr:PutImage"], ["arn:web"])
    (attached,) = monitor.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment").values()
    assert (attached.parent, attached.inputs["policyArn"]) == (
        "pipeline-plan",
        "arn:aws:iam::aws:policy/SecurityAudit",
    )


def test_people_are_told_before_the_budget_is_spent_and_then() -> None:
    budget = made(built.budget).one("aws:budgets/budget:Budget").inputs
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("500", "USD", "MONTHLY")
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:System$shop", "user:Environment$prod"]}]
    assert [item["threshold"] for item in budget["notifications"]] == [80, 100]
    for item in budget["notifications"]:
        assert item["subscriberEmailAddresses"] == ["ops@shop.example"]
        assert (item["notificationType"], item["thresholdType"]) == ("ACTUAL", "PERCENTAGE")
