"""The function that verifies an API's tokens."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.functions.function import Function, FunctionArgs
from components.identity.role import Statement
from derive.edge.public_api import AuthorizerPlan


@dataclass(frozen=True)
class SecretSource:
    """A secret, and the key that encrypts it."""

    arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


@dataclass(frozen=True)
class TokenAuthorizerArgs:
    """What it verifies, and where the keys are."""

    plan: AuthorizerPlan
    secret: SecretSource | None
    """Absent: the issuer publishes its keys."""
    region: str
    log_days: int


class TokenAuthorizer(pulumi.ComponentResource):
    """A function that verifies JSON Web Tokens; its role reads the one secret with the public keys, and nothing else.

    Costs: by the request, and few of these: API Gateway keeps decisions. Outputs: the function's name, and the address
    by which API Gateway calls it.
    """

    function_name: pulumi.Output[str]
    invoke_arn: pulumi.Output[str]

    def __init__(self, name: str, args: TokenAuthorizerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:TokenAuthorizer", name, None, opts)
        plan = args.plan
        function = Function(
            name,
            FunctionArgs(
                package=plan.package,
                description="Verifies the tokens of the API's clients",
                libraries=plan.libraries,
                environment={**plan.environment, **({"KEYS_SECRET": args.secret.arn} if args.secret else {})},
                statements=_reading(args.secret, args.region) if args.secret else (),
                timeout=plan.timeout,
                memory=plan.memory,
                log_days=args.log_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.function_name, self.invoke_arn = function.function_name, function.invoke_arn
        self.register_outputs({"function_name": self.function_name, "invoke_arn": self.invoke_arn})


def _reading(secret: SecretSource, region: str) -> list[Statement]:
    """The key decrypts for it what Secrets Manager hands out, nothing else."""
    through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}}
    return [
        Statement(["secretsmanager:GetSecretValue"], [secret.arn]),
        Statement(["kms:Decrypt"], [secret.key_arn], through),
    ]
