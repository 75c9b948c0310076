"""Examples for the policies on S3."""

from __future__ import annotations

from typing import Any, Final

from sandbox.state import Resource
from tests.policies.analyzer import resource
from tests.policies.case import Case, beside, document

BUCKET: Final = "aws:s3/bucket:Bucket"
BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"
BUCKET_ENCRYPTION: Final = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_VERSIONING: Final = "aws:s3/bucketVersioning:BucketVersioning"

FILES: Final = resource(BUCKET, {"bucket": "files-1"}, "files")
INSECURE: Final = {"Bool": {"aws:SecureTransport": "false"}}


def _bucket(name: str, good: Resource, bad: Resource | None, says: str, about: str = "") -> Case:
    fails = [FILES, *([bad] if bad else [])]
    return Case(name, [FILES, good], fails, [f"{BUCKET} 'files': bucket {says}"], about=about)


def _tls(**changes: Any) -> Resource:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": INSECURE}
    return beside(FILES, BUCKET_POLICY, {"policy": document(**{**statement, **changes})})


NO_TLS: Final = "can be read without TLS; add a BucketPolicy that denies s3:* to * where aws:SecureTransport is false."
BUCKETS: Final = [
    Case(
        "bucket-acl-private",
        [resource(BUCKET, {"acl": "private"})],
        [resource(BUCKET, {"acl": "public-read"})],
        [f"{BUCKET} 'it': acl is 'public-read'; remove it: objects are given out by bucket policies and signed URLs."],
    ),
    Case(
        "bucket-access-block-whole",
        [
            resource(
                BLOCK,
                {
                    "blockPublicAcls": True,
                    "blockPublicPolicy": True,
                    "ignorePublicAcls": True,
                    "restrictPublicBuckets": True,
                },
            )
        ],
        [resource(BLOCK, {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": False})],
        [
            f"{BLOCK} 'it': ignorePublicAcls is not true; set it to true.",
            f"{BLOCK} 'it': restrictPublicBuckets is not true; set it to true.",
        ],
    ),
    _bucket(
        "bucket-access-block",
        resource(BLOCK, {"bucket": "files-1"}),
        resource(BLOCK, {"bucket": "others"}),
        "has no public access block; add a BucketPublicAccessBlock for it.",
    ),
    _bucket(
        "bucket-encryption",
        beside(
            FILES, BUCKET_ENCRYPTION, {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]}
        ),
        beside(FILES, BUCKET_ENCRYPTION, {"rules": [{"bucketKeyEnabled": True}]}),
        "has no default encryption of its own; "
        "add a BucketServerSideEncryptionConfiguration with sseAlgorithm 'aws:kms' or 'AES256'.",
    ),
    _bucket("bucket-tls-only", _tls(), None, NO_TLS),
    _bucket("bucket-tls-only", _tls(), _tls(Effect="Allow"), NO_TLS, "allows instead of denying"),
    _bucket("bucket-tls-only", _tls(), _tls(Action="s3:GetObject"), NO_TLS, "writing stays open"),
    _bucket("bucket-tls-only", _tls(), _tls(Principal={"AWS": "arn:aws:iam::1:root"}), NO_TLS, "some principals only"),
    _bucket(
        "bucket-tls-only",
        _tls(),
        _tls(Condition={**INSECURE, "StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        NO_TLS,
        "narrowed by a second condition",
    ),
    _bucket(
        "bucket-versioning",
        beside(FILES, BUCKET_VERSIONING, {"versioningConfiguration": {"status": "Enabled"}}),
        beside(FILES, BUCKET_VERSIONING, {"versioningConfiguration": {"status": "Suspended"}}),
        "has no versions; add a BucketVersioning with status 'Enabled'.",
    ),
]
