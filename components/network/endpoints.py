"""Ways to AWS services that do not leave the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class EndpointsArgs:
    """Which services, and where their interfaces stand."""

    services: Sequence[str]
    region: str
    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]


class Endpoints(pulumi.ComponentResource):
    """Interface endpoints under the services' own names, so that nobody need know of them.

    Costs: each endpoint by the hour and zone, and its traffic. Outputs: none.
    """

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:Endpoints", name, None, opts)
        for service in args.services:
            label = f"{name}-{service.replace('.', '-')}"
            aws.ec2.VpcEndpoint(
                label,
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(args.subnets),
                security_group_ids=[args.security_group],
                tags={"Name": label},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
