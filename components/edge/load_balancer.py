"""The public edge: network load balancers that pass TLS through to a cluster's ingress gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.edge.forward import Forward, forward

PORTS = (80, 443)


def to_spoke(port: int) -> Forward:
    """To a spoke's internal entry: addresses in another VPC."""
    return Forward(port, port, "ip", health_port=port)


@dataclass(frozen=True)
class EdgeArgs:
    """One environment's edge."""

    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]
    load_balancer: str
    """The load balancer's name, at most 32 characters."""
    forwards: Sequence[Forward]
    hosts: Sequence[str] = ()
    """Names that lead to it in the public zone."""
    zone_id: pulumi.Input[str] | None = None
    internal: bool = False
    """Whether only the network itself reaches it."""


class Edge(pulumi.ComponentResource):
    """A network load balancer in front of an ingress gateway, and the names that lead to it.

    TLS passes through: the certificates live at the ingress gateway. Targets are registered by the cluster's side.
    Costs: one load balancer by the hour and by traffic. Outputs: its ARN, its DNS name with the zone
    of that, and the target group of each port.
    """

    arn: pulumi.Output[str]
    dns_name: pulumi.Output[str]
    zone_id: pulumi.Output[str]
    target_groups: dict[int, pulumi.Output[str]]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:Edge", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=args.load_balancer,
            load_balancer_type="network",
            internal=args.internal,
            subnets=list(args.subnets),
            security_groups=[args.security_group],
            enable_cross_zone_load_balancing=True,
            # A VPC link's traffic comes from addresses of AWS's own; who may make a link is IAM's affair.
            enforce_security_group_inbound_rules_on_private_link_traffic="off" if args.internal else None,
            tags={"Name": name},
            opts=children,
        )
        self.arn, self.dns_name, self.zone_id = balancer.arn, balancer.dns_name, balancer.zone_id
        self.target_groups = {
            item.port: forward(name, item, balancer, args.load_balancer, args.vpc_id, children)[0].arn
            for item in args.forwards
        }
        for host in args.hosts:
            aws.route53.Record(
                f"{name}-{host.replace('.', '-')}",
                zone_id=args.zone_id,
                name=host,
                type="A",
                aliases=[
                    aws.route53.RecordAliasArgs(
                        name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
                    )
                ],
                opts=children,
            )
        self.register_outputs({"dns_name": self.dns_name})


@dataclass(frozen=True)
class EdgeTargetsArgs:
    """What a spoke registers at the hub's edge."""

    target_groups: dict[int, pulumi.Input[str]]
    addresses: dict[str, str]
    """The addresses of the spoke's entry by subnet name."""


class EdgeTargets(pulumi.ComponentResource):
    """Registers a spoke's entry addresses at its edge in the hub. They lie in another VPC, hence zone ``all``."""

    def __init__(self, name: str, args: EdgeTargetsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:EdgeTargets", name, None, opts)
        for port, group in args.target_groups.items():
            for subnet, address in args.addresses.items():
                aws.lb.TargetGroupAttachment(
                    f"{name}-{port}-{subnet}",
                    target_group_arn=group,
                    target_id=address,
                    port=port,
                    availability_zone="all",
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})
