"""What cannot be made again is protected where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, StackValidationArgs

from policies.rules import StackCheck, Violation, matches, stack_policy, texts

STATEFUL: Final = (
    "aws:cognito/userPool:UserPool",
    "aws:docdb/cluster:Cluster",
    "aws:dynamodb/table:Table",
    "aws:ebs/volume:Volume",
    "aws:efs/fileSystem:FileSystem",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:kms/key:Key",
    "aws:opensearch/domain:Domain",
    "aws:rds/cluster:Cluster",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "kubernetes:core/v1:PersistentVolumeClaim",
)

STACKS: Final = texts("stacks", "Shell patterns of stacks whose state is protected", ("prod", "*-prod", "production"))


def stack_of(urn: str) -> str:
    """``urn:pulumi:<stack>::<project>::<type>::<name>`` -> the stack."""
    return urn.split("::")[0].rpartition(":")[2]


def _protected(resource: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    stack = stack_of(resource.urn)
    if matches(stack, STACKS.of(args)) and not resource.opts.protect:
        yield Violation("opts.protect", f"is not set in stack '{stack}'", "register the resource with protect=True")


CHECKS: Final[dict[str, StackCheck]] = dict.fromkeys(STATEFUL, _protected)

POLICIES: Final = [
    stack_policy("protected-state", "In production, what holds data is protected from deletion.", CHECKS, (STACKS,))
]
