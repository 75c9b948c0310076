"""The hub: the shared network and the public edge."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.edge.load_balancer import PORTS, Edge, EdgeArgs, to_spoke
from components.network.bastion import Bastion, BastionArgs
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.transit import Transit, TransitArgs, VpnPeer
from components.network.vpc import Vpc, VpcArgs
from derive.network.firewall import S3
from derive.network.networks import hub_plan
from stacks.common import account, machine_image
from stacks.outputs import HubOutputs
from stacks.settings import Settings


def deploy(settings: Settings) -> None:
    """Register the hub of the system and export what its spokes load."""
    plan = hub_plan(settings.declaration, settings.region)
    provider = account(settings)
    options = pulumi.ResourceOptions(provider=provider)
    name = f"{settings.system}-hub"
    vpc = Vpc(name, VpcArgs(plan.addresses, settings.region), options)
    groups = SecurityGroups(
        f"{name}-groups", SecurityGroupsArgs(vpc.vpc_id, plan.groups, {S3: vpc.s3_prefix_list}), options
    )
    private = [subnet.name for subnet in plan.addresses.tier("private")]
    peers = [
        VpnPeer(peer.name, str(peer.address), peer.asn, [str(network) for network in peer.ranges])
        for peer in settings.vpn_peers
    ]
    transit = Transit(
        f"{name}-transit", TransitArgs(hub=vpc, subnets=private, spokes=plan.spokes, vpn_peers=peers), options
    )
    bastion = Bastion(
        f"{name}-bastion",
        BastionArgs(vpc.subnets[private[0]].id, groups.ids["bastion"], machine_image(provider)),
        options,
    )
    zone = aws.route53.Zone(f"{name}-public", name=plan.domain, opts=options)
    edges = {
        edge.environment: Edge(
            f"{name}-edge-{edge.environment}",
            EdgeArgs(
                vpc_id=vpc.vpc_id,
                subnets=vpc.ids("public"),
                security_group=groups.ids["edge"],
                load_balancer=edge.name,
                forwards=[to_spoke(port) for port in PORTS],
                hosts=edge.hosts,
                zone_id=zone.zone_id,
            ),
            options,
        )
        for edge in plan.edges
    }
    HubOutputs(
        transit_gateway_id=transit.gateway_id,
        transit_hub_table=transit.hub_table,
        transit_spoke_table=transit.spoke_table,
        hub_vpc_id=vpc.vpc_id,
        hub_cidr=pulumi.Output.from_input(plan.addresses.cidr),
        bastion_id=bastion.instance_id,
        edge_target_groups=pulumi.Output.all(
            **{f"{name}-{port}": arn for name, edge in edges.items() for port, arn in edge.target_groups.items()}
        ),
        edge_dns_names=pulumi.Output.all(**{name: edge.dns_name for name, edge in edges.items()}),
        vpn_ranges=pulumi.Output.from_input([network for peer in peers for network in peer.ranges]),
        name_servers=zone.name_servers,
    ).export()
