"""The public edge: network load balancers in the hub that pass TLS through to a spoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

PORTS = (80, 443)


@dataclass(frozen=True)
class EdgeArgs:
    """One environment's edge."""

    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]
    load_balancer: str
    """The load balancer's name, at most 32 characters."""
    hosts: Sequence[str]
    zone_id: pulumi.Input[str]


class Edge(pulumi.ComponentResource):
    """A network load balancer on 80 and 443 whose targets are addresses in a spoke, and the names that lead to it.

    TLS passes through: the certificates live at the spoke's ingress gateway. Targets are registered by the spoke.
    Costs: one load balancer by the hour and by traffic. Outputs: its DNS name and the target group of each port.
    """

    dns_name: pulumi.Output[str]
    target_groups: dict[int, pulumi.Output[str]]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:Edge", name, None, opts)
        self._name = name
        self._children = pulumi.ResourceOptions(parent=self)
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=args.load_balancer,
            load_balancer_type="network",
            internal=False,
            subnets=list(args.subnets),
            security_groups=[args.security_group],
            enable_cross_zone_load_balancing=True,
            tags={"Name": name},
            opts=self._children,
        )
        self.dns_name = balancer.dns_name
        self.target_groups = {port: self._create_listener(port, balancer, args.vpc_id) for port in PORTS}
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
                opts=self._children,
            )
        self.register_outputs({"dns_name": self.dns_name})

    def _create_listener(
        self, port: int, balancer: aws.lb.LoadBalancer, vpc_id: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        group = aws.lb.TargetGroup(
            f"{self._name}-{port}",
            port=port,
            protocol="TCP",
            target_type="ip",
            vpc_id=vpc_id,
            deregistration_delay=30,
            health_check=aws.lb.TargetGroupHealthCheckArgs(protocol="TCP", port=str(port), interval=10),
            tags={"Name": f"{self._name}-{port}"},
            opts=self._children,
        )
        aws.lb.Listener(
            f"{self._name}-listener-{port}",
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)],
            opts=self._children,
        )
        return group.arn


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
