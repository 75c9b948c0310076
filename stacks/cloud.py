"""The buckets and keys of the plan: those that it lists, and those that something in it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pulumi
import pulumi_aws as aws

from components.identity.cloud import Cloud
from components.storage.bucket import PrivateBucket, PrivateBucketArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from components.storage.replication import BucketReplica, BucketReplicaArgs
from derive.cloud import Reference
from derive.data.buckets import BucketPlan
from stacks.common import Stack


def buckets(stack: Stack) -> dict[str, PrivateBucket]:
    """Every bucket of the plan by its name, and their copies in other regions."""
    regions = sorted({plan.replica for plan in stack.plan.buckets if plan.replica})
    elsewhere = {region: _elsewhere(stack, region) for region in regions}
    return {plan.name: _bucket(stack, plan, elsewhere) for plan in stack.plan.buckets}


def _elsewhere(stack: Stack, region: str) -> aws.Provider:
    """The account in another region."""
    return aws.Provider(f"aws-{region}", region=region, default_tags=aws.ProviderDefaultTagsArgs(tags=stack.tags))


def _bucket(stack: Stack, plan: BucketPlan, elsewhere: Mapping[str, aws.Provider]) -> PrivateBucket:
    name = f"{stack.name}-{plan.name}"
    use = EncryptionKeyArgs(f"{stack.name}: objects in {plan.name}", for_s3=True, protect=plan.protect)
    key = EncryptionKey(name, use, stack.options) if plan.own_key else None
    kept = PrivateBucketArgs(expire=plan.expire, glacier=plan.glacier, protect=plan.protect)
    made = PrivateBucket(name, replace(kept, key_arn=key.arn if key else None), stack.options)
    if plan.replica and key:
        args = BucketReplicaArgs(made, key.arn, elsewhere[plan.replica], kept)
        BucketReplica(f"{name}-{plan.replica}", args, stack.options)
    return made


def cloud(
    stack: Stack,
    made: Mapping[str, PrivateBucket],
    databases: Mapping[str, pulumi.Output[str]],
    edge_host: pulumi.Output[str] | None,
) -> Cloud:
    """What each reference of the plan stands for, but for the roles, which the cluster knows. ``databases``: the name
    of each managed one. ``edge_host``: of the load balancer in front of the ingress, if there is one."""
    keys: dict[str, EncryptionKey] = {}
    found: dict[Reference, pulumi.Output[str]] = {}
    for reference in sorted(stack.plan.references):
        name = reference.name
        if reference.kind == "key-arn" and name not in keys:
            args = EncryptionKeyArgs(f"{stack.name}: {name}", protect=stack.deployment.environment.protect)
            keys[name] = EncryptionKey(f"{stack.name}-{name}", args, stack.options)
        if reference.kind == "bucket":
            found[reference] = made[name].bucket
        elif reference.kind == "bucket-arn":
            found[reference] = made[name].arn
        elif reference.kind == "database-host":
            found[reference] = databases[name]
        elif reference.kind == "registry":
            caller = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=stack.provider))
            found[reference] = pulumi.Output.concat(caller.account_id, f".dkr.ecr.{name}.amazonaws.com")
        elif reference.kind == "key-arn":
            found[reference] = keys[name].arn
        elif reference.kind == "edge-host" and edge_host is not None:
            found[reference] = edge_host
    return found
