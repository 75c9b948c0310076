"""Workflows outside that sign in without keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.identity.cloud import Cloud, allowed
from components.identity.role import TOKEN_SERVICE, WebIdentityRole, WebIdentityRoleArgs
from derive.delivery.pipeline import SignIn


@dataclass(frozen=True)
class WorkflowsArgs:
    """Whose tokens the account trusts, and what for."""

    issuer: str
    """Host name."""
    roles: Sequence[SignIn]
    cloud: Cloud
    """What the references in the roles' statements stand for."""


class Workflows(pulumi.ComponentResource):
    """An OpenID Connect provider and the roles that its tokens lead to, each for certain workflows only.

    Costs nothing. Outputs: name of each role -> its ARN.
    """

    roles: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: WorkflowsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:delivery:Workflows", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        trusted = aws.iam.OpenIdConnectProvider(
            f"{name}-issuer", url=f"https://{args.issuer}", client_id_lists=[TOKEN_SERVICE], opts=children
        )
        self.roles = {
            role.name: WebIdentityRole(
                f"{name}-{role.name}",
                WebIdentityRoleArgs(
                    provider_arn=trusted.arn,
                    issuer=args.issuer,
                    subjects=role.subjects,
                    statements=allowed(role.statements, args.cloud),
                    managed=role.managed,
                ),
                children,
            ).arn
            for role in args.roles
        }
        self.register_outputs({"roles": self.roles})
