"""What an environment makes in its account beside what runs: the registry, the pipelines' way in, watch, the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.delivery.registry import Registry, RegistryArgs
from components.delivery.workflows import Workflows, WorkflowsArgs
from components.operations.budget import CostBudget, CostBudgetArgs
from components.operations.watch import AccountWatch, AccountWatchArgs
from derive.cloud import Reference
from derive.delivery.registry import repositories
from stacks.common import Stack


@dataclass(frozen=True)
class Delivery:
    """Where images go, and by which roles pipelines work."""

    repositories: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    roles: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)


def deliver(stack: Stack) -> Delivery:
    """The registry of images and the pipelines' roles, where the environment has them."""
    plan = stack.plan.registry
    registry = None
    urls = _of_another(stack)
    if plan:
        args = RegistryArgs(plan.repositories, plan.keep, plan.moving_tags, plan.protect)
        registry = Registry(f"{stack.name}-registry", args, stack.options)
        urls = registry.urls
    pipeline = stack.plan.pipeline
    if pipeline is None:
        return Delivery(urls)
    found = {Reference("repository-arn", name): arn for name, arn in (registry.arns if registry else {}).items()}
    workflows = Workflows(
        f"{stack.name}-pipeline", WorkflowsArgs(pipeline.issuer, pipeline.roles, found), stack.options
    )
    return Delivery(urls, workflows.roles)


def _of_another(stack: Stack) -> dict[str, pulumi.Output[str]]:
    """Addresses of the account's repositories, where another environment owns them."""
    if stack.deployment.system.platform.registry is None:
        return {}
    caller = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=stack.provider))
    host = pulumi.Output.concat(caller.account_id, f".dkr.ecr.{stack.deployment.facts.region}.amazonaws.com/")
    return {name: pulumi.Output.concat(host, name) for name in repositories(stack.deployment)}


def watch(stack: Stack) -> None:
    """Of the account, where the environment owns it."""
    declared = stack.deployment.system.platform.watch
    if declared is None or not stack.deployment.environment.owns_account:
        return
    caller = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=stack.provider))
    args = AccountWatchArgs(
        account=caller.account_id,
        region=stack.deployment.facts.region,
        keep_days=declared.keep.days,
        protect=stack.deployment.environment.protect,
    )
    AccountWatch(f"{stack.name}-watch", args, stack.options)


def logs(stack: Stack) -> None:
    """Where what runs writes its logs, if that is in the account."""
    for name in stack.plan.log_groups:
        aws.cloudwatch.LogGroup(
            f"{stack.name}-logs-{name.rpartition('/')[2]}",
            name=name,
            retention_in_days=stack.deployment.environment.log_days,
            opts=stack.options,
        )


def budget(stack: Stack) -> None:
    """Of what the stack's own tags mark."""
    declared = stack.deployment.environment.budget
    if declared:
        marks = {key: stack.tags[key] for key in ("System", "Environment")}
        args = CostBudgetArgs(declared.amount, declared.at, declared.notify, marks)
        CostBudget(f"{stack.name}-budget", args, stack.options)
