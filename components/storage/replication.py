"""A copy of a bucket in another region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from components.storage.bucket import PrivateBucket, PrivateBucketArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs


@dataclass(frozen=True)
class BucketReplicaArgs:
    """What is copied, and where to."""

    source: PrivateBucket
    source_key_arn: pulumi.Input[str]
    """The key that the source is encrypted with; S3 does not copy what the key of AWS encrypts."""
    elsewhere: aws.Provider
    """The account in the other region."""
    bucket: PrivateBucketArgs = field(default_factory=PrivateBucketArgs)
    """How the copy is kept; it has a key of its own, as keys stay in their region."""


class BucketReplica(pulumi.ComponentResource):
    """A bucket in another region that S3 copies every new version to, deletions included, within minutes.

    Needs: versions in the source. A deleted object stays in the copy as a former version, for as long as the copy keeps
    those. What is in the source before is not copied. Costs: storage a second time, and the transfer between regions.
    Outputs: the copy's name and ARN.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: BucketReplicaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:storage:BucketReplica", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        there = pulumi.ResourceOptions(parent=self, provider=args.elsewhere)
        protect = args.bucket.protect
        key = EncryptionKey(name, EncryptionKeyArgs(f"{name}: objects", for_s3=True, protect=protect), there)
        copy = PrivateBucket(name, replace(args.bucket, key_arn=key.arn), there)
        self.bucket, self.arn = copy.bucket, copy.arn
        role = ServiceRole(
            name,
            ServiceRoleArgs(service="s3.amazonaws.com", statements=_statements(args, copy, key)),
            children,
        )
        aws.s3.BucketReplicationConfig(
            f"{name}-replication",
            bucket=args.source.bucket,
            role=role.arn,
            rules=[_rule(copy, key)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.source, copy, role]),
        )
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _rule(copy: PrivateBucket, key: EncryptionKey) -> aws.s3.BucketReplicationConfigRuleArgs:
    return aws.s3.BucketReplicationConfigRuleArgs(
        id="everything",
        priority=0,
        status="Enabled",
        filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
        delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Enabled"),
        source_selection_criteria=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=(
                aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(status="Enabled")
            )
        ),
        destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=copy.arn,
            encryption_configuration=aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=key.arn
            ),
        ),
    )


def _statements(args: BucketReplicaArgs, copy: PrivateBucket, key: EncryptionKey) -> Sequence[Statement]:
    """As the S3 user guide lists them, "Setting up permissions for live replication"."""
    source = args.source.arn
    return [
        Statement(["s3:GetReplicationConfiguration", "s3:ListBucket"], [source]),
        Statement(
            ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"],
            [pulumi.Output.concat(source, "/*")],
        ),
        Statement(
            ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"], [pulumi.Output.concat(copy.arn, "/*")]
        ),
        Statement(["kms:Decrypt"], [args.source_key_arn], {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
        Statement(["kms:Encrypt"], [key.arn], {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
    ]
