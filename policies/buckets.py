"""S3: a bucket and the resources beside it that close and encrypt it.

Each provider version knows a bucket and its companions by two type names, with and without V2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pulumi_policy import PolicyResource, ResourceValidationArgs, StackValidationArgs
from pulumi_policy.proxy import UnknownValueError

from policies.documents import as_list, statements
from policies.rules import ADVISORY, StackCheck, Violation, at, is_true, items, refers, resource_policy, stack_policy

BUCKETS: Final = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
ACLS: Final = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
ENCRYPTION: Final = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
VERSIONING: Final = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
ACCESS_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ACCOUNT_BLOCK: Final = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"

SWITCHES: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PUBLIC_ACLS: Final = ("public-read", "public-read-write", "authenticated-read")
SECURE_TRANSPORT: Final = "aws:securetransport"


def _private_acl(args: ResourceValidationArgs) -> Iterator[Violation]:
    acl = args.props.get("acl")
    if acl in PUBLIC_ACLS:
        yield Violation("acl", f"is '{acl}'", "remove it: objects are given out by bucket policies and signed URLs")


def _whole_block(args: ResourceValidationArgs) -> Iterator[Violation]:
    for switch in SWITCHES:
        if not is_true(args.props.get(switch)):
            yield Violation(switch, "is not true", "set it to true")


def _needs(types: tuple[str, ...], serves: Callable[[Mapping[str, Any]], bool], violation: Violation) -> StackCheck:
    """A bucket needs a companion of one of the types that serves the purpose."""

    def check(bucket: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
        companions = (
            item
            for item in args.resources
            if item.resource_type in types and refers(item, "bucket", bucket, "id", "bucket", "arn")
        )
        if not any(_serves(item, serves) for item in companions):
            yield violation

    return check


def _serves(companion: PolicyResource, serves: Callable[[Mapping[str, Any]], bool]) -> bool:
    """A companion whose content is not known yet counts: the update looks again."""
    try:
        return serves(companion.props)
    except UnknownValueError:
        return True


def _tls_only(props: Mapping[str, Any]) -> bool:
    """Denies everyone every S3 action unless the request came over TLS."""
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and "s3:*" in as_list(statement.get("Action"))
        and _only_when_insecure(statement.get("Condition") or {})
        for statement in statements(props.get("policy"))
    )


def _only_when_insecure(condition: Mapping[str, Any]) -> bool:
    """No other condition may narrow the statement."""
    return [
        (operator, key.lower(), [str(value).lower() for value in as_list(values)])
        for operator, keys in condition.items()
        for key, values in keys.items()
    ] == [("Bool", SECURE_TRANSPORT, ["false"])]


def _encrypts(props: Mapping[str, Any]) -> bool:
    return any(at(rule, "applyServerSideEncryptionByDefault.sseAlgorithm") for _, rule in items(props, "rules"))


def _versions(props: Mapping[str, Any]) -> bool:
    return bool(at(props, "versioningConfiguration.status") == "Enabled")


def _for_buckets(check: StackCheck) -> dict[str, StackCheck]:
    return dict.fromkeys(BUCKETS, check)


POLICIES: Final = [
    resource_policy(
        "bucket-acl-private",
        "No bucket is readable by everyone through its access control list.",
        dict.fromkeys((*BUCKETS, *ACLS), _private_acl),
    ),
    resource_policy(
        "bucket-access-block-whole",
        "A public access block has all four of its switches on.",
        {ACCESS_BLOCK: _whole_block, ACCOUNT_BLOCK: _whole_block},
    ),
    stack_policy(
        "bucket-access-block",
        "Every bucket has a public access block.",
        _for_buckets(
            _needs(
                (ACCESS_BLOCK,),
                lambda props: True,
                Violation("bucket", "has no public access block", "add a BucketPublicAccessBlock for it"),
            )
        ),
    ),
    stack_policy(
        "bucket-encryption",
        "Every bucket says how its objects are encrypted.",
        _for_buckets(
            _needs(
                ENCRYPTION,
                _encrypts,
                Violation(
                    "bucket",
                    "has no default encryption of its own",
                    "add a BucketServerSideEncryptionConfiguration with sseAlgorithm 'aws:kms' or 'AES256'",
                ),
            )
        ),
    ),
    stack_policy(
        "bucket-tls-only",
        "Every bucket refuses requests that do not come over TLS.",
        _for_buckets(
            _needs(
                (POLICY,),
                _tls_only,
                Violation(
                    "bucket",
                    "can be read without TLS",
                    "add a BucketPolicy that denies s3:* to * where aws:SecureTransport is false",
                ),
            )
        ),
    ),
    stack_policy(
        "bucket-versioning",
        "Every bucket keeps what was overwritten or deleted.",
        _for_buckets(
            _needs(
                VERSIONING,
                _versions,
                Violation("bucket", "has no versions", "add a BucketVersioning with status 'Enabled'"),
            )
        ),
        level=ADVISORY,
    ),
]
