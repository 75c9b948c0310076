"""Tags: whose a resource is, what it belongs to, who pays for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pulumi_policy import ResourceValidationArgs

from policies.rules import ResourceCheck, Violation, at, items, resource_policy, texts

TAGS: Final = texts("tags", "Keys that every resource carries", ("Project", "Environment"))

TAGGED: Final = (
    "aws:dynamodb/table:Table",
    "aws:ebs/volume:Volume",
    "aws:ec2/eip:Eip",
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ec2transitgateway/transitGateway:TransitGateway",
    "aws:ecr/repository:Repository",
    "aws:ecs/cluster:Cluster",
    "aws:efs/fileSystem:FileSystem",
    "aws:eks/cluster:Cluster",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lambda/function:Function",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:opensearch/domain:Domain",
    "aws:rds/cluster:Cluster",
    "aws:rds/instance:Instance",
    "aws:route53/zone:Zone",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
)
"""What costs money, holds data or grants access, and takes the provider's default tags."""

REMEDY: Final = "add it, best among the provider's defaultTags"


def _default_tags(args: ResourceValidationArgs) -> Mapping[str, Any]:
    """The provider's default tags; the engine passes a provider's objects as JSON texts."""
    defaults = args.provider.props.get("defaultTags") if args.provider else None
    if isinstance(defaults, str):
        defaults = json.loads(defaults)
    return at(defaults, "tags") or {}


def _own_or_default(args: ResourceValidationArgs) -> Iterator[Violation]:
    tags = {*(args.props.get("tags") or ()), *_default_tags(args)}
    yield from _missing(args, tags, "tags", REMEDY)


def _missing(args: ResourceValidationArgs, tags: set[str], path: str, remedy: str) -> Iterator[Violation]:
    for key in TAGS.of(args):
        if key not in tags:
            yield Violation(f"{path}.{key}", "is missing", remedy)


def _group(args: ResourceValidationArgs) -> Iterator[Violation]:
    """Default tags do not reach a group's machines, nor the group itself."""
    tags = {tag.get("key") for _, tag in items(args.props, "tags") if tag.get("propagateAtLaunch")}
    yield from _missing(args, tags, "tags", "add it with propagateAtLaunch: default tags do not reach machines")


CHECKS: Final[Mapping[str, ResourceCheck]] = {
    **dict.fromkeys(TAGGED, _own_or_default),
    "aws:autoscaling/group:Group": _group,
}

POLICIES: Final = [resource_policy("required-tags", "Resources carry the required tags.", CHECKS, (TAGS,))]
