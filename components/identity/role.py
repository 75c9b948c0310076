"""An IAM role with exactly the statements it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class ServiceRoleArgs:
    """Who may assume the role and what it may do."""

    service: str
    """The AWS service principal, for example ``ec2.amazonaws.com``."""
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
        role = aws.iam.Role(f"{name}-role", assume_role_policy=trusted(args.service), opts=children)
        for arn in args.managed:
            aws.iam.RolePolicyAttachment(
                f"{name}-{arn.rsplit('/', 1)[-1]}", role=role.name, policy_arn=arn, opts=children
            )
        if args.statements:
            aws.iam.RolePolicy(f"{name}-policy", role=role.name, policy=policy(args.statements), opts=children)
        self.arn = role.arn
        self.profile = None
        if args.instance_profile:
            self.profile = aws.iam.InstanceProfile(f"{name}-profile", role=role.name, opts=children).name
        self.register_outputs({"arn": self.arn, "profile": self.profile})
