"""A Python program in AWS Lambda, with a role and a log group of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws

from components.functions.package import packed
from components.identity.role import Statement, policy, role, trusted

RUNTIME: Final = "python3.13"
"""Of AWS Lambda; security updates until mid 2029 (Lambda developer guide, "Supported runtimes")."""
NAME: Final = 64
"""Characters of a function's name at most (Lambda API, CreateFunction)."""


@dataclass(frozen=True)
class Inside:
    """Where in a network a function runs. Its role may then make interfaces there."""

    subnets: Sequence[pulumi.Input[str]]
    groups: Sequence[pulumi.Input[str]]


@dataclass(frozen=True)
class FunctionArgs:
    """What runs, with which rights, and how long it may."""

    package: str
    """A package of ``functions`` with a module ``handler`` and therein a function ``handler``."""
    description: str
    libraries: Sequence[str] = ()
    """What it imports beside the libraries of Lambda's runtime."""
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Nothing secret: whoever may look at the function sees it."""
    statements: Sequence[Statement] = ()
    """Rights beside those to write its own log."""
    timeout: int = 10
    """Seconds."""
    memory: int = 256
    """MB; the processor's share follows it."""
    inside: Inside | None = None
    """Absent: it reaches AWS's own services and the internet, and nothing of the network."""
    log_days: int = 30


class Function(pulumi.ComponentResource):
    """A function: its archive, a role that may do what it is given and write its own log, and the log with an end.

    Costs: by the request and by time; the log by volume. Outputs: name, ARN, and the ARN by which API Gateway calls it.
    """

    function_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    invoke_arn: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:functions:Function", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        if len(name) > NAME:
            raise ValueError(f"function name '{name}' has {len(name)} characters, AWS allows {NAME}")
        logs = aws.cloudwatch.LogGroup(
            f"{name}-log", name=f"/aws/lambda/{name}", retention_in_days=args.log_days, opts=children
        )
        taken = role(name, trusted("lambda.amazonaws.com"), children)
        writing = Statement(["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(logs.arn, ":*")])
        own = aws.iam.RolePolicy(
            f"{name}-policy",
            role=taken.name,
            policy=policy([writing, *_joining(args.inside), *args.statements]),
            opts=children,
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            name=name,
            description=args.description,
            runtime=RUNTIME,
            handler=f"{args.package}.handler.handler",
            code=packed(args.package, args.libraries),
            role=taken.arn,
            timeout=args.timeout,
            memory_size=args.memory,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=args.environment),
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=list(args.inside.subnets), security_group_ids=list(args.inside.groups)
            )
            if args.inside
            else None,
            # Lambda would make the log itself, without an end; and it checks the role when it is made.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs, own]),
        )
        self.function_name, self.arn, self.invoke_arn = function.name, function.arn, function.invoke_arn
        self.register_outputs({"function_name": self.function_name, "arn": self.arn, "invoke_arn": self.invoke_arn})


def _joining(inside: Inside | None) -> list[Statement]:
    """To have interfaces in a network; these actions take no resource (Lambda developer guide, "Required IAM
    permissions")."""
    if inside is None:
        return []
    actions = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")
    return [Statement(actions, ["*"])]
