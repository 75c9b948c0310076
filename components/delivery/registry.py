"""Repositories for container images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class RegistryArgs:
    """Which repositories, and what holds for each of them."""

    repositories: Sequence[str]
    keep: int
    """Images; older ones are deleted."""
    moving_tags: Sequence[str] = ()
    """Patterns of the tags that may be given to another image."""
    protect: bool = False
    """Whether repositories with images in them refuse to be deleted."""


class Registry(pulumi.ComponentResource):
    """ECR repositories: every push is scanned, tags stay with their image, the last images are kept, all is encrypted.

    Costs: by the GB. Outputs: name of each repository -> its ARN and its address.
    """

    arns: dict[str, pulumi.Output[str]]
    urls: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:delivery:Registry", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        self.arns, self.urls = {}, {}
        for repository in args.repositories:
            role = f"{name}-{repository.replace('/', '-')}"
            made = aws.ecr.Repository(
                role,
                name=repository,
                image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                image_tag_mutability="IMMUTABLE_WITH_EXCLUSION" if args.moving_tags else "IMMUTABLE",
                image_tag_mutability_exclusion_filters=[
                    aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=tag, filter_type="WILDCARD")
                    for tag in args.moving_tags
                ]
                or None,
                encryption_configurations=[aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS")],
                force_delete=not args.protect,
                opts=children,
            )
            aws.ecr.LifecyclePolicy(f"{role}-newest", repository=made.name, policy=_newest(args.keep), opts=children)
            self.arns[repository], self.urls[repository] = made.arn, made.repository_url
        self.register_outputs({"arns": self.arns, "urls": self.urls})


def _newest(keep: int) -> str:
    rule = {
        "rulePriority": 1,
        "description": f"The last {keep} images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
