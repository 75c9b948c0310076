"""An IAM role with exactly the statements it is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Statement:
    """An Allow statement. ARNs may be outputs."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def policy(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The policy document of some statements."""

    def document(resources: list[list[str]]) -> str:
        return json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": sorted(statement.actions),
                        "Resource": arns,
                        **({"Condition": statement.conditions} if statement.conditions else {}),
                    }
                    for statement, arns in zip(statements, resources, strict=True)
                ],
            }
        )

    return pulumi.Output.all(*(pulumi.Output.all(*statement.resources) for statement in statements)).apply(
        lambda resources: document([list(arns) for arns in resources])
    )


def trusted(service: str) -> str:
    """The trust of a role that one AWS service assumes."""
    return _trust({"Service": service})


def _trust(principal: Mapping[str, str]) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NAME: Final = 64
"""Characters of a role's name at most (IAM API, CreateRole)."""
GENERATED: Final = 8
"""What the engine adds to a name of its own: a hyphen and seven digits."""


def role(name: str, trust: pulumi.Input[str], opts: pulumi.ResourceOptions) -> aws.iam.Role:
    """Register ``<name>-role``. Where the engine's own name would be too long for IAM, its end is a digest's."""
    logical = f"{name}-role"
    digest = hashlib.sha256(logical.encode()).hexdigest()[:GENERATED]
    short = f"{logical[: NAME - GENERATED - 1]}-{digest}" if len(logical) + GENERATED > NAME else None
    return aws.iam.Role(logical, name=short, assume_role_policy=trust, opts=opts)


@dataclass(frozen=True)
class ServiceRoleArgs:
    """Who may assume the role and what it may do."""

    service: str | None = None
    """The AWS service principal, for example ``ec2.amazonaws.com``. Absent: whom IAM of the account lets take it."""
    statements: Sequence[Statement] = ()
    managed: Sequence[str] = ()
    """ARNs of AWS managed policies."""
    instance_profile: bool = False


class ServiceRole(pulumi.ComponentResource):
    """An IAM role for an AWS service: an inline policy, managed policies, and an instance profile on request.

    Costs nothing. Outputs: the role's ARN and, where asked for, the profile's name.
    """

    arn: pulumi.Output[str]
    profile: pulumi.Output[str] | None

    def __init__(self, name: str, args: ServiceRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:ServiceRole", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        trust = trusted(args.service) if args.service else _by_account(children)
        made = role(name, trust, children)
        _grant(name, made, args.statements, args.managed, children)
        self.arn = made.arn
        self.profile = None
        if args.instance_profile:
            self.profile = aws.iam.InstanceProfile(f"{name}-profile", role=made.name, opts=children).name
        self.register_outputs({"arn": self.arn, "profile": self.profile})


TOKEN_SERVICE: Final = "sts.amazonaws.com"
"""Whom tokens must be meant for."""


@dataclass(frozen=True)
class WebIdentityRoleArgs:
    """Whose tokens lead to the role and what it may do."""

    provider_arn: pulumi.Input[str]
    """Of the OpenID Connect provider."""
    issuer: pulumi.Input[str]
    """Its address without ``https://``."""
    subjects: Sequence[str]
    """The tokens' ``sub``, word for word."""
    statements: Sequence[Statement] = ()
    managed: Sequence[str] = ()
    """ARNs of AWS managed policies."""


class WebIdentityRole(pulumi.ComponentResource):
    """An IAM role for whoever shows a token of another issuer: an inline policy and managed policies.

    Costs nothing. Outputs: the role's ARN.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: WebIdentityRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:WebIdentityRole", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        trust = pulumi.Output.all(args.provider_arn, args.issuer).apply(
            lambda found: _token_trust(found[0], found[1], args.subjects)
        )
        made = role(name, trust, children)
        _grant(name, made, args.statements, args.managed, children)
        self.arn = made.arn
        self.register_outputs({"arn": self.arn})


def _token_trust(provider_arn: str, issuer: str, subjects: Sequence[str]) -> str:
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {"StringEquals": {f"{issuer}:aud": TOKEN_SERVICE, f"{issuer}:sub": list(subjects)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _grant(
    name: str,
    made: aws.iam.Role,
    statements: Sequence[Statement],
    managed: Sequence[str],
    children: pulumi.ResourceOptions,
) -> None:
    for arn in managed:
        aws.iam.RolePolicyAttachment(f"{name}-{arn.rsplit('/', 1)[-1]}", role=made.name, policy_arn=arn, opts=children)
    if statements:
        aws.iam.RolePolicy(f"{name}-policy", role=made.name, policy=policy(statements), opts=children)


def _by_account(children: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The trust of a role that IAM of the account gives to people."""
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=children.parent)).account_id
    return account.apply(lambda number: _trust({"AWS": f"arn:aws:iam::{number}:root"}))
