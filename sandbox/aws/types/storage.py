"""S3 buckets, their configurations and objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Row

_BUCKET: Final = {"bucket": "aws:s3/bucket:Bucket"}
_HOSTED_ZONES: Final = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-central-1": "Z21DNDUVLTQW6Q",
}
"""AWS's own zones of the S3 website endpoints (General Reference, 'Amazon S3 endpoints')."""


def _location(context: Context) -> dict[str, str] | None:
    return None if context.region == "us-east-1" else {"LocationConstraint": context.region}


def _empty(context: Context) -> None:
    if not context.inputs.get("forceDestroy"):
        return
    bucket = context.id
    listed = context.call("ListObjectVersions", Bucket=bucket)
    for entry in (*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())):
        context.call("DeleteObject", Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])


def _body(context: Context) -> Any:
    given = context.inputs
    if given.get("contentBase64"):
        return base64.b64decode(given["contentBase64"])
    return str(given.get("content") or "").encode()


def _configuration(operation: str, delete: str, rename: Mapping[str, str], nest: str = "", **more: Any) -> Row:
    """A bucket has one of each configuration: put again is an update, and the bucket's name is the id."""
    return Row(
        "s3",
        operation,
        id="{bucket}",
        key={"Bucket": "{bucket}"},
        rename={"bucket": "Bucket", **rename},
        nest=nest,
        links={**_BUCKET, "targetBucket": "aws:s3/bucket:Bucket"},
        upsert=True,
        replace="bucket expectedBucketOwner",
        delete=delete,
        auto_name="",
        delete_first=True,
        **more,
    )


ROWS: Final[Mapping[str, Row]] = {
    "aws:s3/bucket:Bucket": Row(
        "s3",
        "CreateBucket",
        id="{bucket}",
        key={"Bucket": "{id}"},
        auto_name="bucket",
        name_max=63,
        rename={"objectLockEnabled": "ObjectLockEnabledForBucket"},
        args={"CreateBucketConfiguration": _location},
        ignore={"forceDestroy": "how the provider deletes", "bucketPrefix": "part of the name"},
        before_delete=_empty,
        replace="bucket bucketPrefix objectLockEnabled",
        arn="arn:aws:s3:::{id}",
        outputs={
            "bucketDomainName": "{id}.s3.amazonaws.com",
            "bucketRegionalDomainName": "{id}.s3.{region}.amazonaws.com",
            "bucketRegion": "{region}",
            "hostedZoneId": lambda c: _HOSTED_ZONES.get(c.region, ""),
        },
        delete="DeleteBucket",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _configuration(
        "PutBucketVersioning", "", {"versioningConfiguration": "VersioningConfiguration", "mfa": "MFA"}
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _configuration(
        "PutBucketEncryption",
        "DeleteBucketEncryption",
        {"rules": "ServerSideEncryptionConfiguration.Rules"},
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _configuration(
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
        {},
        "PublicAccessBlockConfiguration",
        ignore={"skipDestroy": "how the provider deletes"},
    ),
    # Kept in the index: moto enforces a Deny without reading its conditions, so that TLS-only would close the bucket.
    "aws:s3/bucketPolicy:BucketPolicy": _configuration("PutBucketPolicy", "DeleteBucketPolicy", {}, store=True),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _configuration(
        "PutBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
        {"rules": "LifecycleConfiguration.Rules", "rules.id": "ID"},
        ignore={"timeouts": "how the provider waits"},
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _configuration(
        "PutBucketReplication",
        "DeleteBucketReplication",
        {
            "role": "ReplicationConfiguration.Role",
            "rules": "ReplicationConfiguration.Rules",
            "rules.id": "ID",
            "rules.destination.encryptionConfiguration.replicaKmsKeyId": "ReplicaKmsKeyID",
        },
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _configuration(
        "PutBucketOwnershipControls", "DeleteBucketOwnershipControls", {"rule": "OwnershipControls.Rules"}
    ),
    # Kept in the index too: moto would look for the permission in the target's policy.
    "aws:s3/bucketLogging:BucketLogging": _configuration(
        "PutBucketLogging",
        "",
        {
            "targetBucket": "BucketLoggingStatus.LoggingEnabled.TargetBucket",
            "targetPrefix": "BucketLoggingStatus.LoggingEnabled.TargetPrefix",
            "targetObjectKeyFormat": "BucketLoggingStatus.LoggingEnabled.TargetObjectKeyFormat",
        },
        store=True,
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _configuration(
        "PutBucketCors", "DeleteBucketCors", {"corsRules": "CORSConfiguration.CORSRules", "corsRules.id": "ID"}
    ),
    "aws:s3/bucketAcl:BucketAcl": _configuration("PutBucketAcl", "", {"acl": "ACL"}),
    "aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration": _configuration(
        "PutBucketWebsite", "DeleteBucketWebsite", {}, "WebsiteConfiguration"
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Row(
        "s3",
        "PutObject",
        id="{bucket}/{key}",
        rename={"acl": "ACL", "kmsKeyId": "SSEKMSKeyId", "websiteRedirect": "WebsiteRedirectLocation"},
        args={"Body": _body},
        ignore={
            "content": "becomes Body",
            "contentBase64": "becomes Body",
            "forceDestroy": "how the provider deletes",
            "etag": "what the provider compares",
            "sourceHash": "what the provider compares",
        },
        links=_BUCKET,
        upsert=True,
        replace="bucket key",
        arn="arn:aws:s3:::{bucket}/{key}",
        outputs={
            "etag": lambda c: str(c.answer.get("ETag", "")).strip('"') or c.outputs.get("etag"),
            "versionId": "@VersionId",
        },
        delete="DeleteObject",
        delete_args={"Bucket": "{bucket}", "Key": "{key}"},
        auto_name="",
    ),
}
