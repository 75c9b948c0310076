"""A key of the stack's own for encryption at rest."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

DELETION_DAYS = 30
"""The longest window AWS allows: what a deleted key encrypted is lost for good."""


@dataclass(frozen=True)
class EncryptionKeyArgs:
    """What the key is for."""

    description: str
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
        self.register_outputs({"arn": self.arn})
