"""How long it takes to create a resource, in seconds, by type: medians of what others measured, or what is assumed.

Measured: creation times in logs of Terraform that their authors published on GitHub; Terraform's and Pulumi's providers
wait for the same states. The figures serve to compare chains, not to promise a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Estimate:
    """Seconds, and where the figure comes from."""

    seconds: float
    source: str


ASSUMED: Final = "assumed, not measured"
QUICK: Final = Estimate(2, "an API call that has nothing to wait for: assumed")
MANIFEST: Final = Estimate(1, "an API call to the cluster: assumed")
LOCAL: Final = Estimate(0, "computed by the engine")

ESTIMATES: Final = {
    "aws:autoscaling/group:Group": Estimate(
        240, "45 s to a running machine, median of 7 logs (41 to 47 s); boot and K3s until it answers: assumed"
    ),
    "aws:ebs/volume:Volume": Estimate(11, "median of 4 logs (8 to 11 s)"),
    "aws:ec2/instance:Instance": Estimate(20, "median of 8 logs (10 to 42 s), to the state 'running'"),
    "aws:ec2/natGateway:NatGateway": Estimate(116, "median of 9 logs (84 to 121 s)"),
    "aws:ec2/volumeAttachment:VolumeAttachment": Estimate(15, ASSUMED),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Estimate(6, "median of 10 logs (3 to 7 s)"),
    "aws:ec2/vpnConnection:VpnConnection": Estimate(240, ASSUMED),
    "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation": Estimate(60, ASSUMED),
    "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation": Estimate(30, ASSUMED),
    "aws:ec2transitgateway/transitGateway:TransitGateway": Estimate(78, "one log"),
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": Estimate(90, ASSUMED),
    "aws:lb/loadBalancer:LoadBalancer": Estimate(149, "median of 6 logs (135 to 187 s)"),
    "aws:route53/record:Record": Estimate(35, "one log"),
    "aws:route53/zone:Zone": Estimate(40, "median of 3 logs (36 to 72 s)"),
    "kubernetes:apps/v1:Deployment": Estimate(30, "until its pods are ready: assumed"),
    "kubernetes:apps/v1:StatefulSet": Estimate(45, "until its pods are ready: assumed"),
    "kubernetes:batch/v1:Job": Estimate(60, "until what it waits for is there: assumed"),
}


def estimate(type_: str, custom: bool = True) -> Estimate:
    """Of one resource. Components and providers are made by the engine alone."""
    if not custom or type_.startswith(("pulumi:", "random:", "tls:")):
        return LOCAL
    return ESTIMATES.get(type_, MANIFEST if type_.startswith("kubernetes:") else QUICK)
