"""The cluster's entry: an internal load balancer at fixed addresses, in front of the API and the ingress gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.edge.forward import Forward, forward

API = 6443
TO_API = Forward(API, API, "instance", API, "/cacerts", health_tls=True, keeps_client=False)


@dataclass(frozen=True)
class ApiName:
    """What the Kubernetes API is called, and the private zone that knows it."""

    host: str
    zone: str


@dataclass(frozen=True)
class ClusterEntryArgs:
    """Where the entry stands and what it is called."""

    load_balancer: str
    """The load balancer's name, at most 32 characters."""
    vpc_id: pulumi.Input[str]
    region: str
    subnets: Mapping[str, pulumi.Input[str]]
    """Subnet id by name."""
    addresses: Mapping[str, str]
    """Fixed address by subnet name."""
    security_group: pulumi.Input[str]
    api: ApiName | None = None
    """Absent: the API is elsewhere, and the entry leads to the ingress alone."""
    ingress: Sequence[Forward] = ()
    """Where it forwards the public edge's traffic. Empty: the edge reaches the nodes itself."""
    resolving_vpcs: Sequence[pulumi.Input[str]] = ()
    """Further VPCs in which the API's name resolves."""


class ClusterEntry(pulumi.ComponentResource):
    """An internal network load balancer with a listener for the API (6443), and for the ingress gateway.

    Servers join through it too, hence no client addresses on 6443: a server that is sent back to itself would hang.
    Costs: one load balancer and one private zone. Outputs: the target group of each port, and the API's address.
    """

    target_groups: dict[int, pulumi.Output[str]]
    listeners: list[aws.lb.Listener]
    url: pulumi.Output[str] | None
    """The API's address, where that is behind the entry."""

    def __init__(self, name: str, args: ClusterEntryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:ClusterEntry", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=args.load_balancer,
            load_balancer_type="network",
            internal=True,
            security_groups=[args.security_group],
            subnet_mappings=[
                aws.lb.LoadBalancerSubnetMappingArgs(subnet_id=args.subnets[subnet], private_ipv4_address=address)
                for subnet, address in args.addresses.items()
            ],
            enable_cross_zone_load_balancing=True,
            tags={"Name": name},
            opts=children,
        )
        self.target_groups, self.listeners = {}, []
        for item in (*([TO_API] if args.api else []), *args.ingress):
            group, listener = forward(name, item, balancer, args.load_balancer, args.vpc_id, children)
            self.target_groups[item.port] = group.arn
            self.listeners.append(listener)
        self.url = self._create_name(name, args, args.api, balancer, children) if args.api else None
        self.register_outputs({"url": self.url})

    def _create_name(
        self,
        name: str,
        args: ClusterEntryArgs,
        api: ApiName,
        balancer: aws.lb.LoadBalancer,
        children: pulumi.ResourceOptions,
    ) -> pulumi.Output[str]:
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=api.zone,
            vpcs=[
                aws.route53.ZoneVpcArgs(vpc_id=vpc, vpc_region=args.region)
                for vpc in (args.vpc_id, *args.resolving_vpcs)
            ],
            tags={"Name": api.zone},
            opts=children,
        )
        record = aws.route53.Record(
            f"{name}-api",
            zone_id=zone.zone_id,
            name=api.host,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
                )
            ],
            opts=children,
        )
        return pulumi.Output.concat("https://", record.fqdn, f":{API}")
