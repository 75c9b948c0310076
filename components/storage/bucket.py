"""A bucket that is private, encrypted and versioned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

SMALL = 128 * 1024
"""Bytes up to which S3 itself leaves objects where they are (S3 user guide, "Transitioning objects")."""


@dataclass(frozen=True)
class PrivateBucketArgs:
    """How long things are kept, and whether the bucket is protected."""

    expire: Mapping[str, int] = field(default_factory=dict)
    """Days after which objects below a prefix are deleted; the empty prefix is the whole bucket. What is below none is
    kept for ever."""
    noncurrent_days: int = 30
    glacier: Mapping[str, int] = field(default_factory=dict)
    """Likewise, days after which objects below a prefix move to Glacier."""
    key_arn: pulumi.Input[str] | None = None
    """The key that encrypts them. Absent: the one that AWS keeps for S3."""
    protect: bool = False
    for_services: bool = False
    """Whether services of AWS read or write it. S3 itself encrypts it then, since they may use none of the keys that
    AWS keeps for the account; and whoever makes it puts its policy, which names them (see :func:`closed`)."""


class PrivateBucket(pulumi.ComponentResource):
    """An S3 bucket: public access blocked, TLS only, encrypted at rest, versioned, with a lifecycle.

    Costs: by the GB and request. Outputs: the bucket's name and ARN.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    domain_name: pulumi.Output[str]
    """Of the region's endpoint."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:storage:PrivateBucket", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        resource = aws.s3.Bucket(
            f"{name}-bucket",
            force_destroy=not args.protect,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.bucket, self.arn = resource.id, resource.arn
        self.domain_name = resource.bucket_regional_domain_name
        block = aws.s3.BucketPublicAccessBlock(
            f"{name}-closed",
            bucket=self.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=children,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption", bucket=self.bucket, rules=[_encrypted(args)], opts=children
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versions",
            bucket=self.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=children,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=self.bucket,
            rules=[
                _tidy(args.noncurrent_days),
                *(_expire(prefix, days) for prefix, days in args.expire.items()),
                *(_freeze(prefix, days) for prefix, days in args.glacier.items()),
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        if not args.for_services:
            aws.s3.BucketPolicy(
                f"{name}-tls-only",
                bucket=self.bucket,
                policy=self.arn.apply(closed),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
            )
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _encrypted(args: PrivateBucketArgs) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgs:
    default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs
    if args.for_services:
        return aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
            apply_server_side_encryption_by_default=default(sse_algorithm="AES256")
        )
    return aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=default(sse_algorithm="aws:kms", kms_master_key_id=args.key_arn),
        bucket_key_enabled=True,
    )


def _tidy(noncurrent_days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """Old versions and uploads that never ended cost money and serve nobody."""
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="tidy",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=noncurrent_days
        ),
        abort_incomplete_multipart_upload=(
            aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=7)
        ),
    )


def _expire(prefix: str, days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=f"expire-{_label(prefix)}",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
    )


def _freeze(prefix: str, days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """Small objects stay: they cost more there, and catalogues of backups must be read at once, however old."""
    within = aws.s3.BucketLifecycleConfigurationRuleFilterAndArgs(prefix=prefix, object_size_greater_than=SMALL)
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=f"glacier-{_label(prefix)}",
        status="Enabled",
        filter=(
            aws.s3.BucketLifecycleConfigurationRuleFilterArgs(and_=within)
            if prefix
            else aws.s3.BucketLifecycleConfigurationRuleFilterArgs(object_size_greater_than=SMALL)
        ),
        transitions=[aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(days=days, storage_class="GLACIER")],
    )


def _label(prefix: str) -> str:
    return prefix.strip("/").replace("/", "-") or "all"


def closed(arn: str, *opened: Mapping[str, object]) -> str:
    """A bucket's policy: nothing without TLS, and what the ``opened`` statements allow."""
    denied = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [denied, *opened]})
