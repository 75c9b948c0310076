"""Who builds and deploys: repositories, the roles of workflows, and the account in the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from derive.delivery.pipeline import CHANGING, LOOKING, PipelinePlan, pipeline
from derive.delivery.registry import RegistryPlan, registry
from derive.shapes import Deployment
from model import (
    ArgoRollouts,
    BlueGreen,
    Budget,
    Deployer,
    GithubActions,
    Platform,
    Registry,
    Service,
    minutes,
)
from model.workloads import Schedule
from tests.unit.declared import deployed, derived, environment, shop

GITHUB = GithubActions(repository="shop-company/shop", state_bucket="shop-state", state_key="alias/pulumi")


def owner(owns: bool = True, **platform: Any) -> Deployment:
    parts = {"registry": Registry(moving_tags=("latest",)), "pipeline": GITHUB, **platform}
    system = shop(platform=Platform(**parts), environments={"dev": environment(owns_account=owns, protect=True)})
    return deployed(system)


def planned(deployment: Deployment) -> PipelinePlan:
    plan = pipeline(deployment)
    assert plan
    return plan


def test_each_service_has_a_repository_where_its_image_is_looked_for() -> None:
    services = (
        Service(name="web", port=3000),
        Service(name="worker", image="shop/web"),
        Service(name="tool", image="tools/tool"),
    )
    deployment = deployed(
        shop(
            services=services,
            platform=Platform(registry=Registry(keep=5)),
            environments={"dev": environment(owns_account=True)},
        )
    )
    assert registry(deployment) == RegistryPlan(("shop/web", "tools/tool"), 5, (), False)


def test_what_an_account_has_once_is_made_by_the_environment_that_owns_it() -> None:
    """Two stacks of one account would both claim the same repositories and the same issuer."""
    assert registry(owner()) == RegistryPlan(("shop/web", "shop/orders"), 10, ("latest",), True)
    assert registry(owner(owns=False)) is None
    assert pipeline(owner(owns=False)) is None
    assert registry(owner(registry=None)) is None


def test_who_proposes_may_not_change_and_who_builds_may_not_apply() -> None:
    plan = planned(owner())
    assert plan.issuer == "token.actions.githubusercontent.com"
    merged, proposed = "repo:shop-company/shop:ref:refs/heads/main", "repo:shop-company/shop:pull_request"
    roles = {role.name: role for role in plan.roles}
    assert {name: role.subjects for name, role in roles.items()} == {
        "build": (merged,),
        "plan": (proposed,),
        "apply": (merged,),
    }
    assert {name: role.managed for name, role in roles.items()} == {"build": (), "plan": LOOKING, "apply": (CHANGING,)}
    looked = {action for statement in roles["plan"].statements for action in statement.actions}
    assert looked == {
        "kms:Decrypt",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:ListBucket",
        "ssm:GetParameter",
        "ssm:GetParameters",
    }


def test_images_are_pushed_to_the_systems_own_repositories_only() -> None:
    (build, *_) = planned(owner()).roles
    signing, pushing = build.statements
    assert (signing.actions, signing.resources) == (("ecr:GetAuthorizationToken",), ("*",))
    assert pushing.resources == ("${repository-arn:shop/web}", "${repository-arn:shop/orders}")
    assert "ecr:PutImage" in pushing.actions
    assert "ecr:BatchDeleteImage" not in pushing.actions


def test_identities_are_changed_below_the_systems_own_names_only() -> None:
    apply = planned(owner()).roles[-1]
    named = {resource for statement in apply.statements for resource in statement.resources}
    assert named == {
        "arn:aws:s3:::shop-state",
        "arn:aws:s3:::shop-state/.pulumi/*",
        "arn:aws:kms:*:*:key/*",
        "arn:aws:iam::*:role/shop-*",
        "arn:aws:iam::*:instance-profile/shop-*",
        "arn:aws:iam::*:oidc-provider/*",
    }
    (key,) = [statement for statement in apply.statements if "kms:Decrypt" in statement.actions]
    assert key.conditions == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/pulumi"}}


def test_without_a_registry_nobody_builds_and_without_a_bucket_no_state_is_read() -> None:
    plan = planned(owner(registry=None, pipeline=GithubActions(repository="a/b")))
    assert [role.name for role in plan.roles] == ["plan", "apply"]
    assert not any("s3:" in action for role in plan.roles for item in role.statements for action in item.actions)


def test_the_account_in_the_cluster_gives_services_other_images_and_nothing_else() -> None:
    services = (
        Service(name="web", port=3000),
        Service(name="green", port=3001, release=BlueGreen(), namespace="shop-green"),
        Service(name="nightly", schedule=Schedule(cron="0 1 * * *", deadline=minutes(5))),
    )
    plan = derived(shop(services=services, platform=Platform(pipeline=Deployer(), addons=(ArgoRollouts(),))))
    (part,) = [part for part in plan.edge if part.name == "pipeline"]
    account, *rest = part.objects
    assert (account["kind"], account["metadata"]["name"], account["metadata"]["namespace"]) == (
        "ServiceAccount",
        "ci-deployer",
        "shop",
    )
    assert account["automountServiceAccountToken"] is False
    assert {item["kind"] for item in rest} == {"Role", "RoleBinding"}
    roles = {item["metadata"]["namespace"]: item["rules"] for item in rest if item["kind"] == "Role"}
    changing = {
        space: [
            (rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in rules if "patch" in rule["verbs"]
        ]
        for space, rules in roles.items()
    }
    assert changing == {
        "shop": [
            (["deployments"], ["get", "patch"], ["web"]),
            (["cronjobs"], ["get", "patch"], ["nightly"]),
        ],
        "shop-green": [(["rollouts"], ["get", "patch"], ["green"])],
    }
    verbs = {verb for rules in roles.values() for rule in rules for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch", "patch"}
    assert "secrets" not in {kind for rules in roles.values() for rule in rules for kind in rule["resources"]}
    for item in rest:
        if item["kind"] == "RoleBinding":
            assert item["subjects"] == [{"kind": "ServiceAccount", "name": "ci-deployer", "namespace": "shop"}]
            assert item["roleRef"]["kind"] == "Role"


def test_no_account_where_none_is_declared() -> None:
    for pipeline_ in (None, GithubActions(repository="a/b")):
        plan = derived(shop(platform=Platform(pipeline=pipeline_)))
        assert "pipeline" not in {part.name for part in plan.edge}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: GithubActions(repository="shop"),
        lambda: GithubActions(repository="shop/*"),
        lambda: GithubActions(repository="a/b", branch="*"),
        lambda: Budget(amount=100, notify=("operations",)),
        lambda: Budget(amount=100, notify=()),
        lambda: Registry(moving_tags=("a b",)),
    ],
)
def test_patterns_and_what_is_no_address_are_refused(wrong: Any) -> None:
    """``repo:shop/*`` would trust repositories that do not exist yet."""
    with pytest.raises(ValidationError):
        wrong()
