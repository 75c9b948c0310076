"""EC2 machines: IMDSv2, so that a server tricked into fetching a URL cannot fetch the machine's credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from policies.rules import Violation, at, resource_policy

MACHINES: Final = (
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/launchConfiguration:LaunchConfiguration",
    "aws:ec2/spotInstanceRequest:SpotInstanceRequest",
)


def _tokens(args: ResourceValidationArgs) -> Iterator[Violation]:
    options = args.props.get("metadataOptions")
    if at(options, "httpEndpoint") != "disabled" and at(options, "httpTokens") != "required":
        yield Violation("metadataOptions.httpTokens", "is not 'required'", "set it to 'required' (IMDSv2)")


POLICIES: Final = [
    resource_policy(
        "machine-metadata",
        "The metadata of a machine is read with a token only (IMDSv2).",
        dict.fromkeys(MACHINES, _tokens),
    )
]
