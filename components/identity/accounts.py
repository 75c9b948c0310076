"""Roles of ServiceAccounts: each pod has its own rights in AWS, and no other pod has them (IRSA)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.identity.cloud import Cloud, statements
from components.identity.role import TOKEN_SERVICE, WebIdentityRole, WebIdentityRoleArgs
from derive.cloud import Grant, Reference


@dataclass(frozen=True)
class AccountRolesArgs:
    """Whose word on accounts is taken, and what each account may do."""

    issuer: pulumi.Input[str]
    """URL of the cluster's OpenID Connect issuer."""
    cluster: str
    grants: Sequence[Grant]
    cloud: Cloud = field(default_factory=dict)
    """What the references in grants stand for."""


class AccountRoles(pulumi.ComponentResource):
    """An OpenID Connect provider, and a role for each ServiceAccount that is granted anything: exactly that account may
    take it, by a token that was made for AWS.

    Costs nothing. Outputs: the ARN of each role.
    """

    roles: dict[Reference, pulumi.Output[str]]

    def __init__(self, name: str, args: AccountRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:AccountRoles", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        issuer = pulumi.Output.from_input(args.issuer)
        provider = aws.iam.OpenIdConnectProvider(
            f"{name}-provider", url=issuer, client_id_lists=[TOKEN_SERVICE], tags={"Name": args.cluster}, opts=children
        )
        host = issuer.apply(lambda url: url.removeprefix("https://"))
        self.roles = {}
        by_account: dict[tuple[str, str], list[Grant]] = defaultdict(list)
        for grant in args.grants:
            by_account[grant.namespace, grant.account].append(grant)
        for (namespace, account), granted in sorted(by_account.items()):
            role_name = f"{name}-{account}" if namespace == account else f"{name}-{namespace}-{account}"
            role = WebIdentityRole(
                role_name,
                WebIdentityRoleArgs(
                    provider_arn=provider.arn,
                    issuer=host,
                    subjects=[f"system:serviceaccount:{namespace}:{account}"],
                    statements=[statement for grant in granted for statement in statements(grant, args.cloud)],
                    managed=sorted({arn for grant in granted for arn in grant.managed}),
                ),
                children,
            )
            self.roles[Reference("role-arn", f"{namespace}/{account}")] = role.arn
        self.register_outputs({})
