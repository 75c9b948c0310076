"""A key of the stack's own for encryption at rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

DELETION_DAYS = 30
"""The longest window AWS allows: what a deleted key encrypted is lost for good."""


@dataclass(frozen=True)
class EncryptionKeyArgs:
    """What the key is for."""

    description: str
    for_s3: bool = False
    """Whether S3 uses it for whoever may use the objects, as it does the key that AWS keeps for S3: no role needs
    rights to the key beside those to the bucket."""
    for_trails: bool = False
    """Whether CloudTrail encrypts the account's log files with it."""
    protect: bool = False


class EncryptionKey(pulumi.ComponentResource):
    """A symmetric KMS key that AWS rotates every year, under an alias. Its use is granted by IAM policies.

    Costs: the key by the month, its use by the request. Outputs: its ARN.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:storage:EncryptionKey", name, None, opts)
        key = aws.kms.Key(
            f"{name}-key",
            description=args.description,
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=f"alias/{name}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = key.arn
        uses = [*([_through_s3] if args.for_s3 else []), *([_by_trails] if args.for_trails else [])]
        if uses:
            aws.kms.KeyPolicy(
                f"{name}-policy",
                key_id=key.key_id,
                policy=key.arn.apply(lambda arn: _policy(arn, uses)),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"arn": self.arn})


Use = Callable[[str, str], Sequence[Mapping[str, object]]]
"""Statements for the account, given the ARN's account and partition."""


def _policy(arn: str, uses: Sequence[Use]) -> str:
    """The account's own policies decide on everything else (KMS developer guide, "Default key policy")."""
    partition, account = arn.split(":")[1], arn.split(":")[4]
    own = {"Principal": {"AWS": f"arn:{partition}:iam::{account}:root"}, "Action": "kms:*"}
    statements = [own, *(statement for use in uses for statement in use(account, partition))]
    document = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": document})


def _through_s3(account: str, partition: str) -> Sequence[Mapping[str, object]]:
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    through = {
        "StringEquals": {"kms:CallerAccount": account},
        "StringLike": {"kms:ViaService": "s3.*.amazonaws.com"},
    }
    return [{"Principal": {"AWS": "*"}, "Action": use, "Condition": through}]


def _by_trails(account: str, partition: str) -> Sequence[Mapping[str, object]]:
    """CloudTrail user guide, "Configure AWS KMS key policies for CloudTrail"."""
    trails = f"arn:{partition}:cloudtrail:*:{account}:trail/*"
    condition = {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails, "aws:SourceArn": trails}}
    who = {"Service": "cloudtrail.amazonaws.com"}
    return [
        {"Principal": who, "Action": "kms:GenerateDataKey*", "Condition": condition},
        {"Principal": who, "Action": "kms:DescribeKey"},
    ]
