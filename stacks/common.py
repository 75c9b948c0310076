"""What every stack of an account needs: the provider with its default tags, and the machine image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from derive.plan import SystemPlan
from derive.shapes import Deployment
from stacks.settings import Settings

MACHINE_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""Amazon Linux 2023, published by AWS as a public SSM parameter."""


def tags(settings: Settings) -> dict[str, str]:
    """The tags of everything that a stack makes."""
    return {"Project": "wheelhouse", "System": settings.system, "Environment": settings.environment}


def account(settings: Settings, opts: pulumi.ResourceOptions | None = None) -> aws.Provider:
    """The AWS provider of the stack."""
    return aws.Provider(
        "aws", region=settings.region, default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings)), opts=opts
    )


def machine_image(provider: aws.Provider) -> pulumi.Output[str]:
    """The newest image of the machines' operating system in the region."""
    return aws.ssm.get_parameter_output(name=MACHINE_IMAGE, opts=pulumi.InvokeOutputOptions(provider=provider)).value


@dataclass(frozen=True)
class Stack:
    """What every step of an environment's composition needs."""

    deployment: Deployment
    plan: SystemPlan
    provider: aws.Provider
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.deployment.prefix

    @property
    def options(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=self.provider)
