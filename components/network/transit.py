"""The Transit Gateway: spokes reach the hub, never one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.network.vpc import Vpc


@dataclass(frozen=True)
class VpnPeer:
    """The far end of a site-to-site VPN."""

    name: str
    address: str
    """Public IPv4 address."""
    asn: int = 65000
    ranges: Sequence[str] = ()
    """Networks behind it."""


@dataclass(frozen=True)
class TransitArgs:
    """The hub side."""

    hub: Vpc
    subnets: Sequence[str]
    """Names of the hub's subnets that carry its attachment, one per zone."""
    spokes: Mapping[str, str]
    """Range of each spoke."""
    vpn_peers: Sequence[VpnPeer] = ()


class Transit(pulumi.ComponentResource):
    """Transit Gateway with two route tables: ``hub`` knows everybody, ``spokes`` knows only the hub and the VPN.

    Makes: the gateway, both tables, the hub's attachment, routes from the hub's subnets to every spoke and to the
    networks behind the VPN, and a site-to-site VPN per peer that ends on the gateway.
    Costs: each attachment and VPN connection by the hour, traffic by the GB. Outputs what a spoke needs to attach.
    """

    gateway_id: pulumi.Output[str]
    hub_table: pulumi.Output[str]
    spoke_table: pulumi.Output[str]

    def __init__(self, name: str, args: TransitArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:Transit", name, None, opts)
        self._name = name
        self._children = pulumi.ResourceOptions(parent=self)
        gateway = aws.ec2transitgateway.TransitGateway(
            f"{name}-gateway",
            description="Joins the hub with its spokes",
            default_route_table_association="disable",
            default_route_table_propagation="disable",
            dns_support="enable",
            security_group_referencing_support="enable",
            tags={"Name": name},
            opts=self._children,
        )
        self.gateway_id = gateway.id
        self.hub_table = self._create_table("hub")
        self.spoke_table = self._create_table("spokes")
        attachment = self._attach_hub(args)
        for peer in args.vpn_peers:
            self._create_vpn(peer, attachment)
        self.register_outputs(
            {"gateway_id": self.gateway_id, "hub_table": self.hub_table, "spoke_table": self.spoke_table}
        )

    def _create_table(self, role: str) -> pulumi.Output[str]:
        return aws.ec2transitgateway.RouteTable(
            f"{self._name}-{role}",
            transit_gateway_id=self.gateway_id,
            tags={"Name": f"{self._name}-{role}"},
            opts=self._children,
        ).id

    def _attach_hub(self, args: TransitArgs) -> aws.ec2transitgateway.VpcAttachment:
        attachment = aws.ec2transitgateway.VpcAttachment(
            f"{self._name}-hub-attachment",
            transit_gateway_id=self.gateway_id,
            vpc_id=args.hub.vpc_id,
            subnet_ids=[args.hub.subnets[subnet].id for subnet in args.subnets],
            transit_gateway_default_route_table_association=False,
            transit_gateway_default_route_table_propagation=False,
            tags={"Name": f"{self._name}-hub"},
            opts=self._children,
        )
        self._join("hub", attachment.id)
        behind = {f"{peer.name}-{place(cidr)}": cidr for peer in args.vpn_peers for cidr in peer.ranges}
        for destination, cidr in {**args.spokes, **behind}.items():
            for subnet, table in args.hub.route_tables.items():
                aws.ec2.Route(
                    f"{self._name}-{subnet}-to-{destination}",
                    route_table_id=table.id,
                    destination_cidr_block=cidr,
                    transit_gateway_id=self.gateway_id,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
                )
        return attachment

    def _create_vpn(self, peer: VpnPeer, attachment: aws.ec2transitgateway.VpcAttachment) -> None:
        customer = aws.ec2.CustomerGateway(
            f"{self._name}-{peer.name}",
            bgp_asn=str(peer.asn),
            ip_address=peer.address,
            type="ipsec.1",
            tags={"Name": peer.name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
        )
        connection = aws.ec2.VpnConnection(
            f"{self._name}-{peer.name}-vpn",
            customer_gateway_id=customer.id,
            transit_gateway_id=self.gateway_id,
            type="ipsec.1",
            tags={"Name": peer.name},
            opts=self._children,
        )
        self._join(peer.name, connection.transit_gateway_attachment_id)

    def _join(self, role: str, attachment: pulumi.Output[str]) -> None:
        """The hub and the VPN use the table that knows the spokes, and are known there to each other."""
        name = f"{self._name}-{role}"
        associate_and_propagate(name, attachment, self.hub_table, self.spoke_table, self._children)
        aws.ec2transitgateway.RouteTablePropagation(
            f"{name}-propagation-hub",
            transit_gateway_attachment_id=attachment,
            transit_gateway_route_table_id=self.hub_table,
            opts=self._children,
        )


def place(cidr: str) -> str:
    """A range as a part of a resource's name."""
    return cidr.replace("/", "-")


def associate_and_propagate(
    name: str,
    attachment: pulumi.Input[str],
    table: pulumi.Input[str],
    known_to: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make an attachment use one route table and announce its networks in another."""
    aws.ec2transitgateway.RouteTableAssociation(
        f"{name}-association",
        transit_gateway_attachment_id=attachment,
        transit_gateway_route_table_id=table,
        opts=opts,
    )
    aws.ec2transitgateway.RouteTablePropagation(
        f"{name}-propagation",
        transit_gateway_attachment_id=attachment,
        transit_gateway_route_table_id=known_to,
        opts=opts,
    )


@dataclass(frozen=True)
class SpokeArgs:
    """The spoke side: what the hub's stack exports, and the spoke's own VPC."""

    vpc: Vpc
    subnets: Sequence[str]
    """Names of the subnets that carry the attachment, one per zone; they get the routes to the hub."""
    gateway_id: pulumi.Input[str]
    hub_table: pulumi.Input[str]
    spoke_table: pulumi.Input[str]
    destinations: Sequence[str]
    """The hub's range and the networks behind the VPN."""


class SpokeAttachment(pulumi.ComponentResource):
    """Attaches a spoke's VPC to the hub's Transit Gateway and routes the hub's networks through it.

    Costs: one attachment by the hour, traffic by the GB. Outputs: the attachment's id.
    """

    attachment_id: pulumi.Output[str]

    def __init__(self, name: str, args: SpokeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:SpokeAttachment", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        attachment = aws.ec2transitgateway.VpcAttachment(
            f"{name}-attachment",
            transit_gateway_id=args.gateway_id,
            vpc_id=args.vpc.vpc_id,
            subnet_ids=[args.vpc.subnets[subnet].id for subnet in args.subnets],
            transit_gateway_default_route_table_association=False,
            transit_gateway_default_route_table_propagation=False,
            tags={"Name": name},
            opts=children,
        )
        self.attachment_id = attachment.id
        associate_and_propagate(name, attachment.id, args.spoke_table, args.hub_table, children)
        for subnet in args.subnets:
            for destination in args.destinations:
                aws.ec2.Route(
                    f"{name}-{subnet}-to-{place(destination)}",
                    route_table_id=args.vpc.route_tables[subnet].id,
                    destination_cidr_block=destination,
                    transit_gateway_id=args.gateway_id,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
                )
        self.register_outputs({"attachment_id": self.attachment_id})
