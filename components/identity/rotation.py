"""A secret that a function makes anew from time to time."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.functions.function import Function, FunctionArgs
from components.identity.role import Statement
from derive.identity.stored import RotationPlan


@dataclass(frozen=True)
class RotationArgs:
    """The secret, its key, and what else has to know the new value."""

    secret_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    plan: RotationPlan
    database_arn: pulumi.Input[str] | None
    """Absent: the secret holds a pair of keys."""
    region: str
    log_days: int


class Rotation(pulumi.ComponentResource):
    """A function that Secrets Manager calls when the time has come; its role writes this one secret.

    The first rotation comes after the first period: what is being set up reads the first values. Costs: by the request.
    """

    def __init__(self, name: str, args: RotationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:Rotation", name, None, opts)
        plan, secret = args.plan, pulumi.Output.from_input(args.secret_arn)
        environment: dict[str, pulumi.Input[str]] = {"KEY": args.key_arn}
        if args.database_arn and plan.field:
            environment = {"DATABASE": args.database_arn, "FIELD": plan.field}
        function = Function(
            f"{name}-rotation",
            FunctionArgs(
                package=plan.package,
                description="Makes a secret anew",
                environment=environment,
                statements=_rights(args),
                timeout=plan.timeout,
                log_days=args.log_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        called = aws.lambda_.Permission(
            f"{name}-rotates",
            action="lambda:InvokeFunction",
            function=function.function_name,
            principal="secretsmanager.amazonaws.com",
            # What Secrets Manager's guide names: only this account's. The role ends with this one secret anyway.
            source_account=account,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.secretsmanager.SecretRotation(
            f"{name}-schedule",
            secret_id=secret,
            rotation_lambda_arn=function.arn,
            rotation_rules={"automatically_after_days": plan.days},
            rotate_immediately=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[called]),
        )
        self.register_outputs({})


def _rights(args: RotationArgs) -> list[Statement]:
    """To write new versions of the one secret, and to make or to tell what is new."""
    versions = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{args.region}.amazonaws.com"}}
    rights = [
        Statement([f"secretsmanager:{action}" for action in versions], [args.secret_arn]),
        Statement(["kms:Decrypt", "kms:GenerateDataKey"], [args.key_arn], through),
    ]
    if args.database_arn:
        return [*rights, Statement(["rds:DescribeDBInstances", "rds:ModifyDBInstance"], [args.database_arn])]
    pairs = {"StringEquals": {"kms:DataKeyPairSpec": "RSA_2048"}}
    return [*rights, Statement(["kms:GenerateDataKeyPair"], [args.key_arn], pairs)]
