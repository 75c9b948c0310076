"""What every stack of an account needs: the provider with its default tags, and the machine image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from derive.plan import SystemPlan
from derive.shapes import Deployment
from stacks.settings import Settings

AMAZON_LINUX = "amazon-linux-2023"
MACHINE_IMAGES = {
    AMAZON_LINUX: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "ubuntu-24.04": "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
}
"""By operating system; AWS and Canonical publish their newest images as public SSM parameters."""


def tags(settings: Settings) -> dict[str, str]:
    """The tags of everything that a stack makes."""
    whose = {"Project": "wheelhouse", "System": settings.system, "Environment": settings.environment}
    return {**whose, "ManagedBy": "pulumi"}


def account(settings: Settings, opts: pulumi.ResourceOptions | None = None) -> aws.Provider:
    """The AWS provider of the stack."""
    return aws.Provider(
        "aws", region=settings.region, default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings)), opts=opts
    )


def machine_image(provider: aws.Provider, system: str = AMAZON_LINUX) -> pulumi.Output[str]:
    """The newest image of an operating system in the region."""
    return aws.ssm.get_parameter_output(
        name=MACHINE_IMAGES[system], opts=pulumi.InvokeOutputOptions(provider=provider)
    ).value


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
